"""A table as text: for a page and a terminal, for CSV, for Markdown and for LaTeX."""

import math
import re
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

import pandas as pd

from evalshift.analysis.tables.markup import escape_label, escape_latex, escape_markdown
from evalshift.analysis.tables.table import Column, StatisticTable
from evalshift.formatting import EMPTY, number, p_cell, percent, points, signed_points
from evalshift.publishing import inert_cell
from evalshift.titles import Titles

# A number this close to a whole one is that but for the order in which its sums were taken.
_ROUNDING = 1e-9

# Of an interval whose bounds differ by rounding alone no width is known: it is not shown.
_NO_WIDTH = 1e-12


def readable_statistic(table: StatisticTable) -> pd.DataFrame:
    """The rows and columns that are read, all text. Column titles may repeat."""
    return pd.DataFrame(readable_rows(table), columns=pd.Index([column.title for column in table.shown]))


@lru_cache(1)  # Markdown and LaTeX are written one after the other
def readable_rows(table: StatisticTable) -> list[list[str]]:
    """The cells of `readable_statistic`."""
    shown = table.shown
    return [[_cell(row, column, table.titles) for column in shown] for row in table.read.to_dict("records")]


def statistic_csv(table: StatisticTable) -> str:
    """All columns in full precision: one header, lines end in \\n; what is undefined is empty."""
    frame = table.frame.rename(columns=inert_cell)
    texts = [place for place, dtype in enumerate(frame.dtypes) if not pd.api.types.is_numeric_dtype(dtype)]
    for place in texts:
        frame.isetitem(place, frame.iloc[:, place].map(inert_cell).array)
    return frame.to_csv(index=False, lineterminator="\n")


def statistic_markdown(table: StatisticTable) -> str:
    """A table that GitHub renders, with its title above and its note below."""
    words = [column.is_text for column in table.shown]
    rules = [":---" if is_text else "---:" for is_text in words]
    # Of numbers nothing needs it, and brackets of intervals stay readable in the file.
    rows = (
        [escape_markdown(cell) if is_text else cell for cell, is_text in zip(cells, words, strict=True)]
        for cells in readable_rows(table)
    )
    titles = [column.title for column in table.shown]
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, rules, *rows)]
    return f"**{table.title}**\n\n" + "\n".join(lines) + f"\n\n{escape_markdown(table.words)}\n"


def statistic_latex(table: StatisticTable) -> str:
    """A `tabular` for a document that loads booktabs, and colortbl where rows are shaded; the note is a comment."""
    shaded = table.is_highlighted
    sides = "".join(_side(column) for column in table.shown)
    rows = (" & ".join(map(latex_text, cells)) for cells in readable_rows(table))
    lines = [
        f"% {table.title}. {table.words}",
        *([r"% Needs \usepackage{booktabs,colortbl}."] if any(shaded) else []),
        rf"\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        r"\toprule",
        rf"{' & '.join(latex_text(column.title) for column in table.shown)} \\",
        r"\midrule",
        # What stands in brackets after \midrule or \\ would be read as a distance, and a star there as an order.
        *(
            rf"{_SHADE if grey else '{}' if row.startswith(('[', '*')) else ''}{row} \\"
            for row, grey in zip(rows, shaded, strict=True)
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


# Rows of a table that fit on a page with its caption.
_PAGE = 45
# The row of a highlighted model.
_SHADE = r"\rowcolor[gray]{0.9} "


def latex_file(table: StatisticTable, label: str = "") -> str:
    """A table for a document: `statistic_latex` in a `table`, or a `longtable` beyond a page, with caption and label.

    Loads booktabs; longtable and colortbl where the comment at the top says so. `label` is `tab:` and the table's name
    without one.
    """
    bare = statistic_latex(table).splitlines()
    begin = next(place for place, line in enumerate(bare) if line.startswith(r"\begin"))
    caption = rf"\caption{{{latex_text(table.title)}. {latex_text(table.words)}}}"
    named = rf"\label{{tab:{escape_label(label or table.name)}}}"
    is_long = len(table.read) > _PAGE
    packages = ["booktabs", *(["longtable"] if is_long else []), *(["colortbl"] if any(table.is_highlighted) else [])]
    comment = rf"% \usepackage{{{','.join(packages)}}}"
    tabular, (top, heads, middle), rows = bare[begin], bare[begin + 1 : begin + 4], bare[begin + 4 : -2]
    if not is_long:
        whole = [r"\begin{table}[htbp]", r"\centering", caption, named, *bare[begin:], r"\end{table}"]
        return "\n".join([comment, *whole]) + "\n"
    columns = tabular.removeprefix(r"\begin{tabular}")
    width = len(table.shown)
    lines = [
        comment,
        rf"\begin{{longtable}}{columns}",
        rf"{caption}{named} \\",
        *(top, heads, middle, r"\endfirsthead"),
        *(top, heads, middle, r"\endhead"),
        r"\midrule",
        rf"\multicolumn{{{width}}}{{r@{{}}}}{{continued on the next page}} \\",
        r"\endfoot",
        r"\bottomrule",
        r"\endlastfoot",
        *rows,
        r"\end{longtable}",
    ]
    return "\n".join(lines) + "\n"


WRITERS: dict[str, Callable[[StatisticTable], str]] = {
    "csv": statistic_csv,
    "md": statistic_markdown,
    "tex": latex_file,
}


def _side(column: Column) -> str:
    return "p{6cm}" if column.kind == "prose" else "l" if column.is_text else "r"


def latex_text(text: str) -> str:
    """Text as tables in LaTeX have it: escaped, and signs that a font may lack as commands."""
    if _PLAIN.fullmatch(text):
        return text
    return escape_latex(text).replace("²", "$^2$").replace("⁻¹", "$^{-1}$").translate(_LATEX)


def _cell(row: Mapping[Hashable, Any], column: Column, titles: Titles) -> str:
    """One cell: the value, its interval in brackets where it has one; what is undefined is `EMPTY`."""
    kind = row["unit"] if column.kind == "unit" else column.kind
    show = {"model": titles.model, "dataset": titles.dataset}.get(kind) or _KINDS[kind]
    if column.kind == "bounds":
        value = ""
    elif _is_undefined(row[column.key]):
        value = "" if column.is_text else EMPTY
    else:
        value = show(row[column.key])
    if column.bounds is None or value == EMPTY:
        return value
    low, high = (row[bound] for bound in column.bounds)
    if _is_undefined(low) or _is_undefined(high) or abs(high - low) < _NO_WIDTH:
        return value or EMPTY
    if kind == "number" and not (abs(row[column.key]) >= 100 or all(map(_is_whole, (row[column.key], low, high)))):
        show = _thousandths  # all three have as many digits each
        value = show(row[column.key])
    elif kind == "number":
        show = _count
    return f"{value} [{show(low)}, {show(high)}]".strip()


def _is_undefined(value: Any) -> bool:
    """As pandas' `isna` says of one value, which takes a while to find out what it is given."""
    return value is None or value is pd.NA or value != value


def _count(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def _number(value: float) -> str:
    """Three digits after the point; whole numbers (up to rounding), and those of a hundred and more, with none."""
    return _count(value) if _is_whole(value) or abs(value) >= 100 else _thousandths(value)


def _is_whole(value: float) -> bool:
    return math.isinf(value) or abs(value - round(value)) < _ROUNDING


def _thousandths(value: float) -> str:
    return number(value, 3)


def _flag(value: bool) -> str:
    return "yes" if value else ""


_KINDS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "prose": str,
    "written": str,
    "count": lambda value: _count(float(value)),
    "percent": percent,
    "points": points,
    "change": signed_points,
    "bounds": points,
    "hundredths": lambda fraction: points(fraction, 2),
    "number": lambda value: _number(float(value)),
    "p": p_cell,
    "flag": _flag,
}
_PLAIN = re.compile(r"[A-Za-z0-9.,()\[\]]+(?: [A-Za-z0-9.,()\[\]]+)*")
_LATEX = str.maketrans(
    {
        "−": "$-$",
        "Δ": r"$\Delta$",
        "κ": r"$\kappa$",
        "χ": r"$\chi$",
        "σ": r"$\sigma$",
        "μ": r"$\mu$",
        "τ": r"$\tau$",
        "Φ": r"$\Phi$",
        "…": r"\dots{}",
        "–": "--",
        "×": r"$\times$",
        "<": r"\textless{}",
        "±": r"$\pm$",
        "→": r"$\to$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
    }
)
