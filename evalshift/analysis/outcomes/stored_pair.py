"""Stored predictions of a pair -> each model's predictions on either set, and how many are correct."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int

from evalshift.analysis.outcomes.records import METRICS, ImagePredictions, Outcomes, split_pair
from evalshift.analysis.outcomes.run_notes import run_notes
from evalshift.analysis.outcomes.shared_images import image_source, shared_images_note
from evalshift.analysis.outcomes.stored_logits import StoredLogits
from evalshift.analysis.selection import select_models
from evalshift.errors import AnalysisError, StoreError, did_you_mean
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.rows import is_label_checksum, same_labels
from evalshift.evaluate.store import Counted, CountedDataset, Results, StoredDataset
from evalshift.formatting import name_some
from evalshift.testbed.class_tree import known_tree
from evalshift.titles import title_of


@dataclass(frozen=True, eq=False)
class StoredPair:
    """All that the store holds on a pair.

    outcomes     metric -> Outcomes; "top5" only where enough predictions are stored
    fresh        predictions on fresh images of the original distribution, by those of these models that were run on
                 them; None where the registry names no such dataset
    predictions  on the original and on the new set, of the same models in the same order: those of `outcomes` that were
                 not imported as counts alone; None where there are none
    logits       model -> its logits on the original and on the new set, read when they are asked for
    provenance   model -> how its predictions on the original and on the new set came about
    notes        what was left out and why, and what else the reader should know
    refused      those of the notes on models whose stored predictions cannot be used
    unreported   metric -> why no accuracy by it is in `outcomes`
    """

    original: StoredDataset | CountedDataset
    new: StoredDataset | CountedDataset
    outcomes: dict[str, Outcomes]
    predictions: tuple[ImagePredictions, ImagePredictions] | None
    fresh: ImagePredictions | None
    logits: StoredLogits
    provenance: dict[str, tuple[Provenance, Provenance]]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    unreported: dict[str, str]


def load_outcomes(results: Results, pair: str) -> dict[str, Outcomes]:
    """Counts of the models stored on both sets of `pair` ("original:new"), by metric; raises as `load_pair` does."""
    return load_pair(results, pair).outcomes


def load_pair(results: Results, pair: str, models: Sequence[str] | str | None = None) -> StoredPair:
    """Counts, predictions, provenance and notes of the models stored on both sets of `pair` ("original:new").

    A model takes part when its predictions on both sets can be read, belong to the datasets as they are stored now,
    and come from one checkpoint, or when counts of it were imported in their place; every other model is named in the
    notes. Each file is read once, and only its predictions are kept. "top5" is there when every model with predictions
    has five per image and there are more than five classes; models with top-1 counts alone are left out of it.
    `pair` may be named as it was typed to run it, see `seen_alike`; `models` are names or globs, None for all.
    Raises UsageError when `pair` is not two names, AnalysisError when a dataset is not stored or no model is left.
    """
    pair = seen_alike(results, pair)
    names = split_pair(pair)
    notes: list[str] = []
    original, new = (_load_side(results, name, pair, notes, models) for name in names)
    _refuse_unlike(original.dataset, new.dataset)
    known: dict[str, tuple[_Known, _Known]] = {}
    refused: list[str] = []
    for model in _common_models(original, new, notes):
        try:
            both = original.read(results, model), new.read(results, model)
        except StoreError as error:
            refused.append(f"{model} is left out: {error.problem} ({error.where}).")
            continue
        if isinstance(both[0], str) or isinstance(both[1], str):
            refused.append(f"{model} is left out: {both[0] if isinstance(both[0], str) else both[1]}.")
        elif objection := _two_checkpoints(both[0].provenance, both[1].provenance):
            refused.append(f"{model} is left out: {objection}.")
        else:
            known[model] = both[0], both[1]
    notes += refused
    if not known:
        raise AnalysisError(
            "no model can be compared on this pair",
            where=pair,
            found="; ".join(note.rstrip(".") for note in notes) or "no predictions on either set",
            expected="at least one model with predictions on both sets",
            fix=f"`evalshift run --pair {pair}`",
        )
    predictions = _gather_both(original, new, known)
    unreported = {
        metric: reason for metric in METRICS if (reason := _why_unreported(metric, original, new, known, notes))
    }
    titles = _dataset_titles(results, original.dataset, new.dataset)
    outcomes = {metric: _count(original, new, metric, known, titles) for metric in METRICS if metric not in unreported}
    provenance = {model: (both[0].provenance, both[1].provenance) for model, both in known.items()}
    notes.extend(run_notes(provenance))
    if shared := shared_images_note(original.dataset, new.dataset):
        notes.append(shared)
    if bare := [model for model, both in known.items() if both[0].top is None or both[1].top is None]:
        notes.append(
            "Known by imported counts alone, so left out of all statistics that need the prediction for each image: "
            f"{name_some(bare)}."
        )
    fresh = _load_fresh(results, original.dataset.entry.get("fresh"), known, notes)
    return StoredPair(
        original=original.dataset,
        new=new.dataset,
        outcomes=outcomes,
        predictions=predictions,
        fresh=fresh,
        logits=StoredLogits(results, original.dataset, new.dataset, predictions[0].models if predictions else ()),
        provenance=provenance,
        notes=tuple(notes),
        refused=tuple(refused),
        unreported=unreported,
    )


def load_predictions(results: Results, name: str) -> tuple[ImagePredictions, tuple[str, ...]]:
    """The predictions of all models on one stored dataset, and notes on those that are left out.

    Raises StoreError where the dataset is not stored, AnalysisError where no model has predictions on it.
    """
    dataset = results.load_dataset(name)
    side, notes = _Side(dataset, frozenset(results.models(name)), {}), []
    tops: dict[str, np.ndarray] = {}
    for model in sorted(side.predicted):
        try:
            known = side.read(results, model)
        except StoreError as error:
            known = f"{error.problem} ({error.where})"
        if isinstance(known, str):
            notes.append(f"{model} is left out: {known}.")
        elif known.top is not None:
            tops[model] = known.top
    if not tops:
        raise AnalysisError(
            "no model has predictions on this dataset",
            where=name,
            found="; ".join(note.rstrip(".") for note in notes) or "none",
            expected="predictions that were run or imported",
        )
    return _gather(dataset, tops, min(top.shape[1] for top in tops.values())), tuple(notes)


def stored_families(results: Results, pairs: Iterable[str]) -> set[str]:
    """The families of all models with predictions or counts on a set of these pairs; no predictions are read."""
    found: set[str | None] = set()
    for dataset in dict.fromkeys(name for pair in pairs for name in split_pair(seen_alike(results, pair))):
        with suppress(StoreError):  # what cannot be read is said when its pair is loaded
            _, counted = results.load_counts(dataset) or (None, {})
            found |= {one.provenance.entry.get("family") for one in counted.values()}
        for model in results.models(dataset):
            with suppress(StoreError):
                origin = results.provenance(dataset, model)
                found |= {origin.entry.get("family")} if origin else set()
    return {family for family in found if family is not None}


def stored_models(results: Results, pairs: Iterable[str]) -> list[str]:
    """The names of all models with predictions or counts on a set of these pairs; no predictions are read."""
    found: dict[str, None] = {}
    for dataset in dict.fromkeys(name for pair in pairs for name in split_pair(seen_alike(results, pair))):
        with suppress(StoreError):  # what cannot be read is said when its pair is loaded
            _, counted = results.load_counts(dataset) or (None, {})
            found |= dict.fromkeys((*results.models(dataset), *counted))
    return list(found)


def seen_alike(results: Results, pair: str) -> str:
    """The name under which a run stored a pair: where one set has a view, the other one is seen in it too.

    imagenet:imagenet-a was run as imagenet@imagenet-a:imagenet-a. A pair that is stored as it is named is that pair.
    """
    names = split_pair(pair)
    stored = results.pairs()
    if pair in stored:
        return pair
    both = {one for one in stored if _without_view(one) == names}
    if len(both) == 1 and not set(names) <= set(results.datasets()):
        return both.pop()
    views = [_view_of(results, name) for name in names]
    if None not in views or views[0] == views[1]:
        return pair
    right = _right_pair(names, views)
    return right if any(_is_stored(results, name) for name in right.split(":") if name not in names) else pair


def _view_of(results: Results, name: str) -> str | None:
    """The name of the view that a stored or counted dataset is seen in."""
    facts = results.dataset_facts(name)
    if facts is not None:
        return (facts.get("view") or {}).get("name") or (facts.get("entry") or {}).get("view")
    counted = results.load_counts(name)
    return counted[0].view.name if counted and counted[0].view else None


def _is_stored(results: Results, name: str) -> bool:
    return name in results.datasets() or results.load_counts(name) is not None


def _right_pair(names: Sequence[str], views: Sequence[str | None]) -> str:
    """The pair with both sets in the view of one."""
    view = views[0] or views[1]
    return ":".join(
        name if own or name.endswith(f"@{view}") else f"{name}@{view}" for name, own in zip(names, views, strict=True)
    )


def _refuse_unlike(original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset) -> None:
    """AnalysisError where one set is of other classes than the other: a view on one side alone, or two views."""
    views = [dataset.view for dataset in (original, new)]
    if views[0] is views[1] or (views[0] is not None and views[1] is not None and views[0].same_as(views[1])):
        return
    names = [original.name, new.name]
    seen = [
        f"{name} is of all classes" if view is None else f"{name} of {len(view.labels)} (view {view.name})"
        for name, view in zip(names, views, strict=True)
    ]
    fix = None
    if None in views:
        right = _right_pair(names, [None if view is None else view.name for view in views])
        fix = f"the pair is {right}: run it, or import what was measured on these classes under these names"
    raise AnalysisError(
        "this pair compares different classes",
        where=":".join(names),
        found=", ".join(seen),
        expected="the same classes on both sides",
        fix=fix,
    )


def _without_view(pair: str) -> tuple[str, str] | None:
    """The names of a pair's datasets without the view that both are seen in; None where their names have none."""
    (original, _, view), (new, _, other) = (name.rpartition("@") for name in split_pair(pair))
    return (original, new) if original and new and view == other else None


@dataclass(frozen=True, eq=False)
class _Known:
    """One model on one set: how many of its predictions are correct, None where that is not stored, and these."""

    correct: Mapping[str, int | None]
    top: Int[np.ndarray, "n k"] | None
    provenance: Provenance
    confidence: float | None = None
    prob: Float32[np.ndarray, " n"] | None = None


@dataclass(frozen=True, eq=False)
class _Side:
    """One set of a pair: the models with predictions on it, and those with imported counts."""

    dataset: StoredDataset | CountedDataset
    predicted: frozenset[str]
    counted: Mapping[str, Counted]

    @property
    def models(self) -> set[str]:
        return {*self.predicted, *self.counted}

    def read(self, results: Results, model: str) -> _Known | str:
        """What is known of a model here, predictions before counts; or why it may not be used, in words."""
        if model in self.predicted and isinstance(self.dataset, StoredDataset):
            predictions = results.load_predictions(self.dataset.name, model)
            if objection := _objection(predictions, self.dataset):
                return objection
            correct = {
                metric: int(predictions.hits(self.dataset.truth, k).sum()) if k <= predictions.k else None
                for metric, k in METRICS.items()
            }
            top = _narrow(predictions.top, self.dataset)
            return _Known(correct, top, predictions.provenance, predictions.mean_confidence, predictions.prob)
        counted = self.counted[model]
        return _Known({"top1": counted.top1, "top5": counted.top5}, None, counted.provenance)


def _load_side(results: Results, name: str, pair: str, notes: list[str], models: Sequence[str] | str | None) -> _Side:
    predicted = frozenset(results.models(name))
    counted, rows = results.load_counts(name) or (None, {})
    if models is not None:
        wanted = set(select_models((models,) if isinstance(models, str) else models, (*predicted, *rows)))
        predicted, rows = predicted & wanted, {model: row for model, row in rows.items() if model in wanted}
    stored = results.datasets()
    if name in stored:
        dataset = results.load_dataset(name)
        if counted is not None and len(counted) != len(dataset):
            notes.append(
                f"The imported counts on {name} are left out: they are of {len(counted):,} images, "
                f"and {len(dataset):,} are stored."
            )
            rows = {}
        return _Side(dataset, predicted, rows)
    if counted is not None:
        return _Side(counted, frozenset(), rows)
    raise AnalysisError(
        "the results hold no such pair",
        where=results.path,
        found=f'"{pair}"; no dataset "{name}" is stored',
        expected=f"a pair of {name_some(stored)}" if stored else "stored predictions",
        fix=did_you_mean(pair, results.pairs()) or f"`evalshift run --pair {pair}`",
    )


def _common_models(original: _Side, new: _Side, notes: list[str]) -> list[str]:
    for one, other in ((original, new), (new, original)):
        lonely = sorted(one.models - other.models)
        if lonely:
            models = "1 model is" if len(lonely) == 1 else f"{len(lonely)} models are"
            notes.append(
                f"{models} left out, with predictions on {one.dataset.name} but none on {other.dataset.name}: "
                f"{name_some(lonely)}."
            )
    return sorted(original.models & new.models)


def _objection(predictions: Predictions, dataset: StoredDataset) -> str | None:
    """Why these predictions may not be held against the labels of `dataset`; None when they may."""
    mark = predictions.provenance.dataset_fingerprint
    if is_label_checksum(mark):
        if not same_labels(mark, dataset.label_checksum):
            return f"its predictions on {dataset.name} were imported for other labels, or images in another order"
    elif mark != dataset.fingerprint:
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
    """The predictions in the smallest signed type that holds them, the labels and all classes; shape (n, k)."""
    largest = max(
        len(dataset.class_names) - 1,
        *(int(numbers.max(initial=0)) for numbers in (top, dataset.truth)),
        -int(top.min(initial=0)),
    )
    return top.astype(np.min_scalar_type(-largest - 1))


def _gather_both(
    original: _Side, new: _Side, known: Mapping[str, tuple[_Known, _Known]]
) -> tuple[ImagePredictions, ImagePredictions] | None:
    """Predictions of the models that have them on both sets; None where no model has."""
    tops = {model: (a.top, b.top) for model, (a, b) in known.items() if a.top is not None and b.top is not None}
    if not tops or not isinstance(original.dataset, StoredDataset) or not isinstance(new.dataset, StoredDataset):
        return None
    k = min(top.shape[1] for both in tops.values() for top in both)

    def gather(side: int, dataset: StoredDataset) -> ImagePredictions:
        confidence = tuple(known[model][side].confidence for model in tops)
        prob = _gather_prob([known[model][side].prob for model in tops], len(dataset))
        found = _gather(dataset, {model: both[side] for model, both in tops.items()}, k)
        return replace(found, confidence=confidence, prob=prob)

    return gather(0, original.dataset), gather(1, new.dataset)


def _gather_prob(probs: Sequence[np.ndarray | None], images: int) -> np.ndarray | None:
    """One row per model, NaN for those without; None where none has any."""
    if all(prob is None for prob in probs):
        return None
    gathered = np.full((len(probs), images), np.nan, dtype=np.float32)
    for row, prob in zip(gathered, probs, strict=True):
        if prob is not None:
            row[:] = prob
    return gathered


def _load_fresh(
    results: Results, name: str | None, known: Mapping[str, tuple[_Known, _Known]], notes: list[str]
) -> ImagePredictions | None:
    """Predictions of a pair's models on fresh images; a note names the models without valid ones."""
    if name is None:
        return None
    if name not in results.datasets():
        notes.append(f"Adaptivity is not measured: no model was run on the fresh images, {name}.")
        return None
    dataset = results.load_dataset(name)
    tops: dict[str, np.ndarray] = {}
    without = []
    for model, (original, _) in known.items():
        found = None
        with suppress(StoreError):
            found = results.load_predictions(name, model)
        if found is None or _objection(found, dataset) or _two_checkpoints(original.provenance, found.provenance):
            without.append(model)
        else:
            tops[model] = _narrow(found.top, dataset)
    if without:
        notes.append(f"Adaptivity is not measured for want of valid predictions on {name}: {name_some(without)}.")
    return _gather(dataset, tops, min(top.shape[1] for top in tops.values())) if tops else None


def _gather(dataset: StoredDataset, tops: Mapping[str, np.ndarray], k: int) -> ImagePredictions:
    """The predictions of all models as one array, with all top-1 predictions contiguous in memory."""
    kind = np.result_type(*tops.values())
    side_by_side = np.empty((k, len(tops), len(dataset)), dtype=kind)
    for model, top in enumerate(tops.values()):
        side_by_side[:, model] = top[:, :k].T
    return ImagePredictions(
        dataset=dataset.name,
        models=tuple(tops),
        top=side_by_side.transpose(1, 2, 0),
        labels=dataset.labels,
        accepted=dataset.accepted,
        ids=dataset.ids,
        class_names=dataset.class_names,
        attributes=dataset.attributes,
        superclasses=dataset.superclasses,
        corrected=dataset.corrected,
        tree=known_tree(tuple(dataset.class_names), None if dataset.view is None else dataset.view.labels),
        source=image_source(dataset.name, dataset.entry),
    )


def _why_unreported(
    metric: str, original: _Side, new: _Side, known: Mapping[str, tuple[_Known, _Known]], notes: list[str]
) -> str | None:
    """Why there is no accuracy by this metric, None where there is one; `notes` takes up what else is worth saying."""
    k = METRICS[metric]
    if metric == "top1":
        return None
    for side in (original, new):
        if isinstance(side.dataset, StoredDataset) and len(side.dataset.class_names) <= k:
            return f"{len(side.dataset.class_names)} classes"
    lacking = {
        model: both for model, both in known.items() if None in (both[0].correct[metric], both[1].correct[metric])
    }
    short = [model for model, both in lacking.items() if both[0].top is not None and both[1].top is not None]
    bare = [model for model in lacking if model not in short]
    if short:
        reason = (
            f"Top-{k} accuracy is not reported: fewer than {k} predictions per image are stored for {name_some(short)}"
        )
        notes.append(f"{reason}.")
        return reason
    if len(lacking) == len(known):
        return "counts of top-1 alone"
    if bare:
        notes.append(f"Top-{k} accuracy leaves out what was imported without it: {name_some(bare)}.")
    return None


def _dataset_titles(
    results: Results, original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset
) -> dict[str, str]:
    """The titles of both sets, and of the fresh images of the original distribution where some are stored."""
    titles = {dataset.name: title_of(dataset.entry, dataset.name) for dataset in (original, new)}
    fresh = original.entry.get("fresh")
    if fresh is not None and (facts := results.dataset_facts(fresh)) is not None:
        titles[fresh] = title_of(facts.get("entry"), fresh)
    return titles


def _count(
    original: _Side,
    new: _Side,
    metric: str,
    known: Mapping[str, tuple[_Known, _Known]],
    dataset_titles: Mapping[str, str],
) -> Outcomes:
    counts = {
        model: (both[0].correct[metric], both[1].correct[metric])
        for model, both in known.items()
        if None not in (both[0].correct[metric], both[1].correct[metric])
    }
    return Outcomes(
        original=original.dataset.name,
        new=new.dataset.name,
        metric=metric,
        models=tuple(counts),
        original_correct=np.array([right for right, _ in counts.values()], dtype=np.int64),
        new_correct=np.array([right for _, right in counts.values()], dtype=np.int64),
        original_total=len(original.dataset),
        new_total=len(new.dataset),
        attributes={model: dict(known[model][1].provenance.entry) for model in counts},
        dataset_titles=dataset_titles,
    )
