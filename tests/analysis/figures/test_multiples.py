"""Small multiples of the scatter by their marks: panels, limits, titles, the legend that they share."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from evalshift.analysis.figures import grid_figure, multiples_figure, scales_figure
from evalshift.analysis.plot_data.scatter import position
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import PairSummary, summarize_outcomes
from evalshift.analysis.summary.published import summarize_published


@pytest.fixture(scope="module")
def imagenet() -> tuple[PairSummary, ...]:
    pairs = [f"imagenet:imagenetv2-{rule}" for rule in ("matched-frequency", "threshold0.7", "topimages")]
    return summarize_published("recht2019", pairs, resamples=50).pairs


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in legend_of(figure).get_texts()]


def legend_of(figure: Figure) -> Legend:
    """The legend that all panels share: above them, or in a place without a panel."""
    (found,) = [*figure.legends, *(one for ax in figure.axes if (one := ax.get_legend()) is not None)]
    return found


@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_each_pair_has_a_panel_with_a_range_of_its_own_in_equal_units(imagenet, scale):
    figure = multiples_figure(imagenet, scale=scale)

    assert len(figure.axes) == 3
    assert len({ax.get_ylim() for ax in figure.axes}) == 3
    assert all(ax.get_aspect() == 1 for ax in figure.axes)
    lengths = [np.ptp(position(np.array(span), scale)) for ax in figure.axes for span in (ax.get_xlim(), ax.get_ylim())]
    np.testing.assert_allclose(lengths, lengths[0])
    sides = np.array([ax.get_window_extent().size for ax in figure.axes])
    np.testing.assert_allclose(sides, sides[0, 0], rtol=1e-6)
    for ax, pair in zip(figure.axes, imagenet, strict=True):
        (points,) = (one for one in ax.collections if one.get_gid() == "models")
        where = np.asarray(points.get_offsets())
        # 64 models without the three Fisher vectors, whom the axes need not reach.
        assert len(where) == 64
        for values, (low, high) in zip(where.T, (ax.get_xlim(), ax.get_ylim()), strict=True):
            assert ((values > low) & (values < high)).all()
        title = " ".join(ax.get_title().split())
        assert title.startswith(f"{pair.title} slope ")
        assert pair.title.startswith("ImageNet → ImageNetV2 ")
        assert f"slope {pair.metrics['top1'].lines[scale].slope:.2f}, bootstrap [" in title.replace(
            "\nbootstrap", ", bootstrap"
        )


def test_one_legend_names_what_all_panels_have(imagenet):
    figure = multiples_figure(imagenet)

    assert [ax.get_legend() for ax in figure.axes] == [None] * 3
    assert legend(figure) == [
        "64 models, 95 % CI",
        "y = x (no drop)",
        "Linear fit",
        "95 % of 50 bootstrap lines",
    ]
    assert figure.get_supxlabel().endswith("\nNot in the fits: Fisher vectors")
    assert legend(multiples_figure(imagenet, everything=True))[:2] == [
        "64 models, 95 % CI",
        "Fisher vectors, 3 models",
    ]


def test_panels_of_different_testbeds_are_counted_apart(imagenet, make_outcomes):
    few = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 6, 5])}, resamples=0)
    figure = multiples_figure((*imagenet, few))

    # Three per row; of the second row one place is empty, and one has the legend.
    assert [ax.get_visible() for ax in figure.axes] == [True] * 5 + [False]
    assert [ax.axison for ax in figure.axes] == [True] * 4 + [False, True]
    assert legend_of(figure).axes is figure.axes[4]
    assert legend(figure)[0] == "Models, 95 % CI"
    heights = [ax.get_window_extent().y0 for ax in figure.axes[:4]]
    assert heights[0] == pytest.approx(heights[2])
    assert heights[3] < heights[0]


@pytest.mark.parametrize("size", ["column", "page"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_no_text_is_cut_or_lies_on_another(imagenet, count, size):
    figure = multiples_figure((imagenet * 2)[:count], size=SIZES[size])

    boxes = [ax.get_tightbbox() or ax.bbox for ax in figure.axes if ax.get_visible() and ax.axison]
    boxes += [artist.get_window_extent() for artist in (legend_of(figure), *figure.texts)]
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        for other in boxes[:place]:
            assert not box.padded(-1).overlaps(other)


@pytest.mark.parametrize("size", SIZES)
def test_titles_lie_on_no_label_of_the_row_above_and_not_on_the_legend(imagenet, size):
    figure = multiples_figure(imagenet, size=SIZES[size])
    titles = [ax.title.get_window_extent() for ax in figure.axes]
    others = [figure.legends[0].get_window_extent()]
    others += [label.get_window_extent() for ax in figure.axes for label in ax.get_xticklabels()]
    assert not any(title.overlaps(other) for title in titles for other in others)


def test_a_panel_is_filled_by_its_own_models(imagenet):
    (cifar,) = summarize_published("recht2019", "cifar10:cifar10.1-v4", resamples=0).pairs
    figure = multiples_figure((cifar, imagenet[0]))

    for ax in figure.axes:
        (dots,) = (one for one in ax.collections if one.get_gid() == "models")
        spread = np.ptp(np.asarray(dots.get_offsets()), axis=0)
        assert max(spread) > 0.8 * np.ptp(ax.get_xlim())


def test_every_entry_of_the_legend_has_a_mark(imagenet):
    for everything in (False, True):
        for handle in multiples_figure(imagenet, everything=everything).legends[0].legend_handles:
            assert handle is not None
            assert getattr(handle, "get_color", lambda: "some")() != "none"


def test_both_metrics_are_a_grid_over_the_pairs(imagenet):
    (cifar,) = summarize_published("recht2019", "cifar10:cifar10.1-v4", resamples=0).pairs
    figure = grid_figure((cifar, *imagenet), scale="probit", everything=True)

    assert figure is not None
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes]  # CIFAR-10 was not published by top-5
    assert [title.split(": slope")[0] for title in titles] == [
        f"{pair.title} {metric}" for metric in ("top-1", "top-5") for pair in imagenet
    ]
    rows = [ax.get_window_extent().y0 for ax in figure.axes]
    assert rows[0] == pytest.approx(rows[2])
    assert rows[3] < rows[0]
    line = imagenet[1].metrics["top5"].all_lines["probit"]
    assert line is not None
    assert f"slope {line.slope:.2f}" in titles[4]
    assert grid_figure((cifar,)) is None


@pytest.mark.parametrize("size", SIZES)
def test_two_scales_stand_side_by_side_with_all_models(imagenet, size):
    figure = scales_figure(imagenet[0], size=SIZES[size])

    assert figure is not None
    linear, probit = figure.axes
    assert (linear.get_xscale(), probit.get_xscale()) == ("linear", "function")
    for ax, scale in ((linear, "linear"), (probit, "probit")):
        line = imagenet[0].metrics["top1"].all_lines[scale]
        assert line is not None
        assert (
            ax.get_title()
            .replace("\nbootstrap", ", bootstrap")
            .startswith(f"{scale.capitalize()} scale\nslope {line.slope:.2f}, bootstrap [")
        )
        dots = [one for one in ax.collections if isinstance(one, PathCollection)]
        assert sum(len(np.asarray(one.get_offsets())) for one in dots) == 67
