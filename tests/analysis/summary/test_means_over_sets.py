"""Means over several new sets of one original."""

from typing import Any

import pytest

from evalshift.analysis.summary.means_over_sets import means_table
from evalshift.analysis.summary.stored import summarize


def test_by_hand(store: Any) -> None:
    labels = [0, 1, 2, 3]
    for name in ("old", "fog", "snow"):
        store.dataset(name, labels)
    answers = {
        ("old", "a"): [0, 1, 2, 3], ("fog", "a"): [0, 1, 0, 0], ("snow", "a"): [0, 0, 0, 0],
        ("old", "b"): [0, 1, 2, 0], ("fog", "b"): [0, 1, 2, 0], ("snow", "b"): [0, 1, 0, 3],
        ("old", "c"): [0, 1, 2, 0], ("fog", "c"): [0, 1, 2, 0],
    }  # fmt: skip
    for (dataset, model), first in answers.items():
        store.predictions(dataset, model, [[one] for one in first])
    summary = summarize(store.results, ["old:fog", "old:snow"], resamples=0)
    table = means_table(summary.pairs)
    assert table is not None
    rows = table.frame.set_index("model")
    assert rows.index.tolist() == ["b", "a"]  # c has no predictions on snow
    assert rows.loc["a", "mean_accuracy"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert rows.loc["a", "mean_error"] == pytest.approx(1 - 3 / 8)
    assert rows.loc["a", "mean_drop"] == pytest.approx(1 - 3 / 8)
    assert (rows.loc["a", "worst_set"], rows.loc["a", "worst_accuracy"]) == ("snow", 1 / 4)
    assert rows["sets"].tolist() == [2, 2]


def test_one_new_set_has_no_mean(store: Any) -> None:
    for name in ("old", "new"):
        store.dataset(name, [0, 1])
        store.predictions(name, "a", [[0], [1]])
    assert means_table(summarize(store.results, ["old:new"], resamples=0).pairs) is None
