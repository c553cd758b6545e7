"""The comparison of two pinned models: the numbers of the paired comparison, in the order that the page reads."""

import numpy as np

from evalshift.analysis.page.pairwise import pairwise_view
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.stored import summarize


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
