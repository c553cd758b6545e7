"""Stored predictions as one table for pandas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evalshift.errors import unknown_name
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.rows import is_label_checksum, same_labels

if TYPE_CHECKING:  # the store makes these frames
    from evalshift.evaluate.store.datasets import StoredDataset
    from evalshift.evaluate.store.results import Results


def predictions_frame(
    results: "Results", datasets: Sequence[str] | str | None = None, models: Sequence[str] | str | None = None
) -> pd.DataFrame:
    """One row per model and image, in dataset order.

    Columns: dataset, model, id, label and prediction (names of classes), correct (top-1), prob (softmax probability of
    the prediction; NaN where imported predictions came without). Text repeats in every row, so those columns are
    categorical: ten million rows take 0.2 GB. `datasets` and `models` choose by name; without them, all that is stored.
    Predictions of another version of a dataset than the one stored are left out.
    Raises UsageError for a dataset or model that is not stored, StoreError where a file cannot be read.
    """
    stored = _chosen("dataset", datasets, results.datasets())
    known = sorted({model for dataset in stored for model in results.models(dataset)})
    wanted = set(_chosen("model", models, known))
    parts = []
    for name in stored:
        dataset = results.load_dataset(name)
        for model in results.models(name):
            if model in wanted:
                predictions = results.load_predictions(name, model)
                if len(predictions) == len(dataset) and _is_of(predictions, dataset):
                    parts.append(_frame(dataset, predictions))
    if not parts:
        return pd.DataFrame(columns=["dataset", "model", "id", "label", "prediction", "correct", "prob"])
    frame = pd.concat(parts, ignore_index=True)
    return frame.astype(dict.fromkeys(("dataset", "model", "id", "label", "prediction"), "category"))


def _is_of(predictions: Predictions, dataset: "StoredDataset") -> bool:
    fingerprint = predictions.provenance.dataset_fingerprint
    if is_label_checksum(fingerprint):
        return same_labels(fingerprint, dataset.label_checksum)
    return fingerprint == dataset.fingerprint


def _chosen(kind: str, names: Sequence[str] | str | None, stored: Sequence[str]) -> list[str]:
    wanted = stored if names is None else [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in stored:
            raise unknown_name(
                f"this {kind} is not stored", name, stored, expected=", ".join(stored) or f"a {kind} with predictions"
            )
    return list(wanted)


def _frame(dataset: "StoredDataset", predictions: Predictions) -> pd.DataFrame:
    # "" for an imported row without a prediction, which stores −1.
    names = np.array([*dataset.class_names, ""], dtype=object)
    first = predictions.top[:, 0]
    return pd.DataFrame(
        {
            "dataset": dataset.name,
            "model": predictions.model,
            "id": dataset.ids,
            "label": names[dataset.labels],
            "prediction": names[np.where((first >= 0) & (first < len(names) - 1), first, len(names) - 1)],
            "correct": predictions.hits(dataset.truth),
            "prob": np.full(len(dataset), np.nan) if predictions.prob is None else predictions.prob,
        }
    )
