"""Figures as bytes and files."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from evalshift.analysis.figures.style import DPI, styled
from evalshift.errors import UsageError, did_you_mean
from evalshift.files import write_atomic

FORMATS = ("png", "pdf", "svg")


def render(figure: Figure, format: str) -> bytes:
    """The figure as the bytes of a PNG (200 dpi), PDF or SVG file, the same bytes each time."""
    if format not in FORMATS:
        raise UsageError(
            "figures are not written in this format",
            found=f'"{format}"',
            expected=", ".join(FORMATS),
            fix=did_you_mean(format, FORMATS),
        )
    undated = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[format]
    buffer = io.BytesIO()
    with styled():
        if isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
            # A figure that was laid out before would be drawn twice: once to be laid out, which changes nothing.
            figure.set_layout_engine(None)
            for ax in figure.axes:
                # The layout's last digits are chance, and ids in SVG files are made of them.
                ax.set_position(tuple(np.round(ax.get_position(original=True).bounds, 9)))
        figure.savefig(buffer, format=format, dpi=DPI, metadata=undated)
    return buffer.getvalue()


def save(figure: Figure, file: str | Path, formats: Iterable[str] | None = None) -> list[Path]:
    """Write the figure to `file`, each whole or not at all; gives the paths.

    A name that ends in one of the FORMATS is that file alone. Else, and with `formats`, it is what file names begin
    with: "drop" stands for drop.png, drop.pdf and drop.svg.
    Raises UsageError on an unknown format, StoreError where the folder cannot be written to.
    """
    file = Path(file)
    suffix = file.suffix.removeprefix(".")
    if formats is None and suffix in FORMATS:
        formats, file = [suffix], file.with_suffix("")
    drawn = {format: render(figure, format) for format in (FORMATS if formats is None else formats)}
    paths = [file.with_name(f"{file.name}.{format}") for format in drawn]
    for path, data in zip(paths, drawn.values(), strict=True):
        write_atomic(path, data)
    return paths
