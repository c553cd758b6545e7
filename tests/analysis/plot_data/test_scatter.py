"""Positions of a scatter: finite for every model, at 0 or 100 where an interval ends there, lines of limited reach."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from evalshift.analysis.plot_data.scatter import (
    common_limits,
    equal_limits,
    line_plot,
    own_limits,
    percent_at,
    position,
    scatter_plot,
)
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.summary import summarize_outcomes


@pytest.fixture
def two(make_outcomes):
    return summarize_outcomes({"top1": make_outcomes([10, 8], [7, 5])}, resamples=0).metrics["top1"]


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_models_lie_at_their_accuracies_in_percent(two, scale):
    # 10 of 10 is no finite number on a curved scale, where it becomes (10 + ½) / (10 + 1).
    plot = scatter_plot(two, scale)

    assert plot.x == pytest.approx([100.0 if scale == "linear" else 1050 / 11, 80])
    assert plot.y == pytest.approx([70, 50])
    assert plot.x_ends[1, 0] == 100  # the upper bound of 10 of 10
    assert (plot.names, plot.original, plot.new) == (("a", "b"), "old", "new")
    assert np.isfinite(common_limits([plot])).all()


@pytest.mark.parametrize("scale, of", [("linear", lambda value: 100 * value), ("probit", norm.ppf), ("logit", logit)])
def test_positions_on_a_scale_and_back(scale, of):
    assert position(np.array([50, 97.5]), scale) == pytest.approx(of(np.array([0.5, 0.975])))
    assert percent_at(position(np.array([3.0, 50, 97.5]), scale), scale) == pytest.approx([3, 50, 97.5])


def test_a_line_may_leave_what_accuracies_can_be_only_on_the_linear_scale():
    assert position(np.array([-10, 110]), "linear").tolist() == [-10, 110]
    assert position(np.array([-10, 110]), "probit").tolist() == [-np.inf, np.inf]


def test_a_line_goes_a_little_beyond_the_models_and_no_further_than_an_accuracy_does():
    x, y = np.array([0.5, 0.6, 0.7, 0.8, 0.99]), np.array([0.2, 0.3, 0.5, 0.6, 0.93])
    line = fit_line(x, y, resamples=50, rng=np.random.default_rng(0))
    drawn = line_plot(line, 100 * x)

    assert drawn is not None
    assert (drawn.x.min(), drawn.x.max()) == (pytest.approx(50 - 0.03 * 49), 100)
    assert drawn.y == pytest.approx(100 * line.offset + line.slope * drawn.x)
    assert drawn.region is not None
    assert np.all(drawn.region[0] <= drawn.region[1])
    bare = line_plot(fit_line(x, y, resamples=0, rng=np.random.default_rng(0)), 100 * x)
    assert bare is not None
    assert bare.region is None


def test_limits_of_panels_are_equally_long_unless_one_would_be_half_empty(make_outcomes):
    wide, near, small = (
        scatter_plot(
            summarize_outcomes({"top1": make_outcomes(*both, total=10_000)}, resamples=0).metrics["top1"], "linear"
        )
        for both in (([9000, 5000], [8500, 4000]), ([9900, 6500], [9800, 6300]), ([9900, 9800], [9800, 9750]))
    )
    found = equal_limits([wide, near, small])

    lengths = np.array([[high - low for low, high in both] for both in found])
    np.testing.assert_allclose(lengths[:2], lengths[0, 0])
    assert lengths[2, 0] == pytest.approx(lengths[2, 1])
    assert lengths[2, 0] < lengths[0, 0] / 2
    for plot, (x, y) in zip((wide, near, small), found, strict=True):
        assert x[0] < plot.x_ends.min() < plot.x_ends.max() < x[1]
        assert y[0] < plot.y_ends.min() < plot.y_ends.max() < y[1]
    assert own_limits(wide)[0] != own_limits(wide)[1]
