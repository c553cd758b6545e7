"""A small summary that several plots are made from."""

import numpy as np
import pytest

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.summary import MetricSummary, summarize_outcomes


@pytest.fixture(scope="module")
def mixed(make_outcomes) -> MetricSummary:
    """Ten images of two classes, a third has none; five models, of which c is known by counts alone."""
    models = ("a", "b", "d", "e")
    right = np.arange(10) < np.array([[9], [8], [8], [3]])
    after = np.arange(10) < np.array([[6], [7], [5], [5]])
    labels = np.arange(10) % 2
    stored_predictions = [
        ImagePredictions(
            dataset,
            models,
            np.where(hit, labels, 1 - labels)[:, :, np.newaxis],
            labels,
            tuple("0123456789"),
            ("even", "odd", "none"),
        )
        for dataset, hit in (("old", right), ("new", after))
    ]
    outcomes = make_outcomes([9, 8, 8, 8, 3], [6, 7, 9, 5, 5])
    return summarize_outcomes(
        {"top1": outcomes}, predictions=(stored_predictions[0], stored_predictions[1]), resamples=0
    ).metrics["top1"]
