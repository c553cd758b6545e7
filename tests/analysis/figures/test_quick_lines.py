"""Error bars that are drawn together are those that matplotlib draws one by one."""

import io
import re
import zlib

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from evalshift.analysis.figures.quick_lines import quick_lines
from evalshift.analysis.figures.scatter import use_scale
from evalshift.analysis.figures.style import STYLE


def figure_of(scale: str, bars: int) -> Figure:
    rng = np.random.default_rng(bars)
    x, y, low, high = rng.uniform(30, 90, (4, bars))
    drawn = Figure(figsize=(2, 2))
    ax = drawn.add_subplot()
    use_scale(ax, scale)
    ax.set(xlim=(40, 95), ylim=(20, 95))
    ax.errorbar(x, y, xerr=abs(low - x) / 4, yerr=abs(high - y) / 9, fmt="none", ecolor="#D55E00", alpha=0.5, zorder=2)
    ax.hlines(y, x, x + 3, colors=["red", "#00000000"], linestyles="--")
    ax.vlines(x, 30, y, color="none")
    ax.hlines(y[:1], 30, 60, color="black", linewidth=0.4).set_url("https://example.org")
    return drawn


def written(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def operators_of(pdf: bytes) -> list[bytes]:
    """The operators of a page, without the choice of a colour space that nothing is filled in."""
    parts = [zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)[:1]]
    return b" ".join(parts).replace(b"/DeviceRGB cs", b"").split()


@pytest.mark.parametrize("scale", ["linear", "probit"])
@pytest.mark.parametrize("bars", [1, 30])
def test_they_are_the_same_in_every_format(scale, bars):
    one_by_one = {kind: written(figure_of(scale, bars), kind) for kind in ("png", "svg", "pdf")}
    with quick_lines():
        together = {kind: written(figure_of(scale, bars), kind) for kind in ("png", "svg", "pdf")}
    assert together["png"] == one_by_one["png"]
    assert together["svg"] == one_by_one["svg"]
    assert b"re" in operators_of(together["pdf"])
    assert operators_of(together["pdf"]) == operators_of(one_by_one["pdf"])


def test_curved_axes_are_asked_once_for_all_bars():
    drawn = figure_of("linear", 200)
    asked = []

    def identity(values):
        asked.append(values)
        return values

    drawn.axes[0].set_xscale("function", functions=(identity, identity))
    written(drawn, "png")
    asked.clear()
    written(drawn, "png")
    one_by_one = len(asked)
    with quick_lines():
        asked.clear()
        written(drawn, "png")
    assert len(asked) < one_by_one / 10
