"""The histogram of intensities by its marks."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evalshift.analysis.figures import render
from evalshift.analysis.figures.intensities import Intensities, histogram, histogram_figure

FLAT = Intensities("flat_$5", np.full(256, 1 / 256), 0.5)
DARK = Intensities("dark", np.array([1.0] + [0.0] * 255), 0.0)


def marks(*sets: Intensities) -> tuple[Any, dict[str, Any]]:
    ax = histogram(sets, Figure().add_subplot())
    return ax, {str(artist.get_gid()): artist for artist in ax.get_children() if artist.get_gid()}


def test_a_curve_and_a_mean_for_each_set() -> None:
    ax, found = marks(FLAT, DARK)
    assert set(found) == {f"{what}{name}" for name in ("flat_$5", "dark") for what in ("", "area-", "mean-")}
    for one in (FLAT, DARK):
        values, edges, _ = found[one.name].get_data()
        np.testing.assert_allclose(values, 100 * one.shares)
        np.testing.assert_array_equal(edges, np.arange(257))
        assert list(found[f"mean-{one.name}"].get_xdata()) == [255 * one.mean] * 2
        assert found[f"mean-{one.name}"].get_linestyle() == "--"
    assert found["flat_$5"].get_edgecolor() != found["dark"].get_edgecolor()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [r"flat_\$5", "dark"]


def test_one_set_alone() -> None:
    ax, found = marks(DARK)
    assert len(found) == 3
    assert ax.get_xlim() == (0, 256)
    assert ax.get_ylim()[0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("intensity, all channels; dashed: mean", "share of pixels (%)")


def test_the_same_bytes_each_time() -> None:
    assert render(histogram_figure([FLAT, DARK]), "svg") == render(histogram_figure([FLAT, DARK]), "svg")
