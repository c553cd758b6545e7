"""The result of `evalshift.report`: numbers for Python, figures, and files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import escape

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.plot_data.sizes import find_size
from evalshift.analysis.report.files import save_report, summary_json
from evalshift.analysis.report.formats import FORMATS, check_formats
from evalshift.analysis.report.single import single_metric
from evalshift.analysis.report.single_figure import default_size, draw_figure
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.summary import Summary
from evalshift.analysis.summary.average_changes import average_changes
from evalshift.analysis.tables.of_accuracies import check_columns
from evalshift.analysis.tables.read import readable_statistic
from evalshift.errors import AnalysisError, unknown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `report`. With several pairs, index first: `report["original:new"]` is the report of that pair."""

    summary: Summary

    def __getitem__(self, pair: str) -> "Report":
        names = self.pairs
        if pair not in names:
            raise unknown_name("this report does not contain this pair", pair, names)
        return Report(replace(self.summary, pairs=(self.summary.pairs[names.index(pair)],)))

    def __repr__(self) -> str:
        return f"Report({', '.join(self.pairs)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the findings in words, and the table of each pair."""
        parts = []
        for pair in self.summary.pairs:
            metric = pair.metrics[self.summary.metric]
            parts.append(f"<p><b>{escape(pair.name)}</b> {escape(' '.join(metric.headline(self.summary.scale)))}</p>")
            parts.append(readable_statistic(metric.accuracies).to_html(index=False, border=0))
        return "\n".join(parts)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of the pairs, "original:new"."""
        return tuple(pair.name for pair in self.summary.pairs)

    @property
    def table(self) -> pd.DataFrame:
        """One row per model, best on the original set first; columns as in `MetricSummary`. For the report's metric."""
        return single_metric(self.summary, "table").table

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The statistics of the metric as tables by name, with the columns that docs/statistics/tables.md describes."""
        return {name: table.frame for name, table in single_metric(self.summary, "tables").tables.items()}

    @property
    def statistics(self) -> Statistics:
        """The statistics as one record of arrays; those that are not computed are `Missing`, with the reason."""
        return single_metric(self.summary, "statistics").statistics

    @property
    def fit(self) -> Line:
        """The least-squares line on the report's scale, with the bootstrap over models of Recht et al. 2019.

        Raises AnalysisError if there are too few models. `line` has the confidence intervals of the headline.
        """
        metric = single_metric(self.summary, "fit")
        line = metric.lines[self.summary.scale]
        if line is None:
            raise AnalysisError("there is no line for this pair", where=self.pairs[0], found=" ".join(metric.notes))
        return line

    @property
    def line(self) -> LineEstimate:
        """The line on the report's scale, with the confidence intervals of the headline.

        Raises AnalysisError if there are too few models.
        """
        metric = single_metric(self.summary, "line")
        return require(metric.estimate(self.summary.scale))

    @property
    def against(self) -> pd.DataFrame:
        """Effective robustness of each model relative to the line of the testbed in `report(against=...)`.

        One row per model; columns as in `Against.table`. Raises AnalysisError without such a testbed.
        """
        metric = single_metric(self.summary, "against")
        if metric.against is None:
            raise AnalysisError(
                "no model is compared with a published testbed",
                where=self.pairs[0],
                found=" ".join(self.summary.pairs[0].notes) or None,
                fix='ask for one: report(..., against="recht2019")',
            )
        return metric.against.table

    @property
    def average_changes(self) -> pd.DataFrame:
        """Average change in accuracy, one row per pair; columns as in `average_changes.average_changes`."""
        return average_changes(self.summary.pairs)

    @property
    def several_sets(self) -> dict[str, pd.DataFrame]:
        """Tables over all pairs, for the report's metric, by name; docs/statistics/tables.md describes their columns.

        Empty if the report has a single pair.
        """
        found = self.summary.several_sets.get(self.summary.metric)
        return {} if found is None else {name: table.frame for name, table in found.tables.items()}

    def draw(
        self,
        figure: str = "scatter",
        *,
        size: str | None = None,
        title: str | None = None,
        width: float | int | None = None,
        font: float | int | str | None = None,
        style: str | Path | None = None,
        **choices: Any,
    ) -> "Figure":
        """Draw one of the report's figures, for its metric and scale, as a matplotlib Figure.

        figure   a name in `evalshift.figures.FIGURES`
        size     "column", "page" or "slide", as in `save`
        title    title above the figure
        width    width in inches
        font     size in points, a font family, or both: "Times New Roman, 9"
        style    a file of matplotlib settings (.mplstyle), or the name of a style
        choices  further arguments of the figure's function, such as `xlim=(60, 100)` and `everything=True` for the
                 scatter; `scale` replaces the scale of the report

        With several pairs, the scatter has one panel per pair, and "grid" one per pair and metric; other figures are
        for a single pair. Write the result with `evalshift.figures.save`, which embeds fonts.

        Raises UsageError for an unknown figure, size or choice, AnalysisError if this pair lacks what the figure shows.
        """
        from evalshift.analysis.figures.custom import custom_size, remember, with_title

        drawn_for = custom_size(default_size(self.summary, figure), size, width, font, style)
        custom = any(one is not None for one in (size, title, width, font, style))
        drawn = draw_figure(self.summary, figure, drawn_for if custom else None, choices)
        return remember(with_title(drawn, title, drawn_for), drawn_for)

    def to_json(self, *, anonymous: bool = False) -> str:
        """All numbers of the report as JSON, the content of summary.json; `anonymous` as in `save`."""
        return summary_json(self.summary, anonymous=anonymous)

    def save(
        self,
        out: str | Path = "report",
        formats: Sequence[str] | str = FORMATS,
        size: str | None = None,
        *,
        anonymous: bool = False,
        columns: Sequence[str] | None = None,
    ) -> Path:
        """Write the report to the folder `out`; return the path of index.html, or of the folder if there is no page.

        formats    any of html, png, pdf, svg, csv, md and tex, as a list or comma-separated; summary.json is always
                   written
        size       "column" (3.4 inches wide), "page" (two columns, 7 inches) or "slide" (16:9, 10 inches, large text);
                   by default, "page" for figures with several panels and "column" for others
        anonymous  leave out what identifies the authors, for double-blind review: machine, times, commit, versions,
                   registry entries with their links, and names of imported files; names of models and datasets are kept
        columns    columns of the main table in Markdown and LaTeX, in order, from rank, model, family, year, original,
                   new, drop, new-rank and delta-rank; by default, LaTeX has all but family and year

        Each file is written atomically; the page is written last, so it never refers to missing files.

        Raises UsageError for an unknown format or size before anything is written, StoreError if `out` is not writable.
        """
        chosen, drawn_for = set(check_formats(formats)), None if size is None else find_size(size)
        check_columns(columns)
        return save_report(self.summary, Path(out), chosen, drawn_for, anonymous=anonymous, columns=columns)
