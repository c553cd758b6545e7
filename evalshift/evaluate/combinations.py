"""Combinations of stored models: majority vote, and means of logits or probabilities."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from evalshift.errors import DataError, UsageError, unknown_name
from evalshift.evaluate.importers.predictions import (
    ImportedModel,
    count_correct,
    provenance_of,
    refuse_overwriting,
)
from evalshift.evaluate.predictions import COMBINATION, Imported, Predictions
from evalshift.evaluate.rows import is_label_checksum, same_labels
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.formatting import counted, name_some

BY = ("vote", "logits", "probabilities")
FAMILY = "combinations"

_KEPT = 5
_WORDS = {"vote": "majority vote", "logits": "mean of the logits", "probabilities": "mean of the probabilities"}


@dataclass(frozen=True)
class Combination:
    """A stored combination: its members, and its number of correct predictions on each dataset."""

    name: str
    by: str
    members: tuple[str, ...]
    datasets: tuple[ImportedModel, ...]


def combine(
    results: Results | str | Path,
    name: str,
    models: Sequence[str] | str,
    *,
    by: str = "vote",
    force: bool = False,
) -> Combination:
    """Store the combination of models as a model of its own, on each dataset that all of them have predictions on.

    results  a Results object or a folder
    name     name of the combination
    models   names or globs of at least two models; earlier combinations only by name
    by       "vote": the class that most models predict first, ties by the sum of the probabilities, then the lower
             class; its probability is the share of votes. "logits" and "probabilities": the mean over models, for which
             logits must be stored (`run --save-logits`)
    force    overwrite predictions of a run

    Raises UsageError for invalid arguments, DataError if the predictions are of different images, StoreError if the
    results cannot be read or written.
    """
    results = results if isinstance(results, Results) else Results(results)
    if by not in BY:
        raise unknown_name("unknown combination (`by`)", by, BY)
    members = _members(results, name, [models] if isinstance(models, str) else list(models))
    datasets = [dataset for dataset in results.datasets() if set(members) <= set(results.models(dataset))]
    if not datasets:
        raise DataError(
            "no dataset has predictions of all of these models",
            where=str(results.path),
            found=name_some(list(members)),
            expected="models with predictions for each image of a common dataset",
        )
    for dataset in datasets:
        refuse_overwriting(results, dataset, name, force)
    made = [_combined(results, results.load_dataset(dataset), name, members, by) for dataset in datasets]
    for predictions, logits, _ in made:
        results.save_predictions(predictions, logits)
    return Combination(name, by, members, tuple(count for _, _, count in made))


def majority_vote(
    first: Int[np.ndarray, "m n"], prob: Float[np.ndarray, "m n"] | None, classes: int
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """The class that most of m models predict for each of n images, and its share of the m votes.

    `first` is −1 if a model has no prediction; if no model has one, the class is −1 and its share NaN. Ties go to the
    class with the larger sum of `prob`, then to the lower class.

    >>> majority_vote(np.array([[0, 2], [1, 2], [1, 0]]), None, 3)
    (array([1, 2]), array([0.6666667, 0.6666667], dtype=float32))
    """
    models, images = first.shape
    votes, weight = np.zeros((images, classes), np.int64), np.zeros((images, classes))
    rows = np.arange(images)
    for model in range(models):
        voted = first[model] >= 0
        votes[rows[voted], first[model, voted]] += 1
        if prob is not None:
            weight[rows[voted], first[model, voted]] += np.nan_to_num(prob[model, voted])
    most = votes.max(axis=1)
    best = np.where(votes == most[:, np.newaxis], weight, -1.0).argmax(axis=1)
    none = most == 0
    share = (most / models).astype(np.float32)
    share[none] = np.nan
    return np.where(none, -1, best), share


def mean_scores(
    logits: Sequence[Float[np.ndarray, "n c"]], by: str
) -> tuple[Float32[np.ndarray, "n c"], Int[np.ndarray, "n k"], Float32[np.ndarray, " n"]]:
    """Mean logits of several models, or logarithms of their mean probabilities; the five best classes; P of the first.

    >>> even, sure = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    >>> _, top, prob = mean_scores([even, sure], "probabilities")
    >>> top.tolist(), prob.round(2).tolist()
    ([[0, 1]], [0.699999988079071])
    """
    total = np.zeros(logits[0].shape)
    for one in logits:
        scores = one.astype(np.float64)
        total += scores if by == "logits" else np.exp(_log_softmax(scores))
    mean = total / len(logits)
    if by == "probabilities":
        with np.errstate(divide="ignore"):
            mean = np.log(mean)
    top = np.argsort(-mean, axis=1, kind="stable")[:, :_KEPT].astype(np.int32)
    first = np.take_along_axis(_log_softmax(mean), top[:, :1].astype(np.int64), axis=1)[:, 0]
    return mean.astype(np.float32), top, np.exp(first).astype(np.float32)


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _members(results: Results, name: str, wanted: list[str]) -> tuple[str, ...]:
    """The models of these names and globs; globs do not match combinations."""
    known = sorted({model for dataset in results.datasets() for model in results.models(dataset)})
    found: dict[str, None] = {}
    for one in wanted:
        matching = [model for model in known if fnmatchcase(model, one)]
        if one not in known:
            matching = [model for model in matching if model != name and not _is_combination(results, model)]
        if not matching:
            raise unknown_name(
                "no model with stored predictions has this name (`models`)",
                one,
                known,
                where=results.path,
                expected=None if known else "models with predictions there, from a run or an import",
            )
        found |= dict.fromkeys(matching)
    if name in found or len(found) < 2:
        raise UsageError(
            "a combination is of at least two models other than itself (`models`)",
            found=", ".join(found),
            fix="name more models, or give the combination another name",
        )
    return tuple(found)


def _is_combination(results: Results, model: str) -> bool:
    for dataset in results.datasets():
        stored = results.provenance(dataset, model) if model in results.models(dataset) else None
        if stored is not None:
            return stored.imported is not None and stored.imported.source == COMBINATION
    return False


def _combined(
    results: Results, dataset: StoredDataset, name: str, members: tuple[str, ...], by: str
) -> tuple[Predictions, np.ndarray | None, ImportedModel]:
    """The combination on one dataset: its predictions, its logits if it has any, and how many are correct."""
    stored = [results.load_predictions(dataset.name, model) for model in members]
    for predictions in stored:
        _check(predictions, dataset)
    logits = None
    if by == "vote":
        probs = [one.prob for one in stored]
        known = None if any(prob is None for prob in probs) else np.stack([prob for prob in probs if prob is not None])
        best, prob = majority_vote(np.stack([one.top[:, 0] for one in stored]), known, len(dataset.class_names))
        top = best.astype(np.int32)[:, np.newaxis]
    else:
        logits, top, prob = mean_scores([_logits(results, dataset, model) for model in members], by)
    imported = Imported(
        source=COMBINATION,
        files={model: _checksum(one) for model, one in zip(members, stored, strict=True)},
        kind="top1" if by == "vote" else "logits",
        rules=[f"{_WORDS[by]} of {counted(len(members), 'model')}: {', '.join(members)}"],
        missing=int((top[:, 0] < 0).sum()),
    )
    entry = {"source": COMBINATION, "family": FAMILY, "family_title": "Combinations", "note": imported.rules[0]}
    predictions = Predictions(name, dataset.name, top, prob, provenance_of(name, dataset, imported, entry))
    return predictions, logits, count_correct(predictions, dataset)


def _check(predictions: Predictions, dataset: StoredDataset) -> None:
    """Raise DataError if predictions are not of the images and labels of the stored dataset."""
    made = predictions.provenance.dataset_fingerprint
    same = same_labels(made, dataset.label_checksum) if is_label_checksum(made) else made == dataset.fingerprint
    if not same or len(predictions) != len(dataset):
        raise DataError(
            "predictions belong to another version of the dataset",
            where=f"{predictions.model} on {dataset.name}",
            found=f"{len(predictions):,} predictions for {len(dataset):,} images",
            fix="run or import the model again",
        )


def _logits(results: Results, dataset: StoredDataset, model: str) -> np.ndarray:
    if not results.has_logits(dataset.name, model):
        raise DataError(
            "no logits are stored",
            where=f"{model} on {dataset.name}",
            fix="run the model with logits kept (`save_logits`), or combine by vote",
        )
    found = results.load_logits(dataset.name, model)
    if found.shape != (len(dataset), len(dataset.class_names)):
        raise DataError(
            "logits are of other classes than the labels, as in a view",
            where=f"{model} on {dataset.name}",
            found=f"{found.shape[1]:,} logits per image for {len(dataset.class_names):,} classes",
            fix="combine by vote",
        )
    return found


def _checksum(predictions: Predictions) -> str:
    """Checksum of the predictions, to recognise later whether the combination was made from them."""
    return hashlib.sha256(np.ascontiguousarray(predictions.top).tobytes()).hexdigest()
