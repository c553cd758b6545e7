"""The scatter by its marks: where points, bars, line and region stand, what the axes say; never by pixels."""

import io
import re
import subprocess
import sys
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from messages import says
from scipy.stats import norm

from evalshift.analysis.figures import FORMATS, STYLE, literal, render, save, scatter, scatter_figure
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize_outcomes
from evalshift.analysis.summary.against import hold_against
from evalshift.errors import StoreError, UsageError


def summary_of(outcomes, resamples: int = 200) -> MetricSummary:
    return summarize_outcomes({"top1": outcomes}, resamples=resamples).metrics["top1"]


def drawn(summary: MetricSummary, scale: str = "linear") -> Axes:
    with mpl.rc_context(STYLE):
        return scatter(summary, Figure().add_subplot(), scale=scale)


def part(ax: Axes, name: str) -> Any:
    """The one artist with this group id."""
    (found,) = [artist for artist in ax.get_children() if artist.get_gid() == name]
    return found


def points(ax: Axes) -> np.ndarray:
    return np.asarray(part(ax, "models").get_offsets())


def tick_labels(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def legend_box(figure: Figure) -> Bbox:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return legend.get_window_extent()


def covered(figure: Figure) -> bool:
    """Whether the legend lies on a point or an error bar."""
    (ax,) = figure.axes
    bars = [*part(ax, "original-intervals").get_segments(), *part(ax, "new-intervals").get_segments()]
    places = [ax.transData.transform(bar) for bar in bars] + [
        ax.transData.transform([point] * 2) for point in points(ax)
    ]
    box = legend_box(figure)
    return any(box.overlaps(Bbox([place.min(axis=0), place.max(axis=0)])) for place in places)


@pytest.fixture
def five(make_outcomes):
    return make_outcomes([95, 90, 80, 60, 70], [90, 80, 66, 40, 49], total=100)


@pytest.fixture
def pair(five) -> PairSummary:
    return summarize_outcomes({"top1": five}, resamples=200)


def test_points_stand_at_the_accuracies(five):
    # Best on the original set first, as in the table.
    assert points(drawn(summary_of(five))).tolist() == [[95, 90], [90, 80], [80, 66], [70, 49], [60, 40]]


def test_on_the_probit_scale_points_stand_at_the_quantiles(five):
    ax = drawn(summary_of(five), "probit")

    # Half-way between two quantiles, not between two accuracies: the axes are curved, positions are percentages.
    assert points(ax).tolist() == [[95, 90], [90, 80], [80, 66], [70, 49], [60, 40]]
    where = ax.transData.transform([[60, 60], [80, 80], [95, 95]])[:, 0]
    quantiles = norm.ppf([0.6, 0.8, 0.95])
    assert np.diff(where)[1] / np.diff(where)[0] == pytest.approx(np.diff(quantiles)[1] / np.diff(quantiles)[0])


def test_error_bars_span_the_intervals_of_the_table(five):
    summary = summary_of(five)
    ax = drawn(summary)

    across = np.array(part(ax, "original-intervals").get_segments())
    up = np.array(part(ax, "new-intervals").get_segments())
    table = summary.table
    assert across[:, 0, 0] == pytest.approx(100 * table["original_low"])
    assert across[:, 1, 0] == pytest.approx(100 * table["original_high"])
    assert across[:, 0, 1] == pytest.approx(100 * table["new_accuracy"])
    assert up[:, 0, 1] == pytest.approx(100 * table["new_low"])
    assert up[:, 1, 1] == pytest.approx(100 * table["new_high"])
    assert up[:, 0, 0] == pytest.approx(100 * table["original_accuracy"])


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_both_axes_share_limits_ticks_and_unit_and_hold_every_mark(five, scale):
    ax = drawn(summary_of(five), scale)

    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1
    assert ax.get_xticks().tolist() == ax.get_yticks().tolist()
    low, high = ax.get_xlim()
    assert ((points(ax) > low) & (points(ax) < high)).all()


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_the_line_and_its_region_are_those_of_the_fit(five, scale):
    summary = summary_of(five)
    ax = drawn(summary, scale)
    there = {"linear": lambda value: value, "probit": norm.ppf, "logit": lambda value: np.log(value / (1 - value))}[
        scale
    ]
    line = summary.lines[scale]
    assert line is not None

    x, y = part(ax, "fit").get_data()
    assert there(y / 100) == pytest.approx(line.offset + line.slope * there(x / 100))
    assert x.min() < points(ax)[:, 0].min() < points(ax)[:, 0].max() < x.max()
    corners = part(ax, "region").get_paths()[0].vertices
    middle = len(x) // 2
    bounds = sorted(corners[np.isclose(corners[:, 0], x[middle]), 1])
    region = line.region(x[middle : middle + 1] / 100)
    assert [bounds[0], bounds[-1]] == pytest.approx([100 * region.low[0], 100 * region.high[0]])


def test_the_diagonal_is_dashed_and_crosses_the_axes(five):
    ax = drawn(summary_of(five))

    (diagonal,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    low, high = ax.get_xlim()
    assert np.asarray(diagonal.get_xydata()).tolist() == [[low, low], [high, high]]


def test_axes_name_metric_unit_and_dataset(five):
    ax = drawn(summary_of(five))
    assert ax.get_xlabel() == "Original accuracy (top-1, %)\nold"
    assert ax.get_ylabel() == "New accuracy (top-1, %)\nnew"

    ax = drawn(summary_of(five), "probit")
    assert ax.get_xlabel() == "Original accuracy (top-1, %, probit scale)\nold"


def test_the_legend_gives_models_slope_and_resamples(five):
    legend = drawn(summary_of(five)).get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]

    assert texts[:2] == ["5 models, 95 % CI", "y = x (no drop)"]
    assert re.fullmatch(r"Linear fit, slope 1\.\d\d", texts[2])
    assert re.fullmatch(r"95 % bootstrap \(200\) \[1\.\d\d, 1\.\d\d\]", texts[3])


def test_ticks_are_round_percentages_at_their_places(five, make_outcomes):
    assert tick_labels(drawn(summary_of(five))) == ["30", "40", "50", "60", "70", "80", "90", "100"]

    ax = drawn(summary_of(five), "probit")
    labels = np.array([float(text) for text in tick_labels(ax)])
    assert labels.tolist() == [30, 40, 50, 60, 70, 80, 90, 95]
    assert ax.get_xticks() == pytest.approx(labels)


def test_a_narrow_range_on_a_curved_axis_still_has_ticks(make_outcomes):
    near = make_outcomes([91_300, 91_900, 92_400], [91_200, 91_500, 92_300], total=100_000)

    labels = tick_labels(drawn(summary_of(near), "probit"))

    assert 4 <= len(labels) <= 12
    assert "92" in labels
    assert all(len(label) <= 5 for label in labels)


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_all_and_none_correct_stay_finite(make_outcomes, scale):
    ax = drawn(summary_of(make_outcomes([10, 5, 0], [10, 4, 0])), scale)

    low, high = ax.get_xlim()
    assert np.isfinite([low, high]).all()
    assert np.isfinite(points(ax)).all()
    segments = np.array(part(ax, "original-intervals").get_segments())
    assert ((segments >= low - 1e-9) & (segments <= high + 1e-9)).all()
    assert all(0 <= float(label) <= 100 for label in tick_labels(ax))


def test_one_model_needs_no_line(make_outcomes):
    ax = drawn(summary_of(make_outcomes([8], [7])))

    assert points(ax).tolist() == [[80, 70]]
    assert [artist for artist in ax.get_children() if artist.get_gid() in ("fit", "region")] == []


def test_without_resamples_there_is_a_line_and_no_region(five):
    ax = drawn(summary_of(five, resamples=0))

    legend = ax.get_legend()
    assert legend is not None
    assert [artist.get_gid() for artist in ax.get_children() if artist.get_gid() in ("fit", "region")] == ["fit"]
    assert [text.get_text() for text in legend.get_texts()][-1] == "Linear fit, slope 1.45"


def test_a_line_through_few_models_has_no_region_and_the_legend_counts_them(make_outcomes):
    # A resample of three holds at most two models a third of the time: lines through them say nothing.
    ax = drawn(summary_of(make_outcomes([95, 90, 80], [90, 80, 66], total=100)))

    legend = ax.get_legend()
    assert legend is not None
    assert [artist.get_gid() for artist in ax.get_children() if artist.get_gid() in ("fit", "region")] == ["fit"]
    assert [text.get_text() for text in legend.get_texts()] == [
        "3 models, 95 % CI",
        "y = x (no drop)",
        "Linear fit through 3 models, slope 1.57",
    ]


def test_each_of_few_models_is_named(make_outcomes):
    names = ("a rather long name of a model", "another one", "the third")
    outcomes = make_outcomes([995, 990, 930], [990, 975, 880], total=1000, models=names)
    (ax,) = scatter_figure(summarize_outcomes({"top1": outcomes}, resamples=200)).axes

    written = {text.get_text() for text in ax.texts}
    assert written == {"a rather long name of a…", "another one", "the third"}


def test_a_legend_above_the_axes_does_not_narrow_them(make_outcomes):
    # Models in both corners beside the diagonal: neither has room for the legend.
    pair = summarize_outcomes(
        {"top1": make_outcomes([20, 30, 80, 90, 50], [80, 90, 20, 30, 50], total=100)}, resamples=200
    )
    figure = scatter_figure(pair)
    figure.draw_without_rendering()
    (ax,) = figure.axes

    assert legend_box(figure).y0 >= ax.get_window_extent().y1
    assert ax.get_window_extent().width > 0.75 * figure.bbox.width
    assert figure.get_size_inches()[0] == pytest.approx(3.4)


@pytest.mark.parametrize(
    "original,new",
    [
        ([95, 90, 80, 60, 70], [90, 80, 66, 40, 49]),  # all fall
        ([90, 80, 66, 40, 49], [95, 90, 80, 60, 70]),  # all rise
        ([20, 30, 80, 90, 50], [80, 90, 20, 30, 50]),  # both corners are taken
        ([100, 98, 95], [100, 96, 90]),  # long bars reach into the corner that the points leave free
    ],
)
@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_the_legend_covers_no_model(make_outcomes, original, new, scale):
    pair = summarize_outcomes({"top1": make_outcomes(original, new, total=100)}, resamples=200)
    figure = scatter_figure(pair, "top1", scale)
    figure.draw_without_rendering()

    box = legend_box(figure)
    assert not covered(figure)
    assert figure.bbox.contains(box.x0, box.y0)
    assert figure.bbox.contains(box.x1, box.y1)


def test_on_the_published_counts_the_legend_covers_no_model(published):
    for new in ("matched-frequency", "threshold0.7", "topimages"):
        pair = summarize_outcomes(published("imagenet", f"imagenetv2-{new}"), resamples=0)
        for metric in pair.metrics:
            for scale in ("linear", "probit"):
                figure = scatter_figure(pair, metric, scale)
                figure.draw_without_rendering()
                assert not covered(figure)


class TestFamiliesLeftOut:
    """Five models of a line, one of another family among them, one far below."""

    @pytest.fixture
    def summary(self, make_outcomes) -> MetricSummary:
        outcomes = make_outcomes(
            [95, 90, 80, 60, 70, 85, 20],
            [90, 80, 66, 40, 49, 60, 9],
            total=100,
            attributes={"f": {"family": "near"}, "g": {"family": "far"}},
        )
        return summarize_outcomes({"top1": outcomes}, without=["near", "far"], resamples=200).metrics["top1"]

    def texts(self, ax: Axes) -> list[str]:
        legend = ax.get_legend()
        assert legend is not None
        return [text.get_text() for text in legend.get_texts()]

    def test_axes_keep_to_the_models_of_the_line(self, summary, five):
        ax, alone = drawn(summary), drawn(summary_of(five))
        assert ax.get_xlim() == alone.get_xlim()
        assert points(ax).tolist() == points(alone).tolist()
        assert part(ax, "fit").get_xydata().tolist() == part(alone, "fit").get_xydata().tolist()
        assert self.texts(ax)[:3] == [
            "5 models, 95 % CI",
            "near, 1 model, not in the fit",
            "y = x (no drop)",
        ]
        assert ax.get_xlabel().endswith("\nNot shown: far, 1 model")

    def test_a_model_apart_has_another_colour_and_the_number_of_its_row(self, summary):
        ax = drawn(summary)
        row = summary.table["model"].tolist().index("f")
        assert np.asarray(part(ax, f"model-{row}").get_offsets()).tolist() == [[85, 60]]
        assert to_hex(part(ax, f"model-{row}").get_facecolor()[0]) != to_hex(part(ax, "models").get_facecolor()[0])
        assert not [artist for artist in ax.get_children() if artist.get_gid() == "model-6"]

    def test_everything_is_drawn_with_the_line_of_all(self, summary):
        with mpl.rc_context(STYLE):
            ax = scatter(summary, Figure().add_subplot(), everything=True)
        low, high = ax.get_xlim()
        assert low < 9 < 95 < high
        assert np.asarray(part(ax, "model-6").get_offsets()).tolist() == [[20, 9]]
        slope, offset = np.polyfit([95, 90, 80, 60, 70, 85, 20], [90, 80, 66, 40, 49, 60, 9], 1)
        x, y = part(ax, "fit").get_xydata().T
        np.testing.assert_allclose(y, slope * x + offset)
        assert self.texts(ax)[:3] == ["5 models, 95 % CI", "near, 1 model", "far, 1 model"]

    def test_with_all_left_out_the_models_are_still_drawn(self, make_outcomes):
        outcomes = make_outcomes([9, 8], [8, 6], attributes={name: {"family": "all"} for name in "ab"})
        summary = summarize_outcomes({"top1": outcomes}, without="all", resamples=0).metrics["top1"]
        ax = drawn(summary)
        assert not [artist for artist in ax.get_children() if artist.get_gid() in ("models", "fit")]
        assert self.texts(ax) == ["all, 2 models, not in the fit", "y = x (no drop)"]


class TestAgainstAPublishedTestbed:
    @pytest.fixture
    def pair(self, make_outcomes) -> PairSummary:
        sets = {"original": "cifar10", "new": "cifar10.1-v4", "original_total": 10_000, "new_total": 2021}
        counts = [9000, 9200, 9300, 9400, 9500], [1700, 1750, 1760, 1800, 1810]
        own = summarize_outcomes({"top1": make_outcomes(*counts, **sets)}, resamples=0)
        return hold_against(Summary((own,), "linear", "top1", 0.95, 200, 0, "now", "1"), "recht2019").pairs[0]

    @pytest.mark.parametrize("scale", ["linear", "probit"])
    def test_its_models_and_line_stand_behind(self, pair, published, scale):
        ax = drawn(pair.metrics["top1"], scale)
        counts = published("cifar10", "cifar10.1-v4")["top1"]
        accuracies = np.stack([counts.original_correct / 10_000, counts.new_correct / 2021], axis=1)
        np.testing.assert_allclose(np.asarray(part(ax, "testbed").get_offsets()), 100 * accuracies)
        on_scale, drawn_line = accuracies, part(ax, "testbed-fit").get_xydata() / 100
        if scale == "probit":
            on_scale, drawn_line = norm.ppf(accuracies), norm.ppf(drawn_line)
        slope, offset = np.polyfit(on_scale[:, 0], on_scale[:, 1], 1)
        np.testing.assert_allclose(drawn_line[:, 1], slope * drawn_line[:, 0] + offset)
        for behind, before in (("testbed", "models"), ("testbed-fit", "fit"), ("testbed-region", "fit")):
            assert part(ax, behind).get_zorder() < part(ax, before).get_zorder()
        assert to_hex(part(ax, "testbed-fit").get_color()) == "#777777"

    def test_axes_and_legend_make_room_for_it(self, pair, published):
        figure = scatter_figure(pair)
        (ax,) = figure.axes
        counts = published("cifar10", "cifar10.1-v4")["top1"]
        assert ax.get_xlim()[0] < counts.new_correct.min() / 20.21
        assert ax.get_xlim()[1] > counts.original_correct.max() / 100
        legend = ax.get_legend()
        assert legend is not None
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts[-2] == "Recht et al. 2019, 34 models"
        assert texts[-1] == "Recht et al. 2019, slope 1.69"
        assert not covered(figure)
        places = ax.transData.transform(np.asarray(part(ax, "testbed").get_offsets()))
        assert not legend_box(figure).count_contains(places)

    @pytest.mark.parametrize("models, has_line", [(1, False), (4, False), (5, True)])
    def test_few_models_beside_it_have_no_line_of_their_own(self, make_outcomes, models, has_line):
        sets = {"original": "cifar10", "new": "cifar10.1-v4", "original_total": 10_000, "new_total": 2021}
        new = np.array([1700, 1750, 1760, 1800, 1810])[:models]
        own = summarize_outcomes({"top1": make_outcomes(9000 + 100 * np.arange(models), new, **sets)}, resamples=0)
        pair = hold_against(Summary((own,), "linear", "top1", 0.95, 200, 0, "now", "1"), "recht2019").pairs[0]
        for scale in ("linear", "probit"):
            ax = drawn(pair.metrics["top1"], scale)
            assert len(points(ax)) == models
            assert [line.get_gid() for line in ax.lines if line.get_gid() in ("fit", "testbed-fit")] == (
                ["fit", "testbed-fit"] if has_line else ["testbed-fit"]
            )


@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_on_a_slide_the_axes_fill_it_each_with_its_own_range(published, scale):
    pair = summarize_outcomes(published("imagenet", "imagenetv2-matched-frequency", without="fv_"), resamples=50)
    figure = scatter_figure(pair, scale=scale, size=SIZES["slide"])
    figure.draw_without_rendering()

    (ax,) = figure.axes
    box = ax.get_window_extent()
    assert box.width > 0.8 * figure.bbox.width
    assert box.height > 0.7 * figure.bbox.height
    marked = ax.transData.transform(points(ax))
    assert np.ptp(marked[:, 0]) > 0.8 * box.width
    assert np.ptp(marked[:, 1]) > 0.8 * box.height
    assert not covered(figure)


def test_names_appear_as_they_are_written(make_outcomes):
    names = {"original": r"a_$x^2$ & <b>", "new": r"back\slash $5"}
    pair = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 6, 5], **names)}, resamples=50)

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):  # writes text as text, mathematics as pieces of it
        scatter_figure(pair).savefig(buffer, format="svg")

    for name in names.values():
        assert f">{escape(name)}</text>" in buffer.getvalue()


def test_literal_text_is_left_alone_without_dollars():
    assert literal("resnet_v2 & <co>") == "resnet_v2 & <co>"


def test_a_figure_fits_a_column_and_no_label_is_cut(pair):
    figure = scatter_figure(pair)
    figure.draw_without_rendering()

    assert figure.get_figwidth() == pytest.approx(3.4)
    (ax,) = figure.axes
    box = ax.get_tightbbox()
    assert box is not None
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1
    extent = ax.get_window_extent()
    assert extent.width == pytest.approx(extent.height)


def test_files_are_the_same_bytes_each_time_and_hold_no_date(pair):
    for format in FORMATS:
        first, second = (render(scatter_figure(pair, "top1", "probit"), format) for _ in range(2))
        assert first == second
        assert b"CreationDate" not in first
        assert b"dc:date" not in first


def test_pdf_fonts_are_truetype_and_png_is_200_dpi(pair):
    assert b"/Type3" not in render(scatter_figure(pair), "pdf")
    png = render(scatter_figure(pair), "png")
    # The width of a PNG is a big-endian number at byte 16.
    assert int.from_bytes(png[16:20], "big") == 680


def test_save_writes_each_format_beside_the_others(pair, tmp_path):
    paths = save(scatter_figure(pair), tmp_path / "new" / "cifar10.1_v4", ("png", "svg"))

    assert [path.name for path in paths] == ["cifar10.1_v4.png", "cifar10.1_v4.svg"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["cifar10.1_v4.png", "cifar10.1_v4.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")


def test_save_writes_one_file_where_its_name_says_the_format(pair, tmp_path):
    assert save(scatter_figure(pair), tmp_path / "one.pdf") == [tmp_path / "one.pdf"]
    assert save(scatter_figure(pair), tmp_path / "cifar10.1") == [
        tmp_path / f"cifar10.1.{suffix}" for suffix in ("png", "pdf", "svg")
    ]


def test_save_refuses_an_unknown_format_before_it_writes(pair, tmp_path):
    with pytest.raises(UsageError) as caught:
        save(scatter_figure(pair), tmp_path / "figure", ("png", "svgz"))

    says(caught.value, found='"svgz"')
    assert list(tmp_path.iterdir()) == []


def test_save_says_where_it_cannot_write(pair, tmp_path):
    (tmp_path / "figures").write_text("a file stands here")

    with pytest.raises(StoreError, match="a file could not be written"):
        save(scatter_figure(pair), tmp_path / "figures" / "one", ("svg",))


def test_drawing_leaves_the_style_of_others_alone(pair):
    before = dict(mpl.rcParams)

    render(scatter_figure(pair), "svg")

    assert dict(mpl.rcParams) == before


def test_models_and_line_differ_for_every_kind_of_colour_vision(five):
    ax = drawn(summary_of(five))

    # Okabe and Ito's blue and vermillion.
    assert to_hex(part(ax, "models").get_facecolor()[0]) == "#0072b2"
    assert to_hex(part(ax, "fit").get_color()) == "#d55e00"


def test_figures_load_neither_pyplot_nor_torch():
    code = "import sys, evalshift.analysis.figures; print({'matplotlib.pyplot', 'torch'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
