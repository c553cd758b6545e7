"""Predictions of models on both sets of a pair, per image and as counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.errors import UsageError
from evalshift.shapes import Correct, Counts, Labels
from evalshift.testbed.class_tree import ClassTree
from evalshift.testbed.views import Superclasses
from evalshift.titles import Titles, titles_of

# Number of first predictions among which the label counts as correct.
METRICS = {"top1": 1, "top5": 5}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Correct predictions of m models on both sets of a pair, as counts.

    metric                          "top1" or "top5"
    original_correct, new_correct   shape (m,), 0 to the total of their set, in the order of `models`
    attributes                      model -> facts of its registry entry ("family", "year", "title", ...)
    dataset_titles                  name -> title of both sets and of a set of fresh images, if they have one
    beside                          models left out of lines, whatever their family
    duplicates                      model -> an earlier one with identical predictions, which lines count once
    highlighted                     models named and marked wherever models are shown
    """

    original: str
    new: str
    metric: str
    models: tuple[str, ...]
    original_correct: Counts
    new_correct: Counts
    original_total: int
    new_total: int
    attributes: dict[str, dict]
    dataset_titles: Mapping[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    duplicates: Mapping[str, str] = field(default_factory=dict)
    highlighted: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        return f"Outcomes({self.original}:{self.new}, {self.metric}: {len(self)} models)"

    @property
    def counts(self) -> tuple[Counts, Counts, Counts, Counts]:
        """Original correct and total, new correct and total, shape (m,) each."""
        original_total, new_total = (np.full(len(self), total) for total in (self.original_total, self.new_total))
        return self.original_correct, original_total, self.new_correct, new_total

    @cached_property
    def titles(self) -> Titles:
        """Titles of the models, their families and the datasets in figures and tables."""
        names = dict.fromkeys((self.original, self.new, *self.dataset_titles))
        return titles_of(
            {model: self.attributes.get(model, {}) for model in self.models},
            {name: self.dataset_titles.get(name, name) for name in names},
        )

    @property
    def families(self) -> tuple[str | None, ...]:
        """Of each model, None where the registry gives none."""
        return tuple(self.attributes.get(model, {}).get("family") for model in self.models)

    @property
    def years(self) -> tuple[int | None, ...]:
        """Of each model, None where the registry gives none."""
        return tuple(_year(self.attributes.get(model, {}).get("year")) for model in self.models)

    def in_line(self, left_out: Sequence[str]) -> Bool[np.ndarray, " m"]:
        """Which models lines are fitted to: all except the families left out, `beside`, and duplicates."""
        inside = [
            (family is None or family not in left_out) and model not in self.beside and not self._is_counted(model)
            for model, family in zip(self.models, self.families, strict=True)
        ]
        return np.array(inside, dtype=bool)

    def distinct(self) -> tuple[Int[np.ndarray, " d"], Int[np.ndarray, " m"]]:
        """Positions of the models that are not duplicates, and for each model the position of its equal among these."""
        kept = [place for place, model in enumerate(self.models) if not self._is_counted(model)]
        among = {self.models[place]: number for number, place in enumerate(kept)}
        like = [among[self.duplicates[model] if self._is_counted(model) else model] for model in self.models]
        return np.array(kept, dtype=np.int64), np.array(like, dtype=np.int64)

    def _is_counted(self, model: str) -> bool:
        """Whether an earlier model with the same predictions is in the outcomes."""
        like = self.duplicates.get(model)
        return like is not None and like in self.models

    def of_line(self, left_out: Sequence[str]) -> "Outcomes":
        """The outcomes of the models that lines are fitted to."""
        return self.subset(np.flatnonzero(self.in_line(left_out)).tolist())

    def subset(self, places: Sequence[int]) -> "Outcomes":
        """The same for the models at these places alone."""
        return replace(
            self,
            models=tuple(self.models[place] for place in places),
            original_correct=self.original_correct[list(places)],
            new_correct=self.new_correct[list(places)],
        )


@dataclass(frozen=True, eq=False)
class ImagePredictions:
    """Predictions of m models on one set, per image.

    top          class numbers, best first, shape (m, n, k), in the smallest sufficient integer type; k is the minimum
                 over models of the number of stored predictions
    labels       shape (n,); the first label of images with several
    ids          the images' names, in the set's order
    class_names  position = class number
    attributes   further facts of each image, such as its location: name → text, shape (n,)
    confidence   mean probability of each model's first prediction, in [0, 1], None for a model without; () if none is
                 known
    prob         probability of each first prediction, shape (m, n), in [0, 1]; NaN where a model has none; None if no
                 model has any
    accepted     all correct labels of each image, shape (n, c), shorter rows padded by repeating a label; None if each
                 image has one
    superclasses  of the classes, as declared in the registry
    tree         class tree, if known
    corrected    corrected labels of each image, shape (n, c), rows padded with −1 and all −1 for an image without; None
                 if there are none
    source       origin of the images, see `shared_images.image_source`; "" if unknown
    pictures     a number per image, equal for the same picture in another set; None if unknown
    """

    dataset: str
    models: tuple[str, ...]
    top: Int[np.ndarray, "m n k"]
    labels: Labels
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    confidence: tuple[float | None, ...] = ()
    accepted: Int[np.ndarray, "n c"] | None = None
    superclasses: tuple[Superclasses, ...] = ()
    tree: ClassTree | None = None
    source: str = ""
    prob: Float[np.ndarray, "m n"] | None = None
    corrected: Int[np.ndarray, "n corrected"] | None = None
    pictures: tuple[str, ...] | None = None

    @property
    def truth(self) -> Int[np.ndarray, "..."]:
        """The labels that predictions are compared with: `accepted`, or `labels` if each image has one."""
        return self.labels if self.accepted is None else self.accepted

    @property
    def predicted(self) -> Int[np.ndarray, "m n"]:
        """Each model's top-1 prediction for each image."""
        return self.top[:, :, 0]

    def subset(self, places: Sequence[int]) -> "ImagePredictions":
        """The same for the models at these places alone."""
        return replace(
            self,
            models=tuple(self.models[place] for place in places),
            top=self.top[list(places)],
            confidence=tuple(self.confidence[place] for place in places) if self.confidence else (),
            prob=None if self.prob is None else self.prob[list(places)],
        )

    def correct(self, metric: str = "top1") -> Correct:
        """Which images each model classifies correctly by "top1" or "top5".

        Raises ValueError if fewer predictions per image are stored than the metric needs.
        """
        return self._hits(self.truth, metric)

    def correct_by_corrected(self, metric: str = "top1") -> Correct:
        """Like `correct`, by the corrected labels; False for an image without. Raises ValueError if there are none."""
        if self.corrected is None:
            raise ValueError(f"no corrected labels are known of {self.dataset}")
        # −1 also stands for "no prediction"; no prediction may equal it.
        return self._hits(np.where(self.corrected < 0, np.iinfo(np.int64).min, self.corrected), metric)

    def _hits(self, labels: Int[np.ndarray, "..."], metric: str) -> Correct:
        k = METRICS[metric]
        if k > self.top.shape[2]:
            raise ValueError(
                f"{metric} needs {k} predictions per image; {self.top.shape[2]} are stored on {self.dataset}"
            )
        correct = np.zeros(self.top.shape[:2], dtype=bool)
        for place in range(k):
            for label in labels.reshape(len(self.labels), -1).T:
                correct |= self.top[:, :, place] == label
        return correct


def split_pair(pair: str) -> tuple[str, str]:
    """The two dataset names of "original:new"; raises UsageError for any other form."""
    original, _, new = pair.partition(":")
    if not original or not new or ":" in new:
        raise UsageError("this is not a pair", found=f'"{pair}"', expected="original:new, two names and one colon")
    return original, new


def _year(value: object) -> int | None:
    """A year; None for anything else, such as text of no number that was imported."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None
