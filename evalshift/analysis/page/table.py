"""The table of models: its first rows; the script of the page makes the others, alike, from `columns`."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalshift.analysis.page import axes
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.tables.of_accuracies import has_real_changes
from evalshift.titles import UNTITLED, Titles

# Further rows are made while scrolling: laying out thousands of cells takes a second.
AT_FIRST = 80
_OPTIONAL = (
    ("original", "Original"),
    ("new", "New"),
    ("drop", "Drop"),
    ("new-rank", "New rank"),
    ("delta-rank", "Δ rank"),
    ("intervals", "Confidence intervals"),
)


@dataclass(frozen=True)
class ModelTable:
    """The table of one metric.

    rows       one per model, best on the original set first: `AT_FIRST` at most, of `count`
    span       range of the small bars of accuracies, as fractions
    drop_span  the same for drops
    """

    rows: list[dict[Hashable, Any]]
    span: tuple[float, float]
    drop_span: tuple[float, float]
    has_family: bool
    has_year: bool
    real_known: bool
    any_real: bool
    count: int
    titles: Titles = UNTITLED

    @property
    def optional(self) -> tuple[tuple[str, str], ...]:
        """The columns that a reader may hide: their class in the page and their heading."""
        about = [("family", "Family")] * self.has_family + [("year", "Year")] * self.has_year
        return (*_OPTIONAL, *about)

    def share(self, value: float, of_drop: bool = False) -> str:
        """Position of a value in its small bar, in percent of its width."""
        low, high = self.drop_span if of_drop else self.span
        return f"{100 * min(1, max(0, (value - low) / (high - low))):.1f}%"


def model_table(metric: MetricSummary) -> ModelTable:
    """The table of all models; statistically significant rank changes are marked."""
    table = metric.table
    known = table["delta_rank_real"].dropna()
    # A model far off all others, such as those that the lines leave out, would squeeze the bars of the others.
    fitted = table[metric.in_line] if metric.in_line.any() else table
    sides = [fitted[f"{side}_{end}"].to_numpy() for side in ("original", "new") for end in ("low", "high")]
    first = table.assign(highlighted=metric.highlighted)[:AT_FIRST]
    return ModelTable(
        rows=first.astype(object).where(first.notna(), None).to_dict("records"),
        span=axes.limits(*sides, margin=0.0),
        drop_span=axes.limits(
            fitted["drop_low"].to_numpy(), fitted["drop_high"].to_numpy(), pd.Series([0.0]).to_numpy(), margin=0.0
        ),
        has_family=bool(table["family"].notna().any()),
        has_year=bool(table["year"].notna().any()),
        real_known=len(known) > 0,
        any_real=has_real_changes(table),
        count=len(table),
        titles=metric.titles,
    )
