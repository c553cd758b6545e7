"""A table of statistics as text: for a page, for Markdown and for LaTeX."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from evalshift.analysis.statistic_tables.table import Column, StatisticTable
from evalshift.analysis.tables import escape_latex, escape_markdown, tabular
from evalshift.analysis.words import number, points

# What stands where a number is undefined; the table's note says why.
EMPTY = "–"


def readable_statistic(table: StatisticTable) -> pd.DataFrame:
    """The rows and columns that are read, all text. Column titles may repeat."""
    rows = table.read.to_dict("records")
    return pd.DataFrame(
        [[_cell({str(key): value for key, value in row.items()}, column) for column in table.shown] for row in rows],
        columns=pd.Index([column.title for column in table.shown]),
    )


def statistic_markdown(table: StatisticTable) -> str:
    """A table that GitHub renders, with its title above and its note below."""
    text = readable_statistic(table)
    rules = [":---" if column.kind == "text" else "---:" for column in table.shown]
    rows = ([escape_markdown(cell) for cell in cells] for cells in text.to_numpy())
    lines = [f"| {' | '.join(cells)} |" for cells in (text.columns, rules, *rows)]
    return f"**{table.title}**\n\n" + "\n".join(lines) + f"\n\n{escape_markdown(table.words)}\n"


def statistic_latex(table: StatisticTable) -> str:
    """A `tabular` for a document that loads booktabs and nothing else; the note is a comment."""
    text = readable_statistic(table).map(_latex)
    sides = "".join("l" if column.kind == "text" else "r" for column in table.shown)
    return tabular(f"{table.title}. {table.words}", sides, [_latex(title) for title in text.columns], text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in escape_latex(text).replace("²", "$^2$"))


def _cell(row: Mapping[str, Any], column: Column) -> str:
    """One cell: the value, its interval in brackets where it has one; what is undefined is `EMPTY`."""
    kind = row["unit"] if column.kind == "unit" else column.kind
    show = _KINDS[kind]
    if column.kind == "bounds":
        value = ""
    elif _undefined(row[column.key]):
        value = EMPTY
    else:
        value = show(row[column.key])
    if column.bounds is None or value == EMPTY:
        return value
    low, high = (row[bound] for bound in column.bounds)
    if _undefined(low) or _undefined(high):
        return value or EMPTY
    return f"{value} [{show(low)}, {show(high)}]".strip()


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _count(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 3)


def _number(value: float) -> str:
    """Three digits after the point; whole numbers, and those of a hundred and more, with none."""
    return _count(value) if value == round(value) or abs(value) >= 100 else number(value, 3)


def _flag(value: bool) -> str:
    return "yes" if value else ""


_KINDS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "count": lambda value: _count(float(value)),
    "percent": points,
    "points": points,
    "bounds": points,
    "hundredths": lambda fraction: points(fraction, 2),
    "number": lambda value: _number(float(value)),
    "p": _p_value,
    "flag": _flag,
}
_LATEX = {
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
    "<": r"\textless{}",
}
