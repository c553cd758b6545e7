"""Texts laid out once: the same files as matplotlib makes by itself."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from evalshift.analysis.figures import FORMATS, render, text_layout
from evalshift.analysis.figures.style import lay_out, styled
from evalshift.analysis.plot_data.sizes import COLUMN, SLIDE, Size


def drawn(size: Size) -> dict[str, bytes]:
    """A figure with texts that are rotated, of several lines, with a formula, and alike but for one property."""
    with styled(size):
        figure = Figure(figsize=(3, 3), layout="constrained", dpi=100)
        ax = figure.add_subplot(title="two\nlines", xlabel="accuracy (%)", ylabel="accuracy (%)")
        ways: tuple[dict[str, Any], ...] = (
            {},
            {"ha": "right"},
            {"va": "top"},
            {"rotation": 30},
            {"weight": "bold"},
            {"linespacing": 2},
            {"size": 4},
        )
        for place, choices in enumerate(ways):
            ax.text(0.5, place / 8, "twice\nthe same", **choices)
        ax.text(0.1, 0.1, r"$\\chi^2$ of a $5")
        ax.text(0.1, 0.5, "a text that is broken where the figure ends " * 3, wrap=True)
        lay_out(figure)
    return {kind: render(figure, kind) for kind in FORMATS}


def test_files_are_the_same_with_and_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = [drawn(size) for size in (COLUMN, SLIDE, COLUMN)]
    assert remembered[0] == remembered[2]
    assert text_layout._known
    monkeypatch.setattr(text_layout, "_layout", None)
    assert [drawn(COLUMN), drawn(SLIDE)] == remembered[:2]


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_layout, "_MOST", 3)
    drawn(COLUMN)
    assert sum(map(len, text_layout._known.values())) <= 3
