"""Small multiples of the scatter by their marks: panels, limits, titles, the legend that they share."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from evalshift.analysis.figures import multiples_figure
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import PairSummary, summarize_outcomes
from evalshift.analysis.summary.published import summarize_published


@pytest.fixture(scope="module")
def imagenet() -> tuple[PairSummary, ...]:
    pairs = [f"imagenet:imagenetv2-{rule}" for rule in ("matched-frequency", "threshold0.7", "topimages")]
    return summarize_published("recht2019", pairs, resamples=50).pairs


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_each_pair_has_a_panel_on_the_same_axes(imagenet, scale):
    figure = multiples_figure(imagenet, scale=scale)

    assert len(figure.axes) == 3
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes}) == 1
    sides = np.array([ax.get_window_extent().size for ax in figure.axes])
    np.testing.assert_allclose(sides, sides[0, 0], rtol=1e-6)
    for ax, pair in zip(figure.axes, imagenet, strict=True):
        (points,) = (one for one in ax.collections if one.get_gid() == "models")
        where = np.asarray(points.get_offsets())
        # 64 models without the three Fisher vectors, whom the axes need not reach.
        assert len(where) == 64
        assert ((where > ax.get_xlim()[0]) & (where < ax.get_xlim()[1])).all()
        title = ax.get_title()
        assert title.startswith(f"imagenet → {pair.new}\nslope ")
        assert f"slope {pair.metrics['top1'].lines[scale].slope:.2f}, bootstrap [" in title


def test_one_legend_names_what_all_panels_have(imagenet):
    figure = multiples_figure(imagenet)

    assert [ax.get_legend() for ax in figure.axes] == [None] * 3
    assert legend(figure) == [
        "64 models, 95 % CI",
        "y = x (no drop)",
        "Linear fit",
        "95 % of 50 bootstrap lines",
        "fisher-vector: not in the fit",
    ]
    assert legend(multiples_figure(imagenet, everything=True))[:2] == [
        "64 models, 95 % CI",
        "fisher-vector, 3 models",
    ]


def test_panels_of_different_testbeds_are_counted_apart(imagenet, make_outcomes):
    few = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 6, 5])}, resamples=0)
    figure = multiples_figure((*imagenet, few))

    # Three to a row; of the second row two places stay empty.
    assert [ax.get_visible() for ax in figure.axes] == [True] * 4 + [False] * 2
    assert legend(figure)[0] == "Models, 95 % CI"
    heights = [ax.get_window_extent().y0 for ax in figure.axes[:4]]
    assert heights[0] == pytest.approx(heights[2])
    assert heights[3] < heights[0]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_no_text_is_cut_or_lies_on_another(imagenet, count):
    figure = multiples_figure((imagenet * 2)[:count])

    boxes = [ax.get_tightbbox() or ax.bbox for ax in figure.axes if ax.get_visible()]
    boxes += [artist.get_window_extent() for artist in (figure.legends[0], *figure.texts)]
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
