"""Predictions of several models as one array."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalshift.analysis.outcomes.records import ImagePredictions
from evalshift.analysis.outcomes.shared_images import image_source
from evalshift.analysis.outcomes.stored_side import ModelOnSet
from evalshift.evaluate.store import StoredDataset
from evalshift.testbed.class_tree import known_tree


class Gathering:
    """Predictions of models on one set, put into one array as they are read: kept apart first, they take twice as much.

    most   how many models there are at most
    """

    def __init__(self, dataset: StoredDataset, most: int) -> None:
        self._dataset, self._most = dataset, most
        self._models: list[str] = []
        self._confidence: list[float | None] = []
        self._top: np.ndarray | None = None
        self._prob: np.ndarray | None = None

    def add(self, model: str, found: ModelOnSet) -> None:
        """Copy what is known of a model that has predictions here."""
        assert found.top is not None
        row, (images, k) = len(self._models), found.top.shape
        if self._top is None:
            self._top = np.empty((k, self._most, images), dtype=found.top.dtype)
        # As many predictions as all keep, in the type that holds those of all.
        self._top = self._top[:k].astype(np.result_type(self._top, found.top), copy=False)
        self._top[:, row] = found.top[:, : len(self._top)].T
        if found.prob is not None:
            if self._prob is None:
                self._prob = np.full((self._most, images), np.nan, dtype=np.float32)
            self._prob[row] = found.prob
        self._models.append(model)
        self._confidence.append(found.confidence)

    @property
    def k(self) -> int:
        """How many predictions for each image all models keep."""
        return 0 if self._top is None else len(self._top)

    def predictions(self, k: int) -> ImagePredictions:
        """Those of all models, the best `k` for each image."""
        assert self._top is not None
        count = len(self._models)
        found = _predictions(self._dataset, self._models, self._top[:k, :count])
        prob = None if self._prob is None else self._prob[:count]
        return replace(found, confidence=tuple(self._confidence), prob=prob)


def gather_predictions(dataset: StoredDataset, tops: Mapping[str, np.ndarray], k: int) -> ImagePredictions:
    """The predictions of all models as one array, with all top-1 predictions contiguous in memory."""
    kind = np.result_type(*tops.values())
    side_by_side = np.empty((k, len(tops), len(dataset)), dtype=kind)
    for model, top in enumerate(tops.values()):
        side_by_side[:, model] = top[:, :k].T
    return _predictions(dataset, tuple(tops), side_by_side)


def _predictions(dataset: StoredDataset, models: Sequence[str], side_by_side: np.ndarray) -> ImagePredictions:
    """`side_by_side` holds the predictions of each place, best first, over models and images."""
    return ImagePredictions(
        dataset=dataset.name,
        models=tuple(models),
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
        pictures=dataset.pictures,
    )
