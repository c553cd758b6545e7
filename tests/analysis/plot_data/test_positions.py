"""Positions on the axes of a scatter: finite for every model, infinite where an interval is, lines of limited reach."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from evalshift.analysis.plot_data.positions import line_positions, model_positions, outcome_positions, position
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.summary import summarize_outcomes


@pytest.mark.parametrize("scale, of", [("linear", lambda value: value), ("probit", norm.ppf), ("logit", logit)])
def test_models_lie_at_their_accuracies_on_the_scale(make_outcomes, scale, of):
    # 10 of 10 is no finite number on a curved scale, where it becomes (10 + ½) / (10 + 1).
    outcomes = make_outcomes([10, 8], [7, 5])
    found = model_positions(summarize_outcomes({"top1": outcomes}, resamples=0).metrics["top1"], scale)

    assert found.x == pytest.approx(of(np.array([1.0 if scale == "linear" else 10.5 / 11, 0.8])))
    assert found.y == pytest.approx(of(np.array([0.7, 0.5])))
    assert np.isinf(found.x_ends[1, 0]) == (scale != "linear")  # the upper bound of 10 of 10 is 1
    assert np.all(found.x_ends[0] < found.x)
    x, y = outcome_positions(outcomes, scale)
    assert (x.tolist(), y.tolist()) == (found.x.tolist(), found.y.tolist())


def test_a_line_goes_a_little_beyond_the_models_and_no_further_than_an_accuracy_does():
    x, y = np.array([0.5, 0.7, 0.99]), np.array([0.2, 0.5, 0.93])
    line = fit_line(x, y, resamples=50, rng=np.random.default_rng(0))
    drawn = line_positions(line, x, 0.03)

    assert (drawn.x.min(), drawn.x.max()) == (pytest.approx(0.47), 1)
    assert drawn.y == pytest.approx(line.offset + line.slope * drawn.x)
    assert drawn.region is not None
    assert np.all(drawn.region[0] <= drawn.region[1])
    assert line_positions(fit_line(x, y, resamples=0, rng=np.random.default_rng(0)), x, 0.03).region is None


def test_a_line_may_leave_what_accuracies_can_be_only_on_the_linear_scale():
    assert position(np.array([-0.1, 1.1]), "linear").tolist() == [-0.1, 1.1]
    assert position(np.array([-0.1, 1.1]), "probit").tolist() == [-np.inf, np.inf]
