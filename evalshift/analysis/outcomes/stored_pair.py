"""Stored predictions of a pair -> each model's predictions on both sets, and how many are correct."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from evalshift.analysis.outcomes.duplicate_models import duplicate_models, duplicates_note
from evalshift.analysis.outcomes.gathered import Gathering, gather_predictions
from evalshift.analysis.outcomes.pair_views import refuse_unlike, seen_alike
from evalshift.analysis.outcomes.records import METRICS, ImagePredictions, Outcomes, split_pair
from evalshift.analysis.outcomes.run_notes import run_notes
from evalshift.analysis.outcomes.shared_images import shared_images_note
from evalshift.analysis.outcomes.stored_logits import StoredLogits
from evalshift.analysis.outcomes.stored_side import (
    ModelOnSet,
    Side,
    check_one_checkpoint,
    check_predictions,
    in_words,
    load_side,
    narrow,
)
from evalshift.errors import AnalysisError, EvalshiftError, StoreError, UsageError, did_you_mean
from evalshift.evaluate.predictions import COMBINATION, Provenance
from evalshift.evaluate.store import CountedDataset, Results, StoredDataset
from evalshift.formatting import counted, name_some
from evalshift.titles import title_of


@dataclass(frozen=True, eq=False)
class StoredPair:
    """Everything stored on a pair.

    outcomes     metric -> Outcomes; "top5" only where enough predictions are stored
    fresh        predictions on fresh images of the original distribution, by the models that were run on them; None if
                 the registry names no such dataset
    predictions  on the original and on the new set, of the same models in the same order: those of `outcomes` that were
                 not imported as counts alone; None if there are none
    logits       model -> its logits on the original and on the new set, read when first used
    provenance   model -> provenance of its predictions on the original and on the new set
    notes        what was left out and why, and other information for the reader
    refused      the notes on stored files that are unusable, such as predictions of a model
    unreported   metric -> reason why `outcomes` has no accuracy by it
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

    A model is included if its predictions on both sets are readable, belong to the datasets as stored now, and come
    from one checkpoint, or if counts were imported instead. Every other model is named in the notes, and so are damaged
    counts and labels. Each file is read once, and only its predictions are kept. "top5" is available if every model
    with predictions has five per image and there are more than five classes; models with only top-1 counts are left out
    of it. `pair` may be written as for `run`, see `seen_alike`; `models` are names or globs, None for all.
    Raises UsageError if `pair` is not two names, AnalysisError if a dataset is not stored or no model is left,
    StoreError if everything stored of a dataset is damaged.
    """
    pair = seen_alike(results, pair)
    notes: list[str] = []
    damaged: list[str] = []
    original, new = (load_side(results, name, pair, notes, models, damaged) for name in split_pair(pair))
    refuse_unlike(original.dataset, new.dataset)
    notes[:0] = damaged
    known, predictions, refused = _read_models(results, original, new, _common_models(original, new, notes))
    notes += refused
    if not known:
        raise AnalysisError(
            "no model can be compared on this pair",
            where=pair,
            found="; ".join(note.rstrip(".") for note in notes) or "no predictions on either set",
            expected="at least one model with predictions on both sets",
            fix=f"`evalshift run --pair {pair}`",
        )
    unreported = {
        metric: reason for metric in METRICS if (reason := _why_unreported(metric, original, new, known, notes))
    }
    titles = _dataset_titles(results, original.dataset, new.dataset)
    outcomes = {metric: _count(original, new, metric, known, titles) for metric in METRICS if metric not in unreported}
    combined = frozenset(model for model, both in known.items() if _is_combination(both[0].provenance))
    duplicates = {} if predictions is None else _duplicates(predictions, combined)
    outcomes = {metric: replace(counts, duplicates=duplicates, beside=combined) for metric, counts in outcomes.items()}
    if combined:
        notes.append(_combined_note(combined))
    if duplicates:
        notes.append(duplicates_note(duplicates))
    provenance = {model: (both[0].provenance, both[1].provenance) for model, both in known.items()}
    notes.extend(run_notes(provenance))
    if shared := shared_images_note(original.dataset, new.dataset):
        notes.append(shared)
    if bare := [model for model, both in known.items() if not (both[0].predicted and both[1].predicted)]:
        notes.append(
            "Only imported counts are known, so all statistics that need per-image predictions leave out: "
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
        refused=(*damaged, *refused),
        unreported=unreported,
    )


def _read_models(
    results: Results, original: Side, new: Side, models: Sequence[str]
) -> tuple[dict[str, tuple[ModelOnSet, ModelOnSet]], tuple[ImagePredictions, ImagePredictions] | None, list[str]]:
    """These models on both sets, the predictions of those that have them on both, and a note on each refused file."""
    known, refused = {}, []
    gathered = _gatherings(original, new, len(models))
    for model in models:
        try:
            both = original.read(results, model), new.read(results, model)
            check_one_checkpoint(both[0].provenance, both[1].provenance)
        except (StoreError, AnalysisError) as error:
            refused.append(_left_out(model, error))
            continue
        if both[0].predicted and both[1].predicted:
            for side, one in zip(gathered, both, strict=True):
                side.add(model, one)
        known[model] = both[0].without_predictions(), both[1].without_predictions()
    k = min((side.k for side in gathered), default=0)
    return known, (gathered[0].predictions(k), gathered[1].predictions(k)) if k else None, refused


def _gatherings(original: Side, new: Side, models: int) -> list[Gathering]:
    """One gathering per set; none if a set has only counts."""
    datasets = [side.dataset for side in (original, new)]
    stored = [dataset for dataset in datasets if isinstance(dataset, StoredDataset)]
    return [Gathering(dataset, models) for dataset in stored] if len(stored) == len(datasets) else []


def _is_combination(provenance: Provenance) -> bool:
    return provenance.imported is not None and provenance.imported.source == COMBINATION


def _combined_note(combined: Collection[str]) -> str:
    one = len(combined) == 1
    are = "1 model is a combination" if one else f"{len(combined):,} models are combinations"
    return (
        f"{are} of others, and no part of lines, which go through single models: {name_some(sorted(combined))}. "
        "Effective robustness compares combinations with these lines."
    )


def _duplicates(predictions: tuple[ImagePredictions, ImagePredictions], combined: Collection[str]) -> dict[str, str]:
    """Models with the predictions of another model; not combinations, which may agree with one of their members."""
    places = [place for place, model in enumerate(predictions[0].models) if model not in combined]
    original, new = (side.subset(places) if combined else side for side in predictions)
    return duplicate_models(original, new) if places else {}


def _left_out(model: str, error: EvalshiftError) -> str:
    where = "" if error.where is None else f" ({error.where})"
    return f"{model} is left out: {error.problem}{where}."


def load_predictions(results: Results, name: str) -> tuple[ImagePredictions, tuple[str, ...]]:
    """The predictions of all models on one stored dataset, and notes on those that are left out.

    Raises UsageError if the dataset is not stored, AnalysisError if no model has predictions on it.
    """
    if name not in (stored := results.datasets()):
        raise UsageError(
            f'there are no results on "{name}"',
            where=results.path,
            found=name_some(sorted(stored)) or "no dataset",
            expected="a dataset on which predictions are stored",
            fix=did_you_mean(name, stored),
        )
    dataset = results.load_dataset(name)
    side, notes = Side(dataset, frozenset(results.models(name)), {}), []
    tops: dict[str, np.ndarray] = {}
    for model in sorted(side.predicted):
        try:
            top = side.read(results, model).top
        except (StoreError, AnalysisError) as error:
            notes.append(_left_out(model, error))
        else:
            tops |= {} if top is None else {model: top}
    if not tops:
        raise AnalysisError(
            "no model has predictions on this dataset",
            where=name,
            found="; ".join(note.rstrip(".") for note in notes) or "none",
            expected="predictions from a run or an import",
        )
    return gather_predictions(dataset, tops, min(top.shape[1] for top in tops.values())), tuple(notes)


def _common_models(original: Side, new: Side, notes: list[str]) -> list[str]:
    for one, other in ((original, new), (new, original)):
        lonely = sorted(one.models - other.models)
        if lonely:
            models = "1 model is" if len(lonely) == 1 else f"{counted(len(lonely), 'model')} are"
            notes.append(
                f"{models} left out, with predictions on {one.dataset.name} but none on {other.dataset.name}: "
                f"{name_some(lonely)}."
            )
    return sorted(original.models & new.models)


def _load_fresh(
    results: Results, name: str | None, known: Mapping[str, tuple[ModelOnSet, ModelOnSet]], notes: list[str]
) -> ImagePredictions | None:
    """Predictions of a pair's models on fresh images; a note names the models without valid ones."""
    if name is None:
        return None
    if name not in results.datasets():
        notes.append(f"Adaptivity is not measured: no model was run on the fresh images, {name}.")
        return None
    try:
        dataset = results.load_dataset(name)
    except StoreError as error:
        notes.append(f"Adaptivity is not measured, because of the labels of {name}: {in_words(error)}.")
        return None
    tops: dict[str, np.ndarray] = {}
    without = []
    for model, (original, _) in known.items():
        try:
            found = results.load_predictions(name, model)
            check_predictions(found, dataset)
            check_one_checkpoint(original.provenance, found.provenance)
        except (StoreError, AnalysisError):
            without.append(model)
        else:
            tops[model] = narrow(found.top, dataset)
    if without:
        missing = f"valid predictions are missing on {name}: {name_some(without)}"
        notes.append(f"Adaptivity is not measured, because {missing}.")
    return gather_predictions(dataset, tops, min(top.shape[1] for top in tops.values())) if tops else None


def _why_unreported(
    metric: str, original: Side, new: Side, known: Mapping[str, tuple[ModelOnSet, ModelOnSet]], notes: list[str]
) -> str | None:
    """Why there is no accuracy by this metric, None if there is one; further remarks are added to `notes`."""
    k = METRICS[metric]
    if metric == "top1":
        return None
    for side in (original, new):
        if isinstance(side.dataset, StoredDataset) and len(side.dataset.class_names) <= k:
            return f"{counted(len(side.dataset.class_names), 'class', 'classes')}"
    lacking = {
        model: both for model, both in known.items() if None in (both[0].correct[metric], both[1].correct[metric])
    }
    short = [model for model, both in lacking.items() if both[0].predicted and both[1].predicted]
    bare = [model for model in lacking if model not in short]
    if short:
        reason = (
            f"Top-{k} accuracy is not reported: fewer than {k} predictions per image are stored for {name_some(short)}"
        )
        notes.append(f"{reason}.")
        return reason
    if len(lacking) == len(known):
        return "only top-1 counts"
    if bare:
        notes.append(f"Top-{k} accuracy leaves out what was imported without it: {name_some(bare)}.")
    return None


def _dataset_titles(
    results: Results, original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset
) -> dict[str, str]:
    """The titles of both sets, and of the fresh images of the original distribution if some are stored."""
    titles = {dataset.name: title_of(dataset.entry, dataset.name) for dataset in (original, new)}
    fresh = original.entry.get("fresh")
    with suppress(StoreError):  # a note says so where the fresh images are read
        if fresh is not None and (facts := results.dataset_facts(fresh)) is not None:
            titles[fresh] = title_of(facts.entry, fresh)
    return titles


def _count(
    original: Side,
    new: Side,
    metric: str,
    known: Mapping[str, tuple[ModelOnSet, ModelOnSet]],
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
