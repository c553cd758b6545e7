"""Text output: fits the terminal's width, and is as wide as needed in a pipe or a file."""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import IO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from evalshift.publishing import inert_text

# Minimum width of the last column of a table: narrower, it is unreadable.
_LEAST_WIDTH = 20
# What a cell is more than one line by, or wider than its letters.
_SPACING = re.compile(r"[\n\r\t\v\f\b]")


def stdout() -> Console:
    """The console for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """The console for progress and errors, so that a pipe gets results alone."""
    return _console(sys.stderr)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> None:
    """A table on standard output; `align` has one "l" or "r" per column (default: all left).

    Where the terminal is too narrow, headings take several lines, and then the last column is folded: names in the
    others can be copied whole.
    """
    align = align or "l" * len(header)
    seen = seen_width()
    widths = _widths(header, rows)
    gaps = 2 * (len(widths) - 1)
    if seen is not None and sum(widths) + gaps > seen:
        header = _narrowed(header, rows, seen - gaps)
        widths = _widths(header, rows)
    width = max(_least(widths), seen or sum(widths) + gaps)
    console = _console(sys.stdout, width)
    if sum(widths) + gaps <= width and not any(_SPACING.search(cell) for row in (header, *rows) for cell in row):
        # Of hundreds of rows, rich measures and wraps each cell for a third of a second.
        rule = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (sum(widths) + gaps)
        console.out(_padded(header, widths, align), style="bold")
        console.out("\n".join([rule, *(_padded(row, widths, align) for row in rows)]))
    else:
        console.print(_folded(header, rows, align))


def least_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns of a terminal that `print_table` needs for this table, with its last column folded."""
    return _least(_widths(_narrowed(header, rows, 0), rows))


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is; a heading may have several lines."""
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return [max(map(cell_len, (*title.split("\n"), *column))) for title, column in zip(header, columns, strict=True)]


def _narrowed(header: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    """The headings, the longest of them in several lines while the columns take more than `room` together.

    A column stays as wide as its cells, and as the longest word of its heading.
    """
    narrowed = list(header)
    least = _widths([""] * len(header), rows)
    wide = set(range(len(header)))
    while wide and sum(widths := _widths(narrowed, rows)) > room:
        place = max(wide, key=lambda place: widths[place] - least[place])
        lines = textwrap.wrap(header[place], max(1, widths[place] - 1), break_long_words=False, break_on_hyphens=False)
        if widths[place] > least[place] and max(map(cell_len, lines)) < widths[place]:
            narrowed[place] = "\n".join(lines)
        else:
            wide.remove(place)
    return narrowed


def _least(widths: Sequence[int]) -> int:
    return sum(widths[:-1]) + 2 * (len(widths) - 1) + min(widths[-1], _LEAST_WIDTH)


def _padded(row: Sequence[str], widths: Sequence[int], align: str) -> str:
    # On the right, rich lets no blank stand behind the text.
    cells = [cell.rstrip() if side == "r" else cell for cell, side in zip(row, align, strict=True)]
    blanks = [" " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(
        blank + cell if side == "r" else cell + blank for cell, blank, side in zip(cells, blanks, align, strict=True)
    )


def _folded(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title, side in zip(header, align, strict=True):
        last = table.columns and len(table.columns) == len(header) - 1
        table.add_column(title, justify="right" if side == "r" else "left", no_wrap=not last, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _glued(found: re.Match[str]) -> str:
    return found[0].replace(" ", "\N{NO-BREAK SPACE}")


def wrapped(text: str, indent: str = "  ") -> str:
    """A sentence wrapped to the terminal's width; one line without a terminal.

    Intervals and percentages are not broken.
    """
    width = seen_width()
    if width is None:
        return indent + text
    glued = re.sub(r"(\[[^\]\s]+,) ([^\]\s]+\])|(?<=\d)( )(?=%)|(?<=%)( )(?=CI)", _glued, text)
    lines = textwrap.fill(
        glued, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def seen_width() -> int | None:
    """Width of the terminal in columns, or COLUMNS where that is set; None without either: no limit."""
    return shutil.get_terminal_size((0, 0)).columns or None


class _Inert(Console):
    """A console on which data stay data: an escape in a name or a message does not move the cursor or write a title."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            one if one.control else Segment(inert_text(one.text), one.style, one.control) for one in buffer
        )


def _console(stream: IO[str], width: int | None = None) -> Console:
    # What is printed is data: no markup, so that a model may be called "[bold]x".
    return _Inert(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)
