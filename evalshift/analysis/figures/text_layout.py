"""Where the letters of a text stand, computed once: matplotlib does so in each pass of a layout, for each format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.text import Text

# Settings of matplotlib, and attributes of a text, that its layout depends on.
_SETTINGS = ("font.", "mathtext.", "text.")
_ATTRIBUTES = ("multialignment", "linespacing", "usetex", "parse_math", "features", "language")
_MOST = 20_000

_layout: Callable[..., Any] | None = getattr(Text, "_get_layout", None)
_known: dict[str, dict[tuple[Any, ...], Any]] = {}


@contextmanager
def quick_text() -> Iterator[None]:
    """Have matplotlib take what it computed for the same text in the same font, size and resolution.

    The settings of fonts are those at the beginning, and must not change.
    """
    if _layout is None:  # a version that does it otherwise
        yield
        return
    settings = repr([(key, value) for key, value in mpl.rcParams.items() if key.startswith(_SETTINGS)])
    known = _known.setdefault(settings, {})
    before: Any = Text._get_layout  # pyright: ignore[reportAttributeAccessIssue]
    Text._get_layout = lambda text, renderer: _remembered(known, text, renderer)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        Text._get_layout = before  # pyright: ignore[reportAttributeAccessIssue]
        if sum(map(len, _known.values())) > _MOST:
            _known.clear()


def _remembered(known: dict[tuple[Any, ...], Any], text: Text, renderer: Any) -> Any:
    assert _layout is not None
    if text.get_wrap():  # depends on its place, too
        return _layout(text, renderer)
    key = _key(text, renderer)
    if key not in known:
        known[key] = _layout(text, renderer)
    box, lines, corner = known[key]
    return box.frozen(), list(lines), corner


def _key(text: Text, renderer: Any) -> tuple[Any, ...]:
    figure: Any = text.get_figure(root=True)
    return (
        text.get_text(),
        hash(text.get_fontproperties()),
        type(getattr(renderer, "_renderer", renderer)),  # that of PDF and SVG is inside another one
        getattr(renderer, "dpi", None),
        figure.dpi,
        text.get_rotation(),
        text.get_rotation_mode(),
        text.get_horizontalalignment(),
        text.get_verticalalignment(),
        *(getattr(text, f"_{name}", None) for name in _ATTRIBUTES),
    )
