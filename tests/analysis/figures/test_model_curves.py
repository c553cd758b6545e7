"""Reliability diagrams and risk–coverage curves by their marks: where curves are, names, limits, texts inside."""

from itertools import pairwise

import numpy as np
import pytest
from confident import confident_pair, counts_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from messages import says

from evalshift.analysis.figures import (
    SIZES,
    reliability,
    reliability_figure,
    risk_coverage,
    risk_coverage_figure,
)
from evalshift.analysis.summary import PairSummary, summarize_outcomes
from evalshift.errors import UsageError

FIGURES = {"reliability": reliability_figure, "risk_coverage": risk_coverage_figure}


def summarized(models: int) -> PairSummary:
    pair = confident_pair(models)
    return summarize_outcomes({"top1": counts_of(pair)}, predictions=pair, resamples=0)


@pytest.fixture(scope="module")
def three() -> PairSummary:
    return summarized(3)


@pytest.fixture(scope="module")
def many() -> PairSummary:
    return summarized(9)


def drawn(draw, pair: PairSummary, **choices) -> tuple[Axes, Axes]:
    original, new = Figure().subplots(1, 2)
    return draw(pair.metrics["top1"], original, new, **choices)


def curve(ax: Axes, gid: str) -> np.ndarray:
    (found,) = [line for line in ax.lines if line.get_gid() == gid]
    return np.array(found.get_data(), dtype=float)


def test_each_model_has_its_bins_and_the_diagonal_shows_calibration(three):
    _, new = drawn(reliability, three)
    metric = three.metrics["top1"]
    place = metric.statistics.image_models.index(metric.table["model"][0])
    bins = metric.statistics.calibration.new.bins
    assert curve(new, "model-0") == pytest.approx(100 * np.array([bins.confidence[place], bins.accuracy[place]]))
    assert curve(new, "diagonal").tolist() == [[0, 100], [0, 100]]
    assert new.get_xlim() == new.get_ylim()
    # Over-confident by 20 points: below the diagonal.
    assert (np.diff(curve(new, "model-0"), axis=0) < 0).mean() > 0.9


def test_of_many_models_one_curve_is_of_all_images_together(many):
    original, _ = drawn(reliability, many)
    confidence, accuracy = curve(original, "together")
    assert (np.diff(confidence) > 0).all()
    assert accuracy == pytest.approx(confidence, abs=6)  # calibrated
    assert len(original.lines) == 9 + 2


def test_risk_ends_at_one_minus_the_accuracy(many):
    axes = drawn(risk_coverage, many)
    table = many.metrics["top1"].table
    for ax, accuracy in zip(axes, (table["original_accuracy"], table["new_accuracy"]), strict=True):
        ends = [curve(ax, f"model-{place}")[1, -1] for place in range(9)]
        assert ends == pytest.approx(100 * (1 - accuracy))
        assert curve(ax, "together")[1, -1] == pytest.approx(100 * (1 - accuracy.mean()))
    assert axes[0].get_ylim() == axes[1].get_ylim()


@pytest.mark.parametrize("name", FIGURES)
def test_models_can_be_chosen_and_are_named(many, name):
    figure = FIGURES[name](many, models=["model 4", "model 2"])
    assert figure is not None
    (legend,) = figure.legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["model 2", "model 4"]
    with pytest.raises(UsageError) as caught:
        FIGURES[name](many, models=["model 44"])
    says(caught.value, found='"model 44"')


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", FIGURES)
def test_texts_lie_inside_the_figure_and_apart(many, three, name, size):
    for pair in (many, three):
        figure = FIGURES[name](pair, size=size)
        assert figure is not None
        assert figure.get_figheight() <= size.tallest + 0.01
        titles = [ax.title.get_window_extent() for ax in figure.axes]
        texts = [*titles, figure.legends[0].get_window_extent(), *(text.get_window_extent() for text in figure.texts)]
        for box in texts:
            assert box.x0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y0 >= -1
            assert box.y1 <= figure.bbox.y1 + 1
        if len({round(box.y0) for box in titles}) == 1:
            assert all(left.x1 < right.x0 for left, right in pairwise(titles))
        assert figure.legends[0].get_window_extent().y0 >= max(box.y1 for box in titles) - 1


def test_without_probabilities_there_is_no_figure(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [7, 6])}, resamples=0)
    for draw, figure in ((reliability, reliability_figure), (risk_coverage, risk_coverage_figure)):
        assert figure(pair) is None
        with pytest.raises(ValueError, match="found no model with probabilities on both sets"):
            drawn(draw, pair)


def test_of_many_models_curves_are_drawn_from_all_ranks_and_the_mean_stands_for_all() -> None:
    from evalshift.analysis.plot_data.model_curves import MOST_CURVES, _from_all_ranks

    highlighted = np.zeros(1000, dtype=bool)
    highlighted[[333, 334]] = True
    drawn = _from_all_ranks(highlighted.tolist())
    assert len(drawn) == MOST_CURVES
    assert {0, 333, 334, 999} <= set(drawn.tolist())
    assert np.diff(drawn).max() <= 11
    assert _from_all_ranks([False] * MOST_CURVES).tolist() == list(range(MOST_CURVES))
