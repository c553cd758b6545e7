"""Predictions of several models as one array."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalshift.analysis.outcomes.records import ImagePredictions
from evalshift.analysis.outcomes.shared_images import image_source
from evalshift.analysis.outcomes.stored_side import ModelOnSet, Side
from evalshift.evaluate.store import StoredDataset
from evalshift.testbed.class_tree import known_tree


def gather_both(
    original: Side, new: Side, known: Mapping[str, tuple[ModelOnSet, ModelOnSet]]
) -> tuple[ImagePredictions, ImagePredictions] | None:
    """Predictions of the models that have them on both sets; None where no model has."""
    tops = {model: (a.top, b.top) for model, (a, b) in known.items() if a.top is not None and b.top is not None}
    if not tops or not isinstance(original.dataset, StoredDataset) or not isinstance(new.dataset, StoredDataset):
        return None
    k = min(top.shape[1] for both in tops.values() for top in both)

    def gather(side: int, dataset: StoredDataset) -> ImagePredictions:
        confidence = tuple(known[model][side].confidence for model in tops)
        prob = _gather_prob([known[model][side].prob for model in tops], len(dataset))
        found = gather_predictions(dataset, {model: both[side] for model, both in tops.items()}, k)
        return replace(found, confidence=confidence, prob=prob)

    return gather(0, original.dataset), gather(1, new.dataset)


def gather_predictions(dataset: StoredDataset, tops: Mapping[str, np.ndarray], k: int) -> ImagePredictions:
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
        pictures=dataset.pictures,
    )


def _gather_prob(probs: Sequence[np.ndarray | None], images: int) -> np.ndarray | None:
    """One row per model, NaN for those without; None where none has any."""
    if all(prob is None for prob in probs):
        return None
    gathered = np.full((len(probs), images), np.nan, dtype=np.float32)
    for row, prob in zip(gathered, probs, strict=True):
        if prob is not None:
            row[:] = prob
    return gathered
