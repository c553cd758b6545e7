"""Fonts in PDF files, embedded with the same outlines as matplotlib embeds, in a small part of its time.

fontTools reads and prunes the 6,000 glyphs of a font for the few dozen that a figure uses, and so for each file. Here
the common glyphs are cut out once, and those of a figure are taken from them: from those of English text if they are
all there, else from those of European languages and mathematics.
"""

import inspect
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from fontTools import subset
from matplotlib.backends import _backend_pdf_ps as of_matplotlib
from matplotlib.font_manager import get_font

# How letters are combined. That is done: the file says where each glyph stands.
_SHAPING = ("GDEF", "GPOS", "GSUB", "kern")
_ENGLISH = (range(0x20, 0x7F), [ord(sign) for sign in "°±²³·×ΔΦαβκμρστχ–—‘’“”…←→−≤≥★"])
# Latin and Greek, punctuation, raised and lowered digits, arrows, operators.
_COMMON = (range(0x20, 0x180), range(0x370, 0x400), range(0x2010, 0x20A0), range(0x2190, 0x21A0), range(0x2200, 0x2280))

_load_font: Any = subset.load_font
_glyphs_subset: Any = of_matplotlib.get_glyphs_subset
_BY_NUMBER = "glyphs" in inspect.signature(_glyphs_subset).parameters  # matplotlib 3.10 asks for characters instead


@contextmanager
def quick_fonts() -> Iterator[None]:
    """Have matplotlib embed fonts quickly, and without tables that no reader of a PDF uses."""
    subset.load_font = _load_lean
    of_matplotlib.get_glyphs_subset = _from_common if _BY_NUMBER else _glyphs_subset
    try:
        yield
    finally:
        subset.load_font, of_matplotlib.get_glyphs_subset = _load_font, _glyphs_subset


def _load_lean(*arguments: Any, **choices: Any) -> Any:
    font = _load_font(*arguments, **choices)
    for table in _SHAPING:
        if table in font:
            del font[table]
    return font


def _from_common(fontfile: Any, glyphs: Iterable[int]) -> Any:
    """What matplotlib's `get_glyphs_subset` returns, taken from the common glyphs where they are all that is used."""
    wanted = set(glyphs)
    for common in (_ENGLISH, _COMMON):
        content, numbers = _common_glyphs(fontfile, common is _COMMON)
        if wanted <= numbers.keys():
            return _renumbered(content, numbers, wanted)
    return _glyphs_subset(fontfile, wanted)


@contextmanager
def _renumbered(content: bytes, numbers: Mapping[int, int], wanted: set[int]) -> Iterator[Any]:
    with _glyphs_subset(_InMemory(content), {numbers[glyph] for glyph in wanted}) as made:
        found = {glyph: made.glyph_index_map[numbers[glyph]] for glyph in wanted}
        yield made._replace(glyph_index_map=found)


class _InMemory(io.BytesIO):
    """A font file of one font, as matplotlib names one."""

    face_index = 0


@lru_cache(8)
def _common_glyphs(fontfile: Any, wide: bool) -> tuple[bytes, Mapping[int, int]]:
    """A font of the common glyphs, and the number of each there by its number in the whole font."""
    font = get_font(fontfile)
    common = {font.get_char_index(code) for codes in (_COMMON if wide else _ENGLISH) for code in codes}
    with _glyphs_subset(fontfile, common) as made:
        return of_matplotlib.font_as_file(made.font).getvalue(), made.glyph_index_map
