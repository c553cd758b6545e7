"""Sentences on implausible stored predictions, for reports and after a run or an import."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalshift.analysis.checks.expected_accuracy import expected_accuracy_notes, expected_accuracy_table
from evalshift.analysis.checks.mismatch import causes_of
from evalshift.analysis.checks.plausibility import Cause, likely_causes
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.outcomes.stored_pair import StoredPair, load_pair
from evalshift.analysis.statistics.outliers import off_the_line
from evalshift.errors import AnalysisError, StoreError
from evalshift.evaluate.predictions import Predictions, labels_for
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.formatting import percent

# A model is far off the line of the other models below this p-value (Holm) and above this distance in accuracy.
_FAR_P, _FAR = 0.001, 0.05
_WORDS = {
    "as published": "came out as published",
    "within a few images": "within a few images",
    "within sampling error only": "off, by no more than sampling error on other images",
    "fails": "failed",
}


@dataclass(frozen=True, eq=False)
class Review:
    """Implausible results on a pair.

    expected_accuracy   see `expected_accuracy_table`
    notes               a sentence for each accuracy that differs from the published one, for implausible predictions,
                        and for each model far from the line of the other models; empty if there are none
    """

    expected_accuracy: pd.DataFrame
    notes: tuple[str, ...]


def review_pair(stored: StoredPair, level: float = 0.95) -> Review:
    """Check everything stored on a pair: published accuracies, predictions, and the line of the models."""
    outcomes = stored.outcomes["top1"]
    table = expected_accuracy_table(outcomes, stored.predictions, stored.provenance, level)
    judged = set(zip(table["model"], table["dataset"], strict=True))
    predictions = [note for side in stored.predictions or () for note in _prediction_notes(side, skip=judged)]
    return Review(table, (*expected_accuracy_notes(table), *predictions, *line_notes(outcomes)))


def review_predictions(results: Results, predictions: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Sentences on implausible predictions among the given ones, with their dataset and model.

    Checks the predictions themselves, and the line of every stored pair that includes one of them. Imported counts have
    no predictions per image, so only the line is checked.
    Raises StoreError if the results cannot be read.
    """
    wanted = list(dict.fromkeys(predictions))
    notes = []
    for dataset, model in wanted:
        if dataset in results.datasets() and model in results.models(dataset):
            stored, found = results.load_dataset(dataset), results.load_predictions(dataset, model)
            if len(found) == len(stored):
                notes += _causes_in_words(found, stored)
    for pair in results.pairs():
        concerned = {model for dataset, model in wanted if dataset in pair.split(":")}
        if concerned:
            try:
                outcomes = load_pair(results, pair).outcomes["top1"]
            except (AnalysisError, StoreError):  # the pair has no models yet, or a report says what is damaged
                continue
            notes += line_notes(outcomes, only=concerned)
    return tuple(dict.fromkeys(notes))


def line_notes(outcomes: Outcomes, only: set[str] | None = None) -> tuple[str, ...]:
    """A sentence for each model far from the line of the other models, farthest first; only for `only`, if given."""
    totals = np.full(len(outcomes), outcomes.original_total), np.full(len(outcomes), outcomes.new_total)
    found = off_the_line(outcomes.original_correct, totals[0], outcomes.new_correct, totals[1])
    with np.errstate(invalid="ignore"):  # NaN where too few models make a line
        far = np.flatnonzero((found.p_holm < _FAR_P) & (np.abs(found.distance) >= _FAR))
    notes = []
    for model in far[np.argsort(-np.abs(found.distance[far]), kind="stable")].tolist():
        name = outcomes.models[model]
        if only is not None and name not in only:
            continue
        new = int(outcomes.new_correct[model]) / outcomes.new_total
        original = int(outcomes.original_correct[model]) / outcomes.original_total
        below = found.distance[model] < 0
        notes.append(
            f"{name} lies far {'below' if below else 'above'} the line of the other models: its accuracy is "
            f"{percent(new)} % on {outcomes.new}, where {percent(float(found.predicted[model]))} % is expected from "
            f"its {percent(original)} % on {outcomes.original}. "
            f"Likely cause: one of the two accuracies is incorrect, or the model is "
            f"{'less' if below else 'more'} robust than all the others."
        )
    return tuple(notes)


def _prediction_notes(predictions: ImagePredictions, skip: set[tuple[str, str]]) -> list[str]:
    notes = []
    for place, model in enumerate(predictions.models):
        if (model, predictions.dataset) not in skip:
            notes += [_in_words(cause, model, predictions.dataset) for cause in causes_of(predictions.subset([place]))]
    return notes


def _causes_in_words(predictions: Predictions, dataset: StoredDataset) -> list[str]:
    causes = likely_causes(
        predictions.top,
        labels_for(predictions.top, dataset.labels, dataset.accepted),
        dataset.class_names,
        ids=dataset.ids,
        confidence=predictions.mean_confidence,
    )
    return [_in_words(cause, predictions.model, dataset.name) for cause in causes]


def _in_words(cause: Cause, model: str, dataset: str) -> str:
    return f"The predictions of {model} on {dataset} look wrong: {cause.sentence}."


def expected_accuracy_words(table: pd.DataFrame) -> str | None:
    """A sentence on how many accuracies are as published; None if none was published."""
    if len(table) == 0:
        return None
    counts = {verdict: int((table["verdict"] == verdict).sum()) for verdict in _WORDS}
    parts = [f"{counts[verdict]} {words}" for verdict, words in _WORDS.items() if counts[verdict]]
    chosen = int((table["selected_on"] == "test").fillna(False).sum())
    flattered = f"; {chosen} of them inflated, because the checkpoint was selected on the test set" if chosen else ""
    accuracies = "1 published accuracy" if len(table) == 1 else f"{len(table)} published accuracies"
    return f"Of {accuracies} {', '.join(parts)}{flattered}."
