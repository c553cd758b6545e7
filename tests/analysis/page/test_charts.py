"""Figures of the page by their marks: what stands where, in which colour, and what is said of it."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from evalshift.analysis.page.agreement import agreement_chart
from evalshift.analysis.page.bump import bump_chart
from evalshift.analysis.page.chart import bars, plain, read_at, script_json
from evalshift.analysis.page.decomposition import decomposition_charts
from evalshift.analysis.page.families import colours, grouped
from evalshift.analysis.page.per_class import class_chart
from evalshift.analysis.page.robustness import robustness_chart, year_chart
from evalshift.analysis.page.scatter import scatter_chart
from evalshift.analysis.statistics.scales import to_scale
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.stored import summarize


@pytest.fixture(scope="module")
def counted(make_outcomes):
    """Three models of two families, 90, 80 and 70 % on the old set, 60, 70 and 50 % on the new."""
    attributes = {"a": {"family": "resnet", "year": 2015}, "b": {"family": "vgg", "year": 2014}, "c": {"year": 2014}}
    outcomes = make_outcomes([90, 80, 70], [60, 70, 50], total=100, attributes=attributes)
    return summarize_outcomes({"top1": outcomes}, resamples=200).metrics["top1"]


@pytest.fixture(scope="module")
def predicted_by(kept_letters):
    (pair,) = summarize(kept_letters.results, resamples=50).pairs
    return pair.metrics["top1"]


def traces(chart, view: str, mode: str) -> list[dict]:
    return [trace for trace in chart.views[view]["data"] if trace.get("mode") == mode]


def test_families_have_colours_of_their_own_and_the_rest_another(counted):
    known = colours([counted])

    assert known == {"resnet": ("--series-1", "circle"), "vgg": ("--series-2", "square")}
    assert [(one.name, one.rows) for one in grouped(counted, known)] == [
        ("resnet", (0,)),
        ("vgg", (1,)),
        ("Others", (2,)),
    ]


def test_the_scatter_stands_on_both_accuracies_on_each_scale(counted):
    chart = scatter_chart(counted, "probit", grouped(counted, {}))

    assert chart.names == ("probit", "linear", "logit")
    (points,) = traces(chart, "linear", "markers")
    assert points["x"] == [90, 80, 70]
    assert points["y"] == [60, 70, 50]
    (points,) = traces(chart, "probit", "markers")
    assert points["x"] == pytest.approx(to_scale(np.array([0.9, 0.8, 0.7]), "probit"), abs=1e-5)
    for view in chart.views.values():
        assert view["layout"]["xaxis"]["range"] == view["layout"]["yaxis"]["range"]
        assert view["layout"]["yaxis"]["scaleanchor"] == "x"
    assert points["meta"] == {"rows": [0, 1, 2], "each": 1, "said": "model"}


def test_intervals_of_all_models_are_one_broken_line(counted):
    assert bars([[1.0, 2.0], [3.0, 4.0]], [5, 6]) == ([1, 3, None, 2, 4, None], [5, 5, None, 6, 6, None])
    chart = scatter_chart(counted, "linear", grouped(counted, {}))
    across, upright = (trace for trace in traces(chart, "linear", "lines") if "meta" in trace)
    bounds = counted.table["original_low"], counted.table["original_high"]
    assert across["meta"] == {
        "rows": [0, 1, 2],
        "each": 3,
        "bars": {"low": plain(100 * bounds[0]), "high": plain(100 * bounds[1]), "at": [60, 70, 50], "along": "x"},
    }
    assert (upright["meta"]["bars"]["at"], upright["meta"]["bars"]["along"]) == ([90, 80, 70], "y")


def test_numbers_are_rounded_unless_they_would_be_read_differently():
    assert read_at([0.123456789, 0.12499999999, 0.125000001, -0.12499999999, np.nan, np.inf], 2) == [
        0.123457,
        0.12499999999,
        0.125000001,
        -0.12499999999,
        None,
        None,
    ]


def test_an_interval_that_ends_at_infinity_ends_at_the_edge(make_outcomes):
    outcomes = make_outcomes([10, 8, 6], [9, 7, 5])
    metric = summarize_outcomes({"top1": outcomes}, resamples=0).metrics["top1"]
    chart = scatter_chart(metric, "probit", grouped(metric, {}))

    across = next(trace for trace in traces(chart, "probit", "lines") if "meta" in trace)
    assert None not in (across["meta"]["bars"]["low"][0], across["meta"]["bars"]["high"][0])
    assert script_json(chart.views)


def test_ranks_are_joined_and_changes_that_are_not_significant_are_grey(counted):
    chart = bump_chart(counted)

    assert chart is not None
    (lines,) = traces(chart, "ranks", "lines")
    assert lines["y"] == [0, 1, None, 1, 0, None, 2, 2, None]
    assert lines["line"]["color"] == "--quiet"
    layout = chart.views["ranks"]["layout"]
    assert (layout["yaxis"]["ticktext"], layout["yaxis2"]["ticktext"]) == (["a", "b", "c"], ["b", "a", "c"])
    assert chart.result == (
        "1 of 3 models keeps its rank; the largest change is 1 place down (a). "
        "Significance of rank changes is not computed from counts alone."
    )


def test_rank_sets_stand_beside_the_ranks(predicted_by):
    chart = bump_chart(predicted_by)

    assert chart is not None
    sets = [trace for trace in traces(chart, "ranks", "lines") if trace.get("xaxis") in ("x", "x3")]
    assert [value for value in sets[0]["x"] if value is not None] == [1, 3] * 3  # four images leave all ranks open
    assert chart.result.endswith("No rank change is statistically significant.")


def test_one_model_has_no_rank_to_change(make_outcomes):
    metric = summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0).metrics["top1"]

    assert bump_chart(metric) is None
    assert robustness_chart(metric) is None
    assert year_chart(metric) is None
    assert agreement_chart(metric) is None
    assert class_chart(metric) is None


@pytest.fixture(scope="module")
def eight(make_outcomes):
    """Seven models 20 points below y = x, within half a point, and b, 15 points above their line; e is the lowest."""
    years = {model: {"year": 2014 + place % 3} for place, model in enumerate("abcdefgh")}
    outcomes = make_outcomes(
        [900, 850, 800, 750, 500, 700, 780, 650],
        [705, 800, 598, 549, 301, 502, 581, 449],
        total=1000,
        attributes=years,
    )
    return summarize_outcomes({"top1": outcomes}, resamples=200).metrics["top1"]


def test_ranks_of_a_highlighted_model_beyond_the_best_are_those_of_its_row_in_the_table(make_outcomes):
    names = tuple(f"model {number}" for number in range(100))
    correct = list(range(900, 800, -1))
    outcomes = make_outcomes(correct, [count - 90 for count in correct], total=1000, models=names)
    metric = summarize_outcomes({"top1": outcomes}, resamples=0, highlight="model 95").metrics["top1"]
    chart = bump_chart(metric)

    assert chart is not None
    for mode in ("markers", "lines"):
        for trace in traces(chart, "ranks", mode):
            assert trace["meta"]["rows"] == [*range(79), 95]  # by which the page filters and pins models
    assert traces(chart, "ranks", "markers")[0]["marker"]["symbol"][-1] == "star"


def test_robustness_is_sorted_with_the_highest_on_top(eight):
    chart = robustness_chart(eight)

    assert chart is not None
    assert chart.views["robustness"]["layout"]["yaxis"]["ticktext"][0] == "b"
    points = [trace for trace in traces(chart, "robustness", "markers") if 1 in trace["meta"]["rows"]]
    assert points[0]["x"][0] == pytest.approx(15, abs=0.6)  # the line through the others is at 65 there
    assert points[0]["meta"]["rows"][0] == 1
    assert "Highest: b, 14.9 points; lowest: c, " in chart.result


def test_distances_beyond_the_other_models_have_open_markers_or_none(eight):
    chart = robustness_chart(eight)

    assert chart is not None
    table = eight.tables["robustness"].frame.set_index("model")
    assert table.index[table["extrapolated"]].tolist() == ["a", "e"]
    symbols, places = {}, {}
    for trace in traces(chart, "robustness", "markers"):
        for row, symbol, x in zip(trace["meta"]["rows"], trace["marker"]["symbol"], trace["x"], strict=True):
            symbols[eight.table["model"][row]], places[eight.table["model"][row]] = symbol, x
    assert {model for model, symbol in symbols.items() if symbol.endswith("-open")} == {"a", "e"}
    assert {model for model, x in places.items() if x is None} == set(table.index[table["distance"].isna()])


def test_a_line_through_few_models_is_thin(counted, eight):
    widths = []
    for metric in (counted, eight):
        (line,) = [
            trace
            for trace in traces(scatter_chart(metric, "linear", grouped(metric, colours([metric]))), "linear", "lines")
            if trace["line"].get("dash") == "solid"
        ]
        widths.append(line["line"]["width"])
    assert widths[0] < widths[1]


def test_years_are_where_the_registry_has_them(eight, predicted_by):
    chart = year_chart(eight)

    assert chart is not None
    # In the order of the table: a, b, c, g, d, f, h, e.
    assert traces(chart, "years", "markers")[0]["x"] == [2014, 2015, 2016, 2014, 2014, 2016, 2015, 2015]
    assert year_chart(predicted_by) is None  # all of one year


def test_classes_are_joined_from_the_original_to_the_new_set(predicted_by):
    chart = class_chart(predicted_by)

    assert chart is not None
    before, after = traces(chart, "classes", "markers")
    names = chart.views["classes"]["layout"]["yaxis"]["ticktext"]
    # Both sets have images of a and b; a is always correct, b on the old set always, on the new one by good alone.
    assert names == ["b", "a"]
    assert before["x"] == [100, 100]
    assert after["x"] == pytest.approx([100 / 3, 100], abs=1e-4)


def test_agreement_has_one_order_for_both_sets(predicted_by):
    chart = agreement_chart(predicted_by)

    assert chart is not None
    assert chart.names == ("original", "new")
    original, new = (view["data"][0] for view in chart.views.values())
    assert original["x"] == new["x"] == original["y"]
    assert [original["z"][place][place] for place in range(3)] == [1, 1, 1]


def test_the_drop_is_parted_on_one_axis_of_points(counted):
    rest, sampling = decomposition_charts(counted)

    assert (rest.title, sampling.title) == ("Distribution shift or adaptivity", "Sampling error")
    ranges = [chart.views[chart.names[0]]["layout"]["yaxis"]["range"] for chart in (rest, sampling)]
    assert ranges[0] == ranges[1]
    assert traces(rest, "distribution", "markers")[0]["y"] == [30, 10, 20]
    assert traces(sampling, "sampling", "markers")[0]["y"] == [0, 0, 0]


def test_nothing_in_data_ends_its_element():
    assert str(script_json({"</script>": "<!-- & \u2028"})) == (
        '{"\\u003c/script\\u003e":"\\u003c!-- \\u0026 \\u2028"}'
    )


def with_real_colours(node: Any) -> Any:
    """A view, with a colour in place of each name of the page's colours."""
    if isinstance(node, dict):
        return {key: with_real_colours(value) for key, value in node.items()}
    if isinstance(node, list):
        return [with_real_colours(value) for value in node]
    return "#0072b2" if isinstance(node, str) and node.startswith("--") else node


@pytest.mark.parametrize("metric", ["counted", "predicted_by"])
def test_every_view_is_valid_for_plotly(metric, request):
    summary = request.getfixturevalue(metric)
    families = grouped(summary, colours([summary]))
    charts = [
        scatter_chart(summary, "probit", families),
        bump_chart(summary),
        *decomposition_charts(summary),
        robustness_chart(summary),
        year_chart(summary),
        class_chart(summary),
        agreement_chart(summary),
    ]
    views = [view for chart in charts if chart for view in chart.views.values()]

    assert len(views) > 5
    for view in views:
        go.Figure(with_real_colours(view))
    with pytest.raises(ValueError, match="colour"):
        go.Figure(with_real_colours({"data": [{"type": "scatter", "colour": "red"}]}))
