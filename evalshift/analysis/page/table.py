"""The table of models: its cells, and its lines as text to be copied."""

import csv
import io
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalshift.analysis.page import axes
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.tables.of_accuracies import has_real_changes
from evalshift.analysis.tables.read import statistic_csv, statistic_latex, statistic_markdown

# Rows beyond are brought in as the table is scrolled: to lay out thousands of cells takes a second.
AT_FIRST = 150


@dataclass(frozen=True)
class ModelTable:
    """The table of one metric.

    rows       a row a model, best on the original set first
    span       what the small bars of the accuracies span, as fractions
    drop_span  the same of the drops
    at_first   how many rows are in the page's tables from the beginning
    copies     "CSV", "Markdown", "LaTeX" -> what stands before the rows, each row, what stands after them
    """

    rows: list[dict[Hashable, Any]]
    span: tuple[float, float]
    drop_span: tuple[float, float]
    has_family: bool
    has_year: bool
    real_known: bool
    any_real: bool
    copies: dict[str, tuple[str, list[str], str]]
    at_first: int = AT_FIRST

    def share(self, value: float, of_drop: bool = False) -> str:
        """Where a value stands in its small bar, in per cent of the bar's width."""
        low, high = self.drop_span if of_drop else self.span
        return f"{100 * min(1, max(0, (value - low) / (high - low))):.1f}%"


def model_table(metric: MetricSummary) -> ModelTable:
    """The table of all models; a change of rank is marked where it is known to be beyond chance."""
    table = metric.table
    known = table["delta_rank_real"].dropna()
    sides = [table[f"{side}_{end}"].to_numpy() for side in ("original", "new") for end in ("low", "high")]
    return ModelTable(
        rows=table.astype(object).where(table.notna(), None).to_dict("records"),
        span=axes.limits(*sides, margin=0.0),
        drop_span=axes.limits(
            table["drop_low"].to_numpy(), table["drop_high"].to_numpy(), pd.Series([0.0]).to_numpy(), margin=0.0
        ),
        has_family=bool(table["family"].notna().any()),
        has_year=bool(table["year"].notna().any()),
        real_known=len(known) > 0,
        any_real=has_real_changes(table),
        copies=_copies(metric),
    )


def _copies(metric: MetricSummary) -> dict[str, tuple[str, list[str], str]]:
    """The lines that the table is copied as: the page puts those together that it shows, in their order."""
    table, count = metric.accuracies, len(metric.table)
    markdown, latex = statistic_markdown(table).splitlines(), statistic_latex(table).splitlines()
    csv_lines = [_csv_line(row) for row in csv.reader(io.StringIO(statistic_csv(table)))]
    return {
        "CSV": _parted(csv_lines, 1, count),
        "Markdown": _parted(
            markdown, next(place for place, line in enumerate(markdown) if line.startswith("| ---")) + 1, count
        ),
        "LaTeX": _parted(latex, latex.index(r"\midrule") + 1, count),
    }


def _parted(lines: Sequence[str], first: int, count: int) -> tuple[str, list[str], str]:
    before, after = ("".join(f"{line}\n" for line in part) for part in (lines[:first], lines[first + count :]))
    return before, list(lines[first : first + count]), after


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
