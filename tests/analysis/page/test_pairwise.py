"""The comparison of two pinned models: the numbers of the paired comparison, in the order that the page reads."""

import numpy as np
import pytest

from evalshift.analysis.comparison.compute import compare
from evalshift.analysis.page.pairwise import pairwise_view
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.stored import summarize
from tests.analysis.conftest import Store


def test_entries_are_those_above_the_diagonal_row_by_row(kept_letters):
    metric = summarize(kept_letters.results, ["old:new"], resamples=0).pairs[0].metrics["top1"]
    view = pairwise_view(metric)
    assert view is not None
    models = metric.statistics.image_models
    assert [metric.table["model"][row] for row in view["rows"]] == list(models)
    compared = require(require(metric.statistics.original).pairs).comparison
    old = view["sets"][0]
    pairs = [(i, j) for i in range(len(models)) for j in range(i + 1, len(models))]
    assert old["difference"] == [round(100 * compared.difference[pair], 3) for pair in pairs]
    assert old["low"] == [round(100 * compared.interval.low[pair], 3) for pair in pairs]
    assert old["only"] == [compared.only[i, j] for i, j in pairs] + [compared.only[j, i] for i, j in pairs]
    # good, fair and poor classify 4, 3 and 2 of the 4 old images correctly.
    assert dict(zip(models, old["accuracy"], strict=True)) == {"good": 100, "fair": 75, "poor": 50}
    assert np.shape(view["drop"]["p"]) == (len(pairs),)


def test_counts_alone_cannot_be_compared_in_pairs(make_outcomes):
    metric = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6])}, resamples=0).metrics["top1"]
    assert pairwise_view(metric) is None


def test_effective_robustness_is_that_of_the_comparison_command(tmp_path):
    # Seven models on images of three classes, stored as a run stores them.
    rng, models = np.random.default_rng(4), tuple("abcdefg")
    store = Store(tmp_path / "results")
    for dataset, images, fall in (("old", 300, 0.0), ("new", 200, 0.15)):
        labels, difficulty = np.arange(images) % 3, rng.random(images) + fall
        store.dataset(dataset, labels.tolist())
        for model, skill in zip(models, np.linspace(0.6, 0.95, 7), strict=True):
            top = np.where(difficulty < skill, labels, (labels + 1) % 3)
            store.predictions(dataset, model, top[:, np.newaxis].tolist())
    store.results.add_pairs(["old:new"])
    metric = summarize(store.results, ["old:new"], resamples=0, scale="probit").pairs[0].metrics["top1"]
    view = pairwise_view(metric)
    assert view is not None
    names = list(metric.statistics.image_models)
    (compared,) = compare(store.results, "b", "e", scale="probit").pairs
    difference = require(compared.differences["robustness"])
    one, other = names.index("b"), names.index("e")
    place = [(i, j) for i in range(7) for j in range(i + 1, 7)].index((one, other))
    found = view["robustness"]
    assert found["difference"][place] == pytest.approx(100 * difference.difference[0, 1], abs=1e-3)
    assert found["low"][place] == pytest.approx(100 * difference.interval.low[0, 1], abs=1e-3)
    assert found["p"][place] == pytest.approx(difference.p_value[0, 1], rel=1e-2)
    both = [found["distance"][place], found["distance"][place + 21]]
    assert both == pytest.approx(100 * require(compared.distances), abs=1e-3, nan_ok=True)
