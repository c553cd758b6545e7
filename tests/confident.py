"""Pairs of models with probabilities, made for tests."""

import numpy as np

from evalshift.analysis.outcomes import ImagePredictions, Outcomes


def confident_pair(models: int, images: int = 400, over: float = 0.2) -> tuple[ImagePredictions, ImagePredictions]:
    """Models that are 60 to 100 % sure: correct as often on the original set, by `over` less on the new."""
    names = tuple(f"model {place}" for place in range(models))
    return _side("old", names, images, 0.0, 1), _side("new", names, images, over, 2)


def _side(dataset: str, names: tuple[str, ...], images: int, over: float, seed: int) -> ImagePredictions:
    rng = np.random.default_rng([seed, len(names), images])
    prob = rng.uniform(0.6, 1, size=(len(names), images)).astype(np.float32)
    labels = rng.integers(10, size=images)
    correct = rng.random(prob.shape) < prob - over
    top = np.where(correct, labels, (labels + 1) % 10)[:, :, np.newaxis].astype(np.int8)
    ids = tuple(map(str, range(images)))
    return ImagePredictions(dataset, names, top, labels, ids, tuple("abcdefghij"), prob=prob)


def counts_of(pair: tuple[ImagePredictions, ImagePredictions]) -> Outcomes:
    """Their counts of correct first predictions."""
    original, new = pair
    return Outcomes(
        original=original.dataset,
        new=new.dataset,
        metric="top1",
        models=original.models,
        original_correct=original.correct().sum(axis=1),
        new_correct=new.correct().sum(axis=1),
        original_total=len(original.labels),
        new_total=len(new.labels),
        attributes={},
    )
