"""The histogram of intensities by its marks."""

import io
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from evalshift.analysis.figures import intensities, intensities_figure, render
from evalshift.testbed.pixels import PixelStatistics

FLAT = PixelStatistics("flat_$5", 1, np.ones((1, 256), np.int64))
DARK = PixelStatistics("dark", 1, np.array([[4, *[0] * 255]]))


def marks(*sets: PixelStatistics) -> tuple[Any, dict[str, Any]]:
    ax = intensities(sets, Figure().add_subplot())
    return ax, {str(artist.get_gid()): artist for artist in ax.get_children() if artist.get_gid()}


def test_a_curve_and_a_mean_for_each_set() -> None:
    ax, found = marks(FLAT, DARK)
    assert set(found) == {f"{what}{name}" for name in ("flat_$5", "dark") for what in ("", "area-", "mean-")}
    for one, mean in ((FLAT, 127.5), (DARK, 0)):
        values, edges, _ = found[one.dataset].get_data()
        np.testing.assert_allclose(values, 100 * one.shares)
        np.testing.assert_array_equal(edges, np.arange(257))
        np.testing.assert_allclose(found[f"mean-{one.dataset}"].get_xdata(), [mean] * 2)
        assert found[f"mean-{one.dataset}"].get_linestyle() == "--"
    assert found["flat_$5"].get_edgecolor() != found["dark"].get_edgecolor()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [r"flat_\$5", "dark"]


def test_means_that_coincide_are_both_seen() -> None:
    figure = Figure(figsize=(4, 4), dpi=100)
    ends = PixelStatistics("ends", 1, np.array([[2, *[0] * 254, 2]]))
    ax = intensities([FLAT, ends], figure.add_subplot())
    lines = [line for line in ax.lines if str(line.get_gid()).startswith("mean-")]
    ax.set_xlim(100, 150)
    ax.set_ylim(5, 10)  # where neither has a curve
    ax.legend_ = None
    figure.savefig(drawn := io.BytesIO(), format="raw")
    width, height = figure.canvas.get_width_height()
    pixels = np.frombuffer(drawn.getvalue(), np.uint8).reshape(height, width, 4)[..., :3].astype(int)
    seen = [(abs(pixels - 255 * np.array(to_rgb(line.get_color()))).sum(axis=2) < 120).sum() for line in lines]
    assert min(seen) > 0.5 * max(seen) > 20


def test_one_set_alone() -> None:
    ax, found = marks(DARK)
    assert len(found) == 3
    assert ax.get_xlim() == (0, 256)
    assert ax.get_ylim()[0] == 0
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "Intensity (0 to 255, all channels; dashed: mean)",
        "Share of pixels (%)",
    )


def test_colours_are_counted_together() -> None:
    # A red channel that is full and two that are black: a third of full intensity.
    red = PixelStatistics("red", 1, np.array([[0] * 255 + [4], [4] + [0] * 255, [4] + [0] * 255]))
    assert marks(red)[1]["mean-red"].get_xdata()[0] == 85


def test_steps_of_few_shades_meet_half_way_between_them() -> None:
    few = PixelStatistics("few", 1, np.zeros((1, 256), np.int64))
    few.histogram[0, [0, 100, 200]] = 2, 1, 1
    values, edges, _ = marks(few)[1]["few"].get_data()
    assert values.tolist() == [50, 25, 25]
    assert edges.tolist() == [0, 50.5, 150.5, 201]


def test_the_same_bytes_each_time() -> None:
    assert render(intensities_figure([FLAT, DARK]), "svg") == render(intensities_figure([FLAT, DARK]), "svg")


def test_titles_name_the_curves_and_names_tell_equal_titles_apart() -> None:
    histogram = np.ones((1, 256), np.int64)
    sets = [PixelStatistics(name, 1, histogram, title) for name, title in (("a", "Letters"), ("b", "Digits"))]
    assert [text.get_text() for text in marks(*sets)[0].get_legend().get_texts()] == ["Letters", "Digits"]
    alike = [PixelStatistics(name, 1, histogram, "Letters") for name in ("a", "b")]
    assert [text.get_text() for text in marks(*alike)[0].get_legend().get_texts()] == ["Letters (a)", "Letters (b)"]
