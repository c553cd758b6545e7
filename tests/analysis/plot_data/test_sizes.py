"""Figures for a column, a page and a slide: inches and pixels, letters and marks, and all texts inside."""

import io
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from messages import says
from PIL import Image

from evalshift.analysis import figures
from evalshift.analysis.figures import COLUMN, PAGE, SIZES, SLIDE, Size, render
from evalshift.analysis.report import report
from evalshift.analysis.summary import PairSummary, summarize_outcomes
from evalshift.errors import UsageError
from evalshift.testbed.pixels import PixelStatistics

Draw = Callable[..., Figure | None]
DRAWN: dict[str, tuple[Draw, Size]] = {  # and the size that they have without one
    "scatter": (figures.scatter_figure, COLUMN),
    "decomposition": (figures.decomposition_figure, PAGE),
    "robustness": (figures.robustness_figure, COLUMN),
    "ranks": (figures.ranks_figure, PAGE),
}


@pytest.fixture(scope="module")
def pair(published) -> PairSummary:
    return summarize_outcomes(published("imagenet", "imagenetv2-matched-frequency"), resamples=100)


@cache
def once(draw: Draw, pair_id: int, size: Size | None) -> list[Figure]:
    """Where `drawn` keeps a figure: the tests only look at it."""
    return []


def drawn(draw: Draw, pair: PairSummary, size: Size | None) -> Figure:
    kept = once(draw, id(pair), size)
    if not kept:
        figure = draw(pair, "top1", size=size)
        assert figure is not None
        figure.draw_without_rendering()
        kept.append(figure)
    return kept[0]


def png(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def texts(figure: Figure) -> list[Text]:
    """What is written in and around the axes; ticks beyond the limits have labels that are never drawn."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in [*figure.axes, *(child for one in figure.axes for child in one.child_axes)]:
        legend = ax.get_legend()
        found += legend.get_texts() if legend is not None else []
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            found += [axis.label, *(label for tick in ticks for label in (tick.label1, tick.label2))]
    return [text for text in found if text.get_visible() and text.get_text()]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", DRAWN)
def test_a_png_has_the_pixels_of_its_size(pair, name, size):
    image = png(render(drawn(DRAWN[name][0], pair, size), "png"))

    assert image.width == round(200 * size.width)
    if size.height is not None:
        assert image.height == round(200 * size.height)
    assert image.height <= 200 * size.tallest + 1


@pytest.mark.parametrize("name", DRAWN)
def test_without_a_size_each_figure_has_its_own(pair, name):
    draw, own = DRAWN[name]
    if name == "ranks":  # of counts alone there are no sets of ranks, for which it would take a page
        own = COLUMN

    figure = drawn(draw, pair, None)

    assert figure.get_figwidth() == own.width


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", DRAWN)
def test_texts_lie_inside_the_figure(pair, name, size):
    figure = drawn(DRAWN[name][0], pair, size)

    shown = texts(figure)
    assert len(shown) > 5
    for text in shown:
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text


@pytest.mark.parametrize("name", DRAWN)
def test_letters_marks_and_lines_grow_together(pair, name):
    column, slide = (drawn(DRAWN[name][0], pair, size) for size in (COLUMN, SLIDE))

    for figure, scale in ((column, 1), (slide, 2)):
        ax = figure.axes[0]
        assert ax.spines["bottom"].get_linewidth() == pytest.approx(0.6 * scale)
        if name != "ranks":
            assert ax.xaxis.label.get_fontsize() == pytest.approx(7 * scale)
    sizes = [
        sorted({float(one.get_sizes()[0]) for one in figure.axes[0].collections if isinstance(one, PathCollection)})
        for figure in (column, slide)
    ]
    assert sizes[0]
    assert sizes[1] == pytest.approx(4 * np.array(sizes[0]))  # twice as wide


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_the_scatter_keeps_one_unit_on_both_axes_and_its_legend_off_the_models(pair, size, scale):
    figure = figures.scatter_figure(pair, "top1", scale, size=size)

    (ax,) = figure.axes
    extent, legend = ax.get_window_extent(), ax.get_legend()
    assert legend is not None
    if size is not SLIDE:  # whose axes fill it, each with a range of its own
        assert extent.width == pytest.approx(extent.height)
        assert ax.get_xlim() == ax.get_ylim()
    (models,) = [one for one in ax.collections if one.get_gid() == "models"]
    places = ax.transData.transform(np.asarray(models.get_offsets()))
    assert not legend.get_window_extent().count_contains(places)


def test_a_slide_has_fewer_rows_and_says_so(pair):
    column, slide = (drawn(figures.robustness_figure, pair, size) for size in (COLUMN, SLIDE))
    assert [len(figure.axes[0].get_yticklabels()) for figure in (column, slide)] == [67, 20]
    assert "47 in between not shown" in slide.axes[0].get_xlabel().replace("\n", " ")

    for draw in (figures.ranks_figure, figures.decomposition_figure):
        slide = drawn(draw, pair, SLIDE)
        assert len(slide.axes[0].get_yticklabels()) == 20
        assert slide.get_supxlabel().replace("\n", " ").endswith("the best 20 of 67 models")


@pytest.mark.parametrize("name", ["decomposition", "robustness", "ranks"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_names_of_rows_do_not_run_into_each_other(pair, name, size):
    figure = drawn(DRAWN[name][0], pair, size)

    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    gaps = [upper.y0 - lower.y1 for upper, lower in pairwise(boxes)]
    assert min(gaps) >= -1  # letters without a tail may touch


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_intensities_are_drawn_in_each_size(size):
    figure = figures.intensities_figure([PixelStatistics("flat", 1, np.ones((1, 256), np.int64))], size)

    assert figure.get_figwidth() == size.width
    assert figure.axes[0].xaxis.label.get_fontsize() == pytest.approx(size.letters)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_panels_of_several_pairs_share_a_size_and_lie_inside(pair, size, count):
    figure = figures.multiples_figure([pair] * count, size=size)
    figure.draw_without_rendering()

    assert figure.get_figwidth() == (size.width / 2 if count == 1 and size is PAGE else size.width)
    panels = [ax for ax in figure.axes if ax.get_visible() and ax.axison]  # not that of the legend
    assert len(panels) == count
    extents = [ax.get_window_extent() for ax in panels]
    assert {round(extent.width) for extent in extents} == {round(extent.height) for extent in extents}
    assert min(extent.width for extent in extents) > 0.3 * figure.bbox.width / min(count, 3)
    shown = [*texts(figure), *(ax.title for ax in panels)]
    for text in shown:
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text


def test_report_draws_a_figure_in_a_size_by_name(letters):
    found = report(letters.results, resamples=0)

    assert found.draw("ranks", size="slide").get_size_inches().tolist() == [10, 5.625]
    with pytest.raises(UsageError, match="unknown figure size"):
        found.draw("scatter", size="slid")


@pytest.mark.parametrize("name,width", [(None, 680), ("slide", 2000)])
def test_a_report_is_saved_in_the_size_that_is_asked_for(letters, tmp_path, name, width):
    report(letters.results, resamples=0).save(tmp_path, "png", name)

    widths = {
        path.stem.removeprefix("old_vs_new_top1_"): png(path.read_bytes()).width for path in tmp_path.rglob("*.png")
    }
    of_panels = {"decomposition", "ranks", "agreement", "scales", "reliability", "risk_coverage"}
    assert set(widths) > {"linear", "probit", "classes", *of_panels}
    assert widths == {view: 1400 if name is None and view in of_panels else width for view in widths}


def test_a_misspelt_size_stops_before_anything_is_written(letters, tmp_path):
    with pytest.raises(UsageError) as caught:
        report(letters.results, resamples=0).save(tmp_path / "out", "png", "pages")

    says(caught.value, found='"pages"')
    assert not (tmp_path / "out").exists()
