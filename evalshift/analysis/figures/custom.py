"""Figures to a user's measure: width, font, a matplotlib style, a title, limits."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib import style as mpl_style
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from evalshift.analysis.figures.style import ALWAYS, INK, font_points, literal, styled
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size, find_size
from evalshift.errors import UsageError, did_you_mean, unknown_name
from evalshift.near_names import near_names

_WIDTHS, _FONTS = (1.0, 40.0), (3.0, 60.0)  # inches, points
_NARROW = 5.0  # inches: a figure of one column rather than two
# A style may change what figures look like, but not that their fonts are embedded and their files reproducible.
# Nor may LaTeX run: it would execute what somebody named a model.
_KEPT = (
    *("pdf.fonttype", "ps.fonttype", "svg.hashsalt", "svg.fonttype", "svg.image_inline"),
    *("figure.figsize", "figure.dpi", "savefig.dpi", "text.usetex"),
)

# The settings of each figure that has its own, for the time when it is written.
_settings: WeakKeyDictionary[Figure, Mapping[str, Any]] = WeakKeyDictionary()


def custom_size(
    default: Size,
    size: str | None = None,
    width: float | int | None = None,
    font: float | int | str | None = None,
    style: str | Path | None = None,
) -> Size:
    """The size of this name (or the default) with these changes.

    width   inches
    font    size in points, or a font family, or both with a comma between
    style   a file of matplotlib settings (.mplstyle), or the name of one of matplotlib's styles
    Raises UsageError for an unknown size, font or style, and for what is out of range.
    """
    found = find_size(size) if size is not None else default
    if width is not None:
        _check_range("width", width, _WIDTHS, "inches")
        if size is None:
            found = COLUMN if width < _NARROW else PAGE
        height = None if found.height is None else found.height * width / found.width
        found = replace(found, width=float(width), height=height)
    settings = {} if style is None else _read_style(style)
    for part in () if font is None else str(font).split(","):
        if (points := _number(part)) is None:
            settings["font.family"] = [_find_family(part.strip())]
        else:
            _check_range("font", points, _FONTS, "points")
            found = replace(found, letters=points)
    return replace(found, settings=settings)


def with_title(figure: Figure, title: str | None, size: Size) -> Figure:
    """Put a title above everything, for which the figure grows, except where its height is fixed."""
    if title is None:
        return figure
    with styled(size):
        points = font_points(8.0)
        room = 1.9 * points / 72 * (1 + title.count("\n"))
        width, height = figure.get_size_inches()
        whole = height if size.height is not None else height + room
        share = (whole - room) / whole
        positions = [(ax, ax.get_position(original=True), ax.get_position()) for ax in figure.axes]
        figure.set_size_inches(width, whole)
        for ax, original, active in positions:
            ax.set_position(_shrunk(original, share), "original")
            ax.set_position(_shrunk(active, share), "active")
        for text in figure.texts:
            x, y = text.get_position()
            text.set_position((x, y * share))
        for legend in figure.legends:
            legend.set_bbox_to_anchor((0, 0, 1, share), transform=figure.transFigure)
        figure.text(0.5, 1 - 0.35 * room / whole, literal(title), ha="center", va="top", fontsize=points, color=INK)
    return figure


def _shrunk(box: Bbox, share: float) -> tuple[float, float, float, float]:
    return box.x0, box.y0 * share, box.width, box.height * share


def remember(figure: Figure, size: Size) -> Figure:
    """Keep the settings of a figure for when it is written."""
    if size.settings:
        _settings[figure] = size.settings
    return figure


def settings_of(figure: Figure) -> dict[Any, Any]:
    """The settings that a figure was drawn with, over the style of all figures."""
    return dict(_settings.get(figure, {})) | ALWAYS


def _check_range(name: str, value: float | int, span: tuple[float, float], unit: str) -> None:
    if not span[0] <= value <= span[1]:
        raise UsageError(
            f"the `{name}` of the figure is out of range", found=value, expected=f"{span[0]:g} to {span[1]:g} {unit}"
        )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _find_family(name: str) -> str:
    known = sorted({font.name for font in font_manager.fontManager.ttflist})
    generic = ("serif", "sans-serif", "monospace")
    if name in (*known, *generic):
        return name
    raise unknown_name(
        "this `font` is not installed",
        name,
        known,
        expected="a font family that matplotlib finds, such as " + ", ".join((*near_names(name, known), *generic)),
    )


def _read_style(style: str | Path) -> dict[str, Any]:
    """The settings of a style file, checked by matplotlib."""
    path = Path(style).expanduser()
    if not path.is_file():
        if str(style) in mpl_style.library:
            return _drawn_settings(dict(mpl_style.library[str(style)]))
        raise UsageError(
            "the `style` was not found",
            where=path,
            expected="a file of matplotlib settings, or one of its styles",
            fix=did_you_mean(str(style), list(mpl_style.library)),
        )
    told: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: told.append(record.getMessage())
    logger = logging.getLogger("matplotlib")
    logger.addHandler(listener)  # matplotlib only logs what it cannot read
    try:
        read = mpl.rc_params_from_file(path, use_default_template=False)
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise UsageError("the `style` is invalid", where=path, found=str(error)) from error
    finally:
        logger.removeHandler(listener)
    if told:
        raise UsageError("the `style` is invalid", where=path, found=" ".join(told[0].split()))
    return _drawn_settings(dict(read))


def _drawn_settings(settings: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _KEPT}
