"""What `evalshift.report` gives: numbers to go on with in Python, figures, and a folder of files."""

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
    """What `report` found. With several pairs, index first: `report["original:new"]` is the report of that one."""

    summary: Summary

    def __getitem__(self, pair: str) -> "Report":
        names = self.pairs
        if pair not in names:
            raise unknown_name("this report holds no such pair", pair, names)
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
        """One row per model, best on the original set first; columns as in `MetricSummary`. Of the chosen metric."""
        return single_metric(self.summary, "table").table

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The statistics of the chosen metric as tables by name; their columns stand in docs/statistics.md."""
        return {name: table.frame for name, table in single_metric(self.summary, "tables").tables.items()}

    @property
    def statistics(self) -> Statistics:
        """The same as one record of arrays; what is not computed is a `Missing` with the reason."""
        return single_metric(self.summary, "statistics").statistics

    @property
    def fit(self) -> Line:
        """The least-squares line on the chosen scale, with its bootstrap over models as in Recht et al. 2019.

        Raises AnalysisError where there are too few models for one. `line` has the headline's confidence intervals.
        """
        metric = single_metric(self.summary, "fit")
        line = metric.lines[self.summary.scale]
        if line is None:
            raise AnalysisError("there is no line for this pair", where=self.pairs[0], found=" ".join(metric.notes))
        return line

    @property
    def line(self) -> LineEstimate:
        """The line on the chosen scale with the confidence intervals of the headline.

        Raises AnalysisError where there are too few models for one.
        """
        metric = single_metric(self.summary, "line")
        return require(metric.estimate(self.summary.scale))

    @property
    def against(self) -> pd.DataFrame:
        """Effective robustness of each model against the line of the published testbed of `report(against=...)`.

        One row per model; columns as in `Against.table`. Raises AnalysisError where none is compared with one.
        """
        metric = single_metric(self.summary, "against")
        if metric.against is None:
            raise AnalysisError(
                "no model is held against a published testbed",
                where=self.pairs[0],
                found=" ".join(self.summary.pairs[0].notes) or None,
                fix='ask for one: report(..., against="recht2019")',
            )
        return metric.against.table

    @property
    def average_changes(self) -> pd.DataFrame:
        """Average change of accuracy, one row per pair; columns as in `average_changes.average_changes`."""
        return average_changes(self.summary.pairs)

    @property
    def several_sets(self) -> dict[str, pd.DataFrame]:
        """Tables over all pairs, of the chosen metric, by name; their columns stand in docs/statistics.md.

        Empty where the report has a single pair.
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
        """One of the report's figures, of the chosen metric, as a Figure of matplotlib.

        `figure` is a name of `evalshift.figures.FIGURES`, `size` as in `save`; `title` is written above it, `width` is
        in inches, `font` a size in points, a font family or both ("Times New Roman, 9"), `style` a file of matplotlib
        settings. `choices` are what the function of that name offers besides, such as `xlim=(60, 100)` and
        `everything=True` for the scatter; its line is on the report's scale, or on that of `scale`. With several pairs
        the scatter has a panel for each, and "grid" one for each and each metric; other figures are of one pair.
        `evalshift.figures.save` writes what comes back, fonts embedded.
        Raises UsageError for a figure, a size or a choice that is not there, AnalysisError where this pair has not what
        the figure shows.
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
        """Write the report into the folder `out`; gives the path of index.html, or of the folder without a page.

        `formats` are of html, png, pdf, svg, csv, md and tex, as a list or with commas between; summary.json is always
        written. Figures are drawn for a `size` of "column" (3.4 inches wide), "page" (two columns, 7 inches) or "slide"
        (16:9, 10 inches, large letters); None leaves each its own: a page for those of several panels, else a column.
        `anonymous` leaves out what tells who made the predictions, for double-blind review: machine, time, commit,
        versions, registry entries with their links, names of imported files; names of models and datasets stay.
        `columns` of the main tables in Markdown and LaTeX are of rank, model, family, year, original, new, drop,
        new-rank and delta-rank, in the order given; without them LaTeX has all but family and year.
        Each file is whole or absent; the page comes last, so it never speaks of files that are not there yet.
        Raises UsageError on an unknown format or size before anything is written, StoreError where `out` cannot be
        written to.
        """
        chosen, drawn_for = set(check_formats(formats)), None if size is None else find_size(size)
        check_columns(columns)
        return save_report(self.summary, Path(out), chosen, drawn_for, anonymous=anonymous, columns=columns)
