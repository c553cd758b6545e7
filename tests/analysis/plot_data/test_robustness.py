"""Which distances from the line are shown, and in which order."""

import numpy as np
import pytest

from evalshift.analysis.plot_data.robustness import robustness_plot
from evalshift.analysis.summary import summarize_outcomes


@pytest.fixture(scope="module")
def six(make_outcomes):
    attributes = {"a": {"year": 2015}, "c": {"year": 2012}, "d": {"year": 2017}}
    outcomes = make_outcomes([90, 80, 70, 60, 50, 40], [80, 50, 60, 50, 41, 20], total=100, attributes=attributes)
    return summarize_outcomes({"top1": outcomes}, resamples=200, highlight="d").metrics["top1"]


def test_models_are_shown_by_their_distance_from_the_line(six):
    found = robustness_plot(six)

    assert found is not None
    assert (np.diff(found.position) <= 0).all()
    assert found.rows.tolist() == [six.table["model"].tolist().index(name) for name in found.names]
    frame = six.tables["robustness"].frame.set_index("model").loc[found.names]
    for ours, column in (
        (found.distance, "distance"),
        (found.low, "distance_low"),
        (found.high, "distance_high"),
        (found.usual_low, "usual_low"),
        (found.usual_high, "usual_high"),
    ):
        assert ours == pytest.approx(100 * frame[column].to_numpy(float), nan_ok=True)
    assert found.significant.tolist() == (frame["p_holm"] < 0.05).tolist()
    assert found.extrapolated.tolist() == frame["extrapolated"].tolist()
    assert found.names[found.highlighted].tolist() == ["d"]


def test_of_many_models_both_ends_and_highlighted_ones_are_shown(six):
    found = robustness_plot(six)

    assert found is not None
    assert found.names[3] == "d"  # not at an end
    assert found.ends(3).names.tolist() == [found.names[0], "d", found.names[-1]]
    assert len(found.ends(9)) == 6


def test_a_model_whose_distance_is_not_given_is_shown_in_the_middle_of_its_interval(make_outcomes):
    # The last is far below the range of the others, and near the line: its distance is smaller than its error.
    outcomes = make_outcomes([900, 890, 880, 870, 860, 850, 300], [800, 795, 770, 772, 755, 752, 180], total=1000)
    found = robustness_plot(summarize_outcomes({"top1": outcomes}, resamples=200).metrics["top1"])

    assert found is not None
    place = found.names.tolist().index("g")
    assert found.extrapolated[place]
    assert np.isnan(found.distance[place])
    assert found.position[place] == pytest.approx((found.low[place] + found.high[place]) / 2)
    assert "g" not in found.with_distance().names
    farthest = found.farthest_first()
    assert "g" not in farthest.names
    assert (np.diff(np.abs(farthest.distance)) <= 0).all()


def test_models_by_year_are_those_whose_year_is_known(six):
    found = robustness_plot(six)

    assert found is not None
    assert found.with_year().names.tolist() == ["a", "c", "d"]
    assert found.with_year().year.tolist() == [2015, 2012, 2017]


def test_one_model_has_no_line_to_be_shown_against(make_outcomes):
    assert robustness_plot(summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0).metrics["top1"]) is None
