"""The images that most models miss, and the classes they predict instead."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from evalshift.shapes import Labels

# Number of (image, class) counters in memory at once.
_CELLS_IN_A_CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class HardImages:
    """Images of one set, the hardest first, ties in the order of the set; all arrays have the same length.

    image      position in the set, from 0
    label      its class
    missed     number of models that are incorrect, 0 to `models`
    favourite  the most frequent incorrect prediction, the lower class number if tied; −1 if all models are correct
    votes      number of models that predict it
    models     number of models in all
    """

    image: Int[np.ndarray, " hard"]
    label: Int[np.ndarray, " hard"]
    missed: Int[np.ndarray, " hard"]
    favourite: Int[np.ndarray, " hard"]
    votes: Int[np.ndarray, " hard"]
    models: int

    def __len__(self) -> int:
        return len(self.image)


def missed_by(predicted: Int[np.ndarray, "m n"], labels: Labels) -> Int[np.ndarray, " n"]:
    """How many of m models miss each image: its hardness. Takes predicted classes and labels.

    Source: Recht et al. 2019, appendix B.2.5.
    """
    return np.sum(predicted != labels, axis=0)


def hard_images(predicted: Int[np.ndarray, "m n"], labels: Labels, least: int | None = None) -> HardImages:
    """The images that at least `least` models miss; by default, those that all models miss.

    Takes the class that each of m models predicts for each of n images, −1 for no prediction (a miss), and the labels;
    classes are numbered from 0.
    Raises ValueError for `least` outside 0 to m, a class below −1, and where images and labels differ in number.
    Source: Recht et al. 2019, appendix B.3.5 and figure 4.

    >>> predicted = np.array([[0, 2, 2], [0, 2, 1], [1, 0, 2]])
    >>> hard = hard_images(predicted, np.array([0, 1, 1]), least=2)
    >>> hard.image, hard.missed, hard.favourite, hard.votes
    (array([1, 2]), array([3, 2]), array([2, 2]), array([2, 2]))
    """
    _check(predicted, labels)
    models = len(predicted)
    least = models if least is None else least
    if not 0 <= least <= models:
        raise ValueError(f"least: found {least}; expected 0 to {models}, the number of models")
    missed = missed_by(predicted, labels)
    return _described(predicted, labels, missed, missed >= least)


def hardest_share(predicted: Int[np.ndarray, "m n"], labels: Labels, share: float) -> HardImages:
    """The hardest `share` of the images, including all ties with the last of them: at least share · n images.

    Takes what `hard_images` takes, and a share in (0, 1].
    Raises ValueError for a share out of range, a class below −1, and where images and labels differ in number.
    Source: Recht et al. 2019, appendix B.2.5 (the hardest 5 %, including ties).
    """
    _check(predicted, labels)
    if not 0 < share <= 1:
        raise ValueError(f"share: found {share}; expected a fraction above 0, up to 1")
    missed = missed_by(predicted, labels)
    if len(missed) == 0:
        return _described(predicted, labels, missed, missed >= 0)
    # Rounded first: 0.07 · 100 is 7.000000000000001, which must not add an eighth image.
    wanted = int(np.ceil(round(share * len(missed), 6)))
    return _described(predicted, labels, missed, missed >= np.sort(missed)[-wanted])


def _described(predicted: np.ndarray, labels: np.ndarray, missed: np.ndarray, chosen: np.ndarray) -> HardImages:
    images = np.flatnonzero(chosen)
    images = images[np.argsort(-missed[images], kind="stable")]
    favourite, votes = _favourites(predicted[:, images], labels[images])
    return HardImages(images, labels[images], missed[images], favourite, votes, len(predicted))


def _favourites(predicted: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent incorrect prediction for each image, and the number of models that make it."""
    favourite, votes = np.full(len(labels), -1), np.zeros(len(labels), dtype=np.int64)
    classes = int(predicted.max(initial=0)) + 1
    step = max(1, _CELLS_IN_A_CHUNK // classes)
    for start in range(0, len(labels), step):
        part = slice(start, start + step)
        wrong = (predicted[:, part] != labels[part]) & (predicted[:, part] >= 0)
        images = wrong.shape[1]
        cell = np.arange(images) * classes + predicted[:, part].astype(np.int64)
        count = np.bincount(cell[wrong], minlength=images * classes).reshape(images, classes)
        votes[part] = count.max(axis=1)
        favourite[part] = np.where(votes[part] > 0, count.argmax(axis=1), -1)
    return favourite, votes


def _check(predicted: np.ndarray, labels: np.ndarray) -> None:
    if predicted.shape[1] != len(labels):
        raise ValueError(
            f"found predictions for {predicted.shape[1]} images and {len(labels)} labels; expected one label each"
        )
    if predicted.size and predicted.min() < -1:
        raise ValueError(f"predicted: found class {predicted.min()}; expected classes from 0, or -1 for none")
