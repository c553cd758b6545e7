"""Covariances of accuracies on several sets, which may share images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

# Numbers in memory at once while covariances are summed over images: 64 MB.
_AT_ONCE = 8_000_000

SetNumber = int
Combination = int


@dataclass(frozen=True, eq=False)
class ImageSets:
    """Which images of several sets each of m models classifies correctly.

    correct  one array per set, shape (m, n) with n its number of images
    images   a number for each image of each set, shape (n,): equal if two sets contain the same image, such as one
             photograph under several corruptions
    """

    correct: tuple[Bool[np.ndarray, "m _"], ...]
    images: tuple[Int[np.ndarray, " _"], ...]

    @cached_property
    def parts(self) -> tuple["_Part", ...]:
        """The sets, grouped so that no two groups have an image in common."""
        groups: list[list[int]] = []
        for number, images in enumerate(self.images):
            near = [group for group in groups if any(np.isin(images, self.images[other]).any() for other in group)]
            groups = [group for group in groups if group not in near]
            groups.append([*(other for group in near for other in group), number])
        return tuple(self._part(group) for group in groups)

    def _part(self, group: Sequence[int]) -> "_Part":
        _, places = np.unique(np.concatenate([self.images[number] for number in group]), return_inverse=True)
        ends = np.cumsum([len(self.images[number]) for number in group])
        return _Part(dict(zip(group, np.split(places, ends[:-1]), strict=True)), int(places.max()) + 1)

    def _blocks(self, part: "_Part", rows: int) -> Iterator[tuple[int, dict[int, tuple[np.ndarray, np.ndarray]]]]:
        """The images of a part, some at a time: how many, and for each set their positions among these and influences.

        The influence of an image on an accuracy is (correct − accuracy)/n.
        """
        size = max(1, min(part.size, _AT_ONCE // max(1, rows)))
        order = {number: np.argsort(places, kind="stable") for number, places in part.places.items()}
        for start in range(0, part.size, size):
            end = min(part.size, start + size)
            block = {}
            for number, places in part.places.items():
                first, last = np.searchsorted(places, (start, end), sorter=order[number])
                columns = order[number][first:last]
                accuracy, count = self._accuracy[number], len(places)
                influence = (self.correct[number][:, columns] - accuracy[:, np.newaxis]) / count
                block[number] = places[columns] - start, influence
            yield end - start, block

    @cached_property
    def _accuracy(self) -> tuple[np.ndarray, ...]:
        return tuple(correct.mean(axis=1) for correct in self.correct)


@dataclass(frozen=True, eq=False)
class _Part:
    """Sets with images in common: positions of each set's images among the `size` distinct images."""

    places: dict[int, np.ndarray]
    size: int


def combined_covariance(
    sets: ImageSets,
    weights: Mapping[tuple[Combination, SetNumber], Float[np.ndarray, "row m"] | Float[np.ndarray, " m"]],
    combinations: int,
) -> Float[np.ndarray, "row _ _"]:
    """Covariance of linear combinations of accuracies over samples of images, shape (row, combination, combination).

    `weights` gives, for each combination and each set in it, the weight of each model's accuracy on the set in each
    row; with one dimension, rows are models, and each has weight on its own accuracy alone. Images shared by sets or by
    models are sampled once for all of them.
    Source: the infinitesimal jackknife, Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.

    >>> sets = ImageSets((np.array([[True, True, False, False]]),) * 2, (np.arange(4), np.arange(4)))
    >>> one = np.ones((1, 1))
    >>> combined_covariance(sets, {(0, 0): one, (1, 1): one}, 2)
    array([[[0.0625, 0.0625],
            [0.0625, 0.0625]]])
    """
    rows = len(next(iter(weights.values())))
    found = np.zeros((rows, combinations, combinations))
    for part in sets.parts:
        inside = {key: weight for key, weight in weights.items() if key[1] in part.places}
        touched = sorted({combination for combination, _ in inside})
        if not touched:
            continue
        for size, block in sets._blocks(part, rows * len(touched)):
            influence = np.zeros((rows, len(touched), size))
            for (combination, number), weight in inside.items():
                places, of_models = block[number]
                influence[:, touched.index(combination), places] += _weighted(weight, of_models)
            found[np.ix_(range(rows), touched, touched)] += influence @ influence.transpose(0, 2, 1)
    return found


def _weighted(weight: np.ndarray, of_models: np.ndarray) -> np.ndarray:
    return weight[:, np.newaxis] * of_models if weight.ndim == 1 else weight @ of_models


def model_covariance(sets: ImageSets, weights: Mapping[SetNumber, Float[np.ndarray, " m"]]) -> Float[np.ndarray, "m m"]:
    """Covariance between m models of one linear combination of each model's accuracies, with a weight for each set."""
    models = len(sets.correct[0])
    found = np.zeros((models, models))
    for part in sets.parts:
        inside = {number: weight for number, weight in weights.items() if number in part.places}
        if not inside:
            continue
        for size, block in sets._blocks(part, models):
            influence = np.zeros((models, size))
            for number, weight in inside.items():
                places, of_models = block[number]
                influence[:, places] += weight[:, np.newaxis] * of_models
            found += influence @ influence.T
    return found
