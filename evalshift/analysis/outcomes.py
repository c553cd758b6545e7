"""Stored predictions of a pair -> what each model answers on either set, and how many images it gets right."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from evalshift.errors import AnalysisError, StoreError, UsageError, near_match
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.shapes import Correct, Counts, Labels

# How many of a model's first answers may hold the label.
METRICS = {"top1": 1, "top5": 5}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Correct answers of m models on both sets of a pair, as counts.

    metric                          "top1" or "top5"
    original_correct, new_correct   shape (m,), 0 to the total of their set, in the order of `models`
    attributes                      model -> facts of its registry entry ("family", "year", ...)
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

    def __len__(self) -> int:
        return len(self.models)


@dataclass(frozen=True, eq=False)
class ImageAnswers:
    """What m models answered on one set, image by image.

    top          class numbers, best first, shape (m, n, k), in the smallest integer type that holds them; k is the
                 least that any of the models keeps
    labels       shape (n,)
    ids          the images' names, in the set's order
    class_names  position = class number
    """

    dataset: str
    models: tuple[str, ...]
    top: Int[np.ndarray, "m n k"]
    labels: Labels
    ids: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def predicted(self) -> Int[np.ndarray, "m n"]:
        """Each model's first answer to each image."""
        return self.top[:, :, 0]

    def correct(self, metric: str = "top1") -> Correct:
        """Which images each model gets right by "top1" or "top5".

        Raises ValueError where the models keep fewer answers than that takes.
        """
        k = METRICS[metric]
        if k > self.top.shape[2]:
            raise ValueError(f"{metric} takes {k} answers an image; {self.top.shape[2]} are kept on {self.dataset}")
        right = np.zeros(self.top.shape[:2], dtype=bool)
        for answer in range(k):
            right |= self.top[:, :, answer] == self.labels
        return right


@dataclass(frozen=True, eq=False)
class StoredPair:
    """All that the store holds on a pair.

    outcomes     metric -> Outcomes; "top5" only where it can be had
    answers      on the original and on the new set, of the same models in the same order; None where there are none
    provenance   model -> how its predictions on the original and on the new set came about
    notes        what was left out and why, and what else the reader should know
    """

    original: StoredDataset
    new: StoredDataset
    outcomes: dict[str, Outcomes]
    answers: tuple[ImageAnswers, ImageAnswers] | None
    provenance: dict[str, tuple[Provenance, Provenance]]
    notes: tuple[str, ...]


def load_outcomes(results: Results, pair: str) -> dict[str, Outcomes]:
    """Counts of the models stored on both sets of `pair` ("original:new"), by metric; raises as `load_pair` does."""
    return load_pair(results, pair).outcomes


def load_pair(results: Results, pair: str) -> StoredPair:
    """Counts, answers, provenance and notes of the models stored on both sets of `pair` ("original:new").

    A model takes part when its predictions on both sets can be read, belong to the datasets as they are stored now,
    and come from one checkpoint; every other model is named in the notes. Each file is read once, and only its answers
    are kept. "top5" is there when every model keeps five answers an image and there are more than five classes.
    Raises UsageError when `pair` is not two names, AnalysisError when a dataset is not stored or no model is left.
    """
    original_name, new_name = split_pair(pair)
    original, new = (_load_dataset(results, name, pair) for name in (original_name, new_name))
    notes: list[str] = []
    tops: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    provenance: dict[str, tuple[Provenance, Provenance]] = {}
    for model in _common_models(results, original_name, new_name, notes):
        try:
            both = results.load_predictions(original_name, model), results.load_predictions(new_name, model)
        except StoreError as error:
            notes.append(f"{model} is left out: {error.problem} ({error.where}).")
            continue
        objection = (
            _objection(both[0], original) or _objection(both[1], new) or _two_checkpoints(*(p.provenance for p in both))
        )
        if objection:
            notes.append(f"{model} is left out: {objection}.")
        else:
            tops[model] = _narrow(both[0].top, original), _narrow(both[1].top, new)
            provenance[model] = both[0].provenance, both[1].provenance
    if not tops:
        raise AnalysisError(
            "no model can be compared on this pair",
            where=pair,
            found="; ".join(note.rstrip(".") for note in notes) or "no predictions on either set",
            expected="at least one model with predictions on both sets",
            remedy=f"`evalshift run --pair {pair}`",
        )
    kept = {model: min(top.shape[1] for top in both) for model, both in tops.items()}
    answers = tuple(
        _gather(dataset, {model: both[side] for model, both in tops.items()}, min(kept.values()))
        for side, dataset in enumerate((original, new))
    )
    attributes = {model: dict(new_run.entry) for model, (_, new_run) in provenance.items()}
    outcomes = {
        metric: _count(answers[0], answers[1], metric, attributes)
        for metric, k in METRICS.items()
        if _metric_applies(metric, k, kept, len(original.class_names), notes)
    }
    notes.extend(_provenance_notes(provenance))
    return StoredPair(original, new, outcomes, (answers[0], answers[1]), provenance, tuple(notes))


def split_pair(pair: str) -> tuple[str, str]:
    """The two dataset names of "original:new"; raises UsageError when that is not its form."""
    original, _, new = pair.partition(":")
    if not original or not new or ":" in new:
        raise UsageError("this is not a pair", found=f'"{pair}"', expected="original:new, two names and one colon")
    return original, new


def name_some(names: Sequence[str], limit: int = 5) -> str:
    """A list of names short enough for a sentence.

    >>> name_some(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def _load_dataset(results: Results, name: str, pair: str) -> StoredDataset:
    stored = results.datasets()
    if name in stored:
        return results.load_dataset(name)
    nearest = near_match(pair, results.pairs())
    raise AnalysisError(
        "the results hold no such pair",
        where=results.path,
        found=f'"{pair}"; no dataset "{name}" is stored',
        expected=f"a pair of {name_some(stored)}" if stored else "stored predictions",
        remedy=f'did you mean "{nearest}"?' if nearest else f"`evalshift run --pair {pair}`",
    )


def _common_models(results: Results, original: str, new: str, notes: list[str]) -> list[str]:
    on_original, on_new = results.models(original), results.models(new)
    for name, other, here, there in ((original, new, on_original, on_new), (new, original, on_new, on_original)):
        lonely = sorted(set(here) - set(there))
        if lonely:
            models = "1 model is" if len(lonely) == 1 else f"{len(lonely)} models are"
            notes.append(f"{models} left out, with predictions on {name} but none on {other}: {name_some(lonely)}.")
    return sorted(set(on_original) & set(on_new))


def _objection(predictions: Predictions, dataset: StoredDataset) -> str | None:
    """Why these predictions may not be held against the labels of `dataset`; None when they may."""
    if predictions.provenance.dataset_fingerprint != dataset.fingerprint:
        return f"its predictions on {dataset.name} belong to another version of that dataset (fingerprints differ)"
    if len(predictions) != len(dataset):
        return f"it has {len(predictions):,} predictions for the {len(dataset):,} images of {dataset.name}"
    return None


def _two_checkpoints(original: Provenance, new: Provenance) -> str | None:
    hashes = (original.checkpoint_sha256, new.checkpoint_sha256)
    if None not in hashes and hashes[0] != hashes[1]:
        return (
            f"two checkpoints made its predictions, {hashes[0]:.8} on {original.dataset} "
            f"and {hashes[1]:.8} on {new.dataset}"
        )
    return None


def _narrow(top: np.ndarray, dataset: StoredDataset) -> np.ndarray:
    """The answers in the smallest signed type that holds them, the labels and the classes; shape (n, k)."""
    largest = max(
        len(dataset.class_names) - 1,
        *(int(numbers.max(initial=0)) for numbers in (top, dataset.labels)),
        -int(top.min(initial=0)),
    )
    return top.astype(np.min_scalar_type(-largest - 1))


def _gather(dataset: StoredDataset, tops: Mapping[str, np.ndarray], k: int) -> ImageAnswers:
    """The answers of all models as one array, laid out so that all first answers lie side by side in memory."""
    kind = np.result_type(*tops.values())
    side_by_side = np.empty((k, len(tops), len(dataset)), dtype=kind)
    for model, top in enumerate(tops.values()):
        side_by_side[:, model] = top[:, :k].T
    return ImageAnswers(
        dataset=dataset.name,
        models=tuple(tops),
        top=side_by_side.transpose(1, 2, 0),
        labels=dataset.labels,
        ids=dataset.ids,
        class_names=dataset.class_names,
    )


def _metric_applies(metric: str, k: int, kept: Mapping[str, int], classes: int, notes: list[str]) -> bool:
    if metric == "top1":
        return True
    if classes <= k:
        return False
    short = [model for model, answers in kept.items() if answers < k]
    if short:
        notes.append(f"Top-{k} accuracy is not reported: fewer than {k} answers are kept for {name_some(short)}.")
    return not short


def _count(original: ImageAnswers, new: ImageAnswers, metric: str, attributes: dict[str, dict]) -> Outcomes:
    return Outcomes(
        original=original.dataset,
        new=new.dataset,
        metric=metric,
        models=original.models,
        original_correct=original.correct(metric).sum(axis=1),
        new_correct=new.correct(metric).sum(axis=1),
        original_total=len(original.labels),
        new_total=len(new.labels),
        attributes=attributes,
    )


def _provenance_notes(provenance: dict[str, tuple[Provenance, Provenance]]) -> Iterable[str]:
    """What the runs recorded that bears on the comparison, one note for all the models it concerns."""
    concerned: dict[str, list[str]] = defaultdict(list)
    for model, (original, new) in provenance.items():
        if original.identity != new.identity:
            concerned["The registry entry changed between the run on the original and on the new set"].append(model)
        if (original.device, original.precision) != (new.device, new.precision):
            concerned["Device or precision differ between the two sets"].append(model)
        for warning in dict.fromkeys((*original.warnings, *new.warnings)):
            concerned[warning.rstrip(".")].append(model)
        if new.entry.get("selected_on") == "test":
            concerned["Checkpoint chosen by its test accuracy, which flatters it on the original set"].append(model)
    return (f"{text}: {name_some(models)}." for text, models in concerned.items())
