"""Which models the heat map of agreement shows, and its range of colours."""

import numpy as np
import pytest

from evalshift.analysis.plot_data.agreement import AgreementPlot, agreement_plot
from evalshift.analysis.summary import summarize_outcomes


def test_agreement_keeps_to_the_most_accurate(mixed):
    shown = agreement_plot(mixed, 3)

    assert shown is not None
    assert sorted(shown.models) == ["a", "b", "d"]
    assert shown.is_share
    assert shown.span == (pytest.approx(0.8), 1.0)  # b and d on the new set: two of ten images apart
    assert agreement_plot(mixed, 2) is None


def test_counts_alone_have_no_agreement(tiny):
    assert agreement_plot(summarize_outcomes({"top1": tiny}, resamples=0).metrics["top1"], 9) is None


def test_one_model_unlike_all_others_does_not_stretch_the_colours():
    alike = np.full((5, 5), 0.9)
    np.fill_diagonal(alike, 1)
    outlier = alike.copy()
    outlier[4, :4] = outlier[:4, 4] = 0.1
    models, none, rows = tuple("abcde"), np.zeros(5, bool), np.arange(5)

    assert AgreementPlot(models, {"original": alike, "new": alike}, True, none, rows).span == (
        pytest.approx(0.9),
        1,
    )
    shown = AgreementPlot(models, {"original": alike, "new": outlier}, True, none, rows)
    assert shown.least == pytest.approx(0.1)
    assert shown.span == (pytest.approx(0.9), 1)
    two = outlier.copy()
    two[3, :3] = two[:3, 3] = 0.1
    assert AgreementPlot(models, {"original": two, "new": two}, True, none, rows).span == (
        pytest.approx(0.1),
        1,
    )


def test_colours_end_at_the_largest_agreement_of_two_models():
    apart = np.full((4, 4), 0.3)
    apart[0, 1] = apart[1, 0] = 0.5
    np.fill_diagonal(apart, 1)
    models, none, rows = tuple("abcd"), np.zeros(4, bool), np.arange(4)
    assert AgreementPlot(models, {"original": apart, "new": apart}, True, none, rows).span == (
        pytest.approx(0.3),
        pytest.approx(0.5),
    )
    near = np.where(apart == 0.5, 0.9, apart)
    assert AgreementPlot(models, {"original": near, "new": near}, True, none, rows).span == (pytest.approx(0.3), 1)
