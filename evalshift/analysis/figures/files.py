"""Figures as bytes and files."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from evalshift.analysis.figures.custom import settings_of
from evalshift.analysis.figures.pdf_fonts import quick_fonts
from evalshift.analysis.figures.style import DPI, styled
from evalshift.analysis.figures.text_layout import quick_text
from evalshift.errors import unknown_name
from evalshift.files import write_atomic

FORMATS = ("png", "pdf", "svg")


def render(figure: Figure, format: str) -> bytes:
    """The figure as a PNG (200 dpi), PDF or SVG file in memory; byte for byte reproducible."""
    if format not in FORMATS:
        raise unknown_name("unknown figure format", format, FORMATS)
    undated = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[format]
    buffer = io.BytesIO()
    with styled(), mpl.rc_context(settings_of(figure)), quick_text(), quick_fonts():
        if isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine):
            # The layout is done already; matplotlib would draw the figure a second time to repeat it.
            figure.set_layout_engine(None)
            for ax in figure.axes:
                # The last digits of the layout vary between runs, and ids in SVG files depend on them.
                ax.set_position(tuple(np.round(ax.get_position(original=True).bounds, 9)))
        # A PNG is as small as by the usual level of compression, 6, and takes two thirds of the time.
        quick: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if format == "png" else {}
        figure.savefig(buffer, format=format, dpi=DPI, metadata=undated, **quick)
    return buffer.getvalue()


def save(figure: Figure, file: str | Path, formats: Iterable[str] | None = None, *, durable: bool = True) -> list[Path]:
    """Write the figure to `file`, atomically; returns the paths.

    A name that ends in one of FORMATS is written as that one file. Otherwise, and with `formats`, a suffix is added
    per format: "drop" gives drop.png, drop.pdf and drop.svg. Files that are not `durable` are flushed to disk later,
    with others.
    Raises UsageError for an unknown format, StoreError if the folder is not writable.
    """
    file = Path(file)
    suffix = file.suffix.removeprefix(".")
    if formats is None and suffix in FORMATS:
        formats, file = [suffix], file.with_suffix("")
    drawn = {format: render(figure, format) for format in (FORMATS if formats is None else formats)}
    paths = [file.with_name(f"{file.name}.{format}") for format in drawn]
    for path, data in zip(paths, drawn.values(), strict=True):
        write_atomic(path, data, durable=durable)
    return paths
