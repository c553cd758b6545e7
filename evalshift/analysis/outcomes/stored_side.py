"""One set of a pair as it is stored: what is known of each model there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Int

from evalshift.analysis.outcomes.records import METRICS
from evalshift.analysis.outcomes.selection import select_models
from evalshift.errors import AnalysisError, StoreError, did_you_mean
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.rows import is_label_checksum, same_labels
from evalshift.evaluate.store import Counted, CountedDataset, Results, StoredDataset
from evalshift.formatting import name_some

Read = TypeVar("Read")


@dataclass(frozen=True, eq=False)
class ModelOnSet:
    """One model on one set: how many of its predictions are correct, None where that is not stored, and these.

    predicted   whether predictions for each image are stored
    """

    correct: Mapping[str, int | None]
    top: Int[np.ndarray, "n k"] | None
    provenance: Provenance
    confidence: float | None = None
    prob: Float32[np.ndarray, " n"] | None = None
    predicted: bool = False

    def without_predictions(self) -> "ModelOnSet":
        """The same without the predictions themselves, which take up memory."""
        return replace(self, top=None, prob=None)


@dataclass(frozen=True, eq=False)
class Side:
    """One set of a pair: the models with predictions on it, and those with imported counts."""

    dataset: StoredDataset | CountedDataset
    predicted: frozenset[str]
    counted: Mapping[str, Counted]

    @property
    def models(self) -> set[str]:
        return {*self.predicted, *self.counted}

    def read(self, results: Results, model: str) -> ModelOnSet:
        """What is known of a model here, predictions before counts.

        Raises StoreError for a damaged file, AnalysisError for predictions that may not be used.
        """
        if model in self.predicted and isinstance(self.dataset, StoredDataset):
            predictions = results.load_predictions(self.dataset.name, model)
            check_predictions(predictions, self.dataset)
            correct = {
                metric: int(predictions.hits(self.dataset.truth, k).sum()) if k <= predictions.k else None
                for metric, k in METRICS.items()
            }
            top = narrow(predictions.top, self.dataset)
            return ModelOnSet(correct, top, predictions.provenance, predictions.mean_confidence, predictions.prob, True)
        counted = self.counted[model]
        return ModelOnSet({"top1": counted.top1, "top5": counted.top5}, None, counted.provenance)


def load_side(
    results: Results,
    name: str,
    pair: str,
    notes: list[str],
    models: Sequence[str] | str | None,
    damaged: list[str] | None = None,
) -> Side:
    """The set of this name with its models, or those of these names and globs; `notes` takes up what is left out.

    Of a damaged file of labels, or of counts, the other one remains, and `damaged` takes up a note on it. Raises
    StoreError where none remains, AnalysisError where the set is neither stored nor counted; `pair` is what was asked
    for.
    """
    damaged = [] if damaged is None else damaged
    predicted = frozenset(results.models(name))
    faults: list[StoreError] = []
    counted, rows = _unless_damaged(lambda: results.load_counts(name), faults) or (None, {})
    damaged += [f"The imported counts on {name} are left out: {in_words(fault)}." for fault in faults]
    if models is not None:
        wanted = set(select_models((models,) if isinstance(models, str) else models, (*predicted, *rows)))
        predicted, rows = predicted & wanted, {model: row for model, row in rows.items() if model in wanted}
    stored = results.datasets()
    dataset = _unless_damaged(lambda: results.load_dataset(name), faults) if name in stored else None
    if dataset is not None:
        if counted is not None and len(counted) != len(dataset):
            notes.append(
                f"The imported counts on {name} are left out: they are of {len(counted):,} images, "
                f"and {len(dataset):,} are stored."
            )
            rows = {}
        return Side(dataset, predicted, rows)
    if counted is not None:
        damaged += [f"Only the imported counts on {name} are used: {in_words(fault)}." for fault in faults]
        return Side(counted, frozenset(), rows)
    if faults:
        raise faults[-1]
    raise AnalysisError(
        "the results do not contain this pair",
        where=results.path,
        found=f'"{pair}"; no dataset "{name}" is stored',
        expected=f"a pair of {name_some(stored)}" if stored else "stored predictions",
        fix=did_you_mean(pair, results.pairs()) or f"`evalshift run --pair {pair}`",
    )


def in_words(fault: StoreError) -> str:
    """What is wrong with a stored file: the problem, the file and the reason."""
    where = "" if fault.where is None else f" ({fault.where}: {fault.found})"
    return f"{fault.problem}{where}"


def _unless_damaged(read: Callable[[], Read], faults: list[StoreError]) -> Read | None:
    """What is read; None where its file cannot be, and `faults` takes up why."""
    try:
        return read()
    except StoreError as error:
        faults.append(error)
        return None


def check_predictions(predictions: Predictions, dataset: StoredDataset) -> None:
    """Raise AnalysisError where these predictions may not be compared with the labels of `dataset`."""
    fingerprint = predictions.provenance.dataset_fingerprint
    if is_label_checksum(fingerprint):
        if not same_labels(fingerprint, dataset.label_checksum):
            raise AnalysisError(
                f"its predictions on {dataset.name} were imported for other labels, or images in another order"
            )
    elif fingerprint != dataset.fingerprint:
        raise AnalysisError(
            f"its predictions on {dataset.name} belong to another version of that dataset (fingerprints differ)"
        )
    if len(predictions) != len(dataset):
        raise AnalysisError(
            f"it has {len(predictions):,} predictions for the {len(dataset):,} images of {dataset.name}"
        )


def check_one_checkpoint(original: Provenance, new: Provenance) -> None:
    """Raise AnalysisError where two checkpoints of one model made its predictions."""
    hashes = (original.checkpoint_sha256, new.checkpoint_sha256)
    if None not in hashes and hashes[0] != hashes[1]:
        raise AnalysisError(
            f"two checkpoints made its predictions, {hashes[0]:.8} on {original.dataset} "
            f"and {hashes[1]:.8} on {new.dataset}"
        )


def narrow(top: np.ndarray, dataset: StoredDataset) -> np.ndarray:
    """The predictions in the smallest signed type that holds them, the labels and all classes; shape (n, k)."""
    largest = max(
        len(dataset.class_names) - 1,
        *(int(numbers.max(initial=0)) for numbers in (top, dataset.truth)),
        -int(top.min(initial=0)),
    )
    return top.astype(np.min_scalar_type(-largest - 1))
