"""Lines of groups of models and the test of their slopes, in figures, table and page."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from evalshift.analysis.figures import scatter
from evalshift.analysis.figures.style import GROUPS, STYLE
from evalshift.analysis.page.families import colours, grouped
from evalshift.analysis.page.scatter import scatter_chart
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.plot_data.scatter import GROUP_COLOURS, scatter_plot
from evalshift.analysis.statistics.equal_slopes import EqualSlopes
from evalshift.analysis.summary import summarize_outcomes
from evalshift.errors import UsageError

# Seven models of slope 1 and seven of slope ½, with a scatter of a point up and down; and one that says nothing.
_X = [*range(400, 820, 60), *range(400, 820, 60), 600]
_UP = [5, -5, 5, -5, 5, -5, 5]
_Y = [x - 100 + up for x, up in zip(_X, _UP, strict=False)] + [x // 2 + up for x, up in zip(_X, _UP, strict=False)]


@pytest.fixture(scope="module")
def metric(make_outcomes):
    data = ["imagenet-1k"] * 7 + ["wit"] * 7 + [None]
    facts = {name: {"training_data": one} if one else {} for name, one in zip("abcdefghijklmno", data, strict=True)}
    outcomes = make_outcomes(_X, [*_Y, 300], total=1000, attributes=facts)
    summary = summarize_outcomes({"top1": outcomes}, resamples=0, scale="linear", color_by="training_data")
    return summary.metrics["top1"]


def test_slopes_of_two_kinds_of_data_differ(metric) -> None:
    slopes = metric.statistics.group_slopes.slopes
    assert isinstance(slopes, EqualSlopes)
    assert (slopes.groups, slopes.models, slopes.df, slopes.residual_df) == (2, 14, 1, 10)
    assert slopes.p_value < 1e-6


def test_the_table_has_a_row_per_group_and_one_for_models_that_say_nothing(metric) -> None:
    table = metric.tables["model_groups"]
    assert table.frame["group"].tolist() == ["ImageNet-1k", "WIT (OpenAI CLIP)", "not known"]
    assert table.frame["models"].tolist() == [7, 7, 1]
    assert table.frame["slope"].tolist() == [pytest.approx(1), pytest.approx(0.5), pytest.approx(np.nan, nan_ok=True)]
    # At 58 %, the mean of both groups, the lines are at 48.07 and 29.07 %: the scatter has a mean of 5/7 thousandths.
    assert table.frame["above"].iloc[1] == pytest.approx(-0.19, abs=1e-9)
    assert "The slopes of 2 groups differ significantly (F(1, 10) = " in table.note


def test_each_group_has_its_colour_and_line_in_the_figure(metric) -> None:
    with mpl.rc_context(STYLE):
        ax: Any = scatter(metric, Figure().add_subplot(), scale="linear")
    found = {artist.get_gid(): artist for artist in ax.get_children() if artist.get_gid()}
    assert len(found["group-0"].get_offsets()) == len(found["group-1"].get_offsets()) == 7
    assert to_hex(found["group-1"].get_facecolor()[0]).upper() == GROUPS[1]
    x, y = found["group-1-fit"].get_data()
    assert np.polyfit(x, y, 1)[0] == pytest.approx(0.5)
    assert (min(x), max(x)) == (pytest.approx(40 - 0.03 * 36), pytest.approx(76 + 0.03 * 36))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:3] == [
        "ImageNet-1k, 7 models, slope 1.00",
        "WIT (OpenAI CLIP), 7 models, slope 0.50",
        "Not known, 1 model",
    ]


def test_a_long_entry_of_the_legend_has_two_lines(make_outcomes) -> None:
    facts = {name: {"training_data": "cifar10-and-generated"} for name in "abcdefg"}
    outcomes = make_outcomes(_X[:7], _Y[:7], total=1000, attributes=facts)
    found = summarize_outcomes({"top1": outcomes}, resamples=0, scale="linear", color_by="training_data")
    with mpl.rc_context(STYLE):
        ax = scatter(found.metrics["top1"], Figure().add_subplot(), scale="linear")
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "CIFAR-10 and generated images,\n7 models, slope 1.00"


def test_the_page_has_the_same_groups_lines_and_test(metric) -> None:
    known = colours([metric])
    families = grouped(metric, known)
    assert [(one.name, len(one.rows)) for one in families] == [
        ("ImageNet-1k", 7),
        ("WIT (OpenAI CLIP)", 7),
        ("Others", 1),
    ]
    chart = scatter_chart(metric, "linear", families)
    lines = [trace for trace in chart.views["linear"]["data"] if trace.get("mode") == "lines"]
    drawn = [trace for trace in lines if trace["line"]["color"] == families[1].colour and len(trace["x"]) == 60]
    assert len(drawn) == 1
    assert "Lines in colour: each group by training data. The slopes of 2 groups differ" in chart.caption


def test_a_group_of_few_models_has_no_line_and_one_line_is_not_compared(make_outcomes) -> None:
    facts = {name: {"year": 2012 if name in "abcdefg" else 2014} for name in "abcdefghi"}
    outcomes = make_outcomes(_X[:9], _Y[:9], total=1000, attributes=facts)
    found = summarize_outcomes({"top1": outcomes}, resamples=0, color_by="year").metrics["top1"]
    slopes = found.statistics.group_slopes
    assert slopes is not None
    assert isinstance(slopes.slopes, Missing)
    assert np.isnan(found.tables["model_groups"].frame["slope"].tolist()[1])
    assert "Slopes are not compared: slopes are compared between groups" in found.tables["model_groups"].note
    assert [group.line is None for group in scatter_plot(found, "linear").groups] == [False, True]


def test_the_smaller_of_many_groups_share_a_colour(make_outcomes) -> None:
    facts = {name: {"family": name} for name in "abcdefghij"}
    outcomes = make_outcomes(_X[:10], _Y[:10], total=1000, attributes=facts)
    found = summarize_outcomes({"top1": outcomes}, resamples=0, color_by="family").metrics["top1"]
    groups = scatter_plot(found, "linear").groups
    assert [group.number for group in groups] == [*range(GROUP_COLOURS), None]
    assert (groups[-1].title, len(groups[-1].rows)) == ("Others", 3)


def test_without_a_choice_nothing_is_grouped(make_outcomes) -> None:
    found = summarize_outcomes({"top1": make_outcomes([9, 8], [7, 5])}, resamples=0).metrics["top1"]
    assert found.statistics.group_slopes is None
    assert "model_groups" not in {**found.tables, **found.missing}
    assert scatter_plot(found, "linear").groups == ()


def test_an_unknown_group_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="unknown group to color models by") as error:
        summarize_outcomes({}, color_by="training-data")
    assert "training_data" in str(error.value)
