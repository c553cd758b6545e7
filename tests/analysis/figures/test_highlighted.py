"""Highlighted models have a star, a colour and a name of their own in every figure that shows models."""

import numpy as np
import pytest
from marks import dots, ids
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from evalshift.analysis.figures import FIGURES, SLIDE, robustness
from evalshift.analysis.figures.style import HIGHLIGHT
from evalshift.analysis.report import report


@pytest.fixture(scope="module")
def published():
    highlight = ["resnet_basic_110", "random_features_32k"]
    return report(published="recht2019", pairs="cifar10:cifar10.1-v6", highlight=highlight, resamples=50)


def coloured(figure: Figure) -> set[str]:
    """All names in the colour of highlighted models."""
    texts = [text for ax in figure.axes for text in (*ax.texts, *ax.get_yticklabels())]
    texts += [text for ax in figure.axes for side in ax.child_axes for text in side.get_yticklabels()]
    return {text.get_text() for text in texts if to_hex(text.get_color()).upper() == HIGHLIGHT and text.get_text()}


@pytest.mark.parametrize("size", ["column", "page", "slide"])
@pytest.mark.parametrize("name", ["scatter", "scales", "ranks", "robustness", "decomposition"])
def test_every_figure_names_them_in_every_size(published, name, size):
    figure = published.draw(name, size=size)
    named = " ".join(coloured(figure))
    assert "resnet_basic_110" in named
    assert "random_features_32k" in named
    assert any("highlighted" in gid for ax in figure.axes for gid in ids(ax))


@pytest.mark.parametrize("size", ["column", "page", "slide"])
def test_stars_lie_on_no_rank(published, size):
    figure = published.draw("ranks", size=size)
    ax = figure.axes[0]
    stars = dots(ax, "highlighted-models")
    texts = [text.get_window_extent() for one in (ax, *ax.child_axes) for text in one.get_yticklabels()]
    (radius,) = (
        np.sqrt(one.get_sizes()[0]) / 2 * figure.dpi / 72
        for one in ax.collections
        if one.get_gid() == "highlighted-models"
    )
    assert len(stars) == 4  # two models on either set
    for x, y in ax.transData.transform(stars):
        rows = [box for box in texts if box.y0 < y < box.y1]
        assert rows
        assert not any(box.x0 < x + radius and box.x1 > x - radius for box in rows)


def test_agreement_names_them_where_there_is_no_room_for_all(kept_letters):
    pair = report(kept_letters.results, highlight=kept_letters.results.models("old")[:1], resamples=0)
    assert len(coloured(pair.draw("agreement"))) == 1


def test_slides_keep_them_among_the_rows(published):
    assert SLIDE.rows < len(published.table)
    ax = robustness(published.summary.pairs[0].metrics["top1"], Figure().add_subplot(), SLIDE.rows)
    assert len(ax.get_yticks()) == SLIDE.rows
    assert len(dots(ax, "highlighted-models")) == 2


def test_figures_without_them_have_no_star(published):
    plain = report(published="recht2019", pairs="cifar10:cifar10.1-v6", resamples=50)
    for name in ("scatter", "ranks", "robustness", "decomposition"):
        assert name in FIGURES
        assert not any("highlighted" in gid for ax in plain.draw(name).axes for gid in ids(ax))
