"""Places for names that no line crosses, as textalloc finds them."""

from typing import Any

import numpy as np
import pytest
import textalloc
import textalloc.non_overlapping_boxes
from matplotlib.figure import Figure

from evalshift.analysis.figures.clear_places import quick_places
from evalshift.analysis.figures.scatter import use_scale

of_textalloc: Any = textalloc.non_overlapping_boxes


@pytest.mark.parametrize("axis", [0, 1])
def test_they_are_those_of_textalloc(axis):
    rng = np.random.default_rng(axis)
    start = rng.uniform(0, 10, (300, 2))
    lines = np.concatenate([start, start + rng.normal(0, 0.5, start.shape)], axis=1)
    lines[:100, 3] = lines[:100, 1]  # level, as error bars are; some are points
    lines[50:60, 2:] = lines[50:60, :2]
    corner = np.concatenate([lines[:20, :2], rng.uniform(0, 10, (180, 2))])  # some lie on lines
    boxes = np.concatenate([corner, corner + rng.uniform(0, 0.6, corner.shape)], axis=1)
    theirs = of_textalloc.non_overlapping_with_lines
    expected = theirs(lines, boxes, 0.02, 0.01, axis)
    with quick_places(Figure()):
        found = of_textalloc.non_overlapping_with_lines(lines, boxes, 0.02, 0.01, axis)
    assert 0 < expected.sum() < len(expected)
    np.testing.assert_array_equal(found, expected)
    assert of_textalloc.non_overlapping_with_lines is theirs


@pytest.mark.parametrize("scale", ["linear", "logit"])
def test_points_are_where_matplotlib_places_them_one_by_one(scale):
    ax = Figure().add_subplot()
    use_scale(ax, scale)
    ax.set(xlim=(20, 95), ylim=(30, 99.5))
    x, y = np.random.default_rng(0).uniform(0.5, 99.5, (2, 50))
    theirs: Any = textalloc
    expected = theirs.data_to_display(x, y, None, ax)
    with quick_places(Figure()):
        found = theirs.data_to_display(x, y, None, ax)
    np.testing.assert_array_equal(found[:2], expected[:2])
    assert found[2] is None


def test_the_figure_is_drawn_as_before_afterwards():
    figure = Figure()
    with quick_places(figure):
        figure.draw_without_rendering()
        assert vars(figure)["draw_without_rendering"]
    assert "draw_without_rendering" not in vars(figure)
