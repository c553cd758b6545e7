"""Stored results -> a report: numbers to go on with in Python, and a folder of page, figures and tables."""

import inspect
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import escape

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes.present_titles import present_titles, refuse_registry_of_published
from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.plot_data.scopes import scope_of
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size, find_size
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary
from evalshift.analysis.summary.against import check_against, hold_against
from evalshift.analysis.summary.average_changes import average_changes, changes_table
from evalshift.analysis.summary.published import summarize_published
from evalshift.analysis.summary.stored import summarize, wanted_pairs
from evalshift.analysis.summary.summary_json import to_json
from evalshift.analysis.tables.of_accuracies import check_columns, printed_table
from evalshift.analysis.tables.of_expected_accuracy import verdicts_table
from evalshift.analysis.tables.published_line import distances_table
from evalshift.analysis.tables.read import WRITERS, latex_file, readable_statistic
from evalshift.analysis.tables.table import StatisticTable
from evalshift.errors import AnalysisError, UsageError, did_you_mean, unknown_name
from evalshift.evaluate.store import Results
from evalshift.files import write_atomic
from evalshift.publishing import anonymous as without_author
from evalshift.testbed.published import load_published

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evalshift.analysis.drawing_processes import Drawing
    from evalshift.testbed.registry import Registry

FORMATS = ("html", "png", "pdf", "svg", "csv", "md", "tex")
_FIGURES = ("png", "pdf", "svg")
_ALLOWED = ("html", *_FIGURES, *WRITERS)

# Tables that figures of another name are drawn from.
_TABLE_OF = {"agreement": "pairs", "reliability": "calibration", "risk_coverage": "selective"}


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
        return self._metric("table").table

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The statistics of the chosen metric as tables by name; their columns stand in docs/statistics.md."""
        return {name: table.frame for name, table in self._metric("tables").tables.items()}

    @property
    def statistics(self) -> Statistics:
        """The same as one record of arrays; what is not computed is a `Missing` with the reason."""
        return self._metric("statistics").statistics

    @property
    def fit(self) -> Line:
        """The least-squares line on the chosen scale, with its bootstrap over models as in Recht et al. 2019.

        Raises AnalysisError where there are too few models for one. `line` has the headline's confidence intervals.
        """
        metric = self._metric("fit")
        line = metric.lines[self.summary.scale]
        if line is None:
            raise AnalysisError("there is no line for this pair", where=self.pairs[0], found=" ".join(metric.notes))
        return line

    @property
    def line(self) -> LineEstimate:
        """The line on the chosen scale with the confidence intervals of the headline.

        Raises AnalysisError where there are too few models for one.
        """
        metric = self._metric("line")
        return require(metric.estimate(self.summary.scale))

    @property
    def against(self) -> pd.DataFrame:
        """Effective robustness of each model against the line of the published testbed of `report(against=...)`.

        One row per model; columns as in `Against.table`. Raises AnalysisError where none is compared with one.
        """
        metric = self._metric("against")
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

        drawn_for = custom_size(self._default_size(figure), size, width, font, style)
        custom = any(one is not None for one in (size, title, width, font, style))
        drawn = self._draw(figure, drawn_for if custom else None, choices)
        return remember(with_title(drawn, title, drawn_for), drawn_for)

    def _default_size(self, figure: str) -> Size:
        """The size that a figure has where nothing says which."""
        if len(self.pairs) > 1:
            return PAGE
        with_sets = "ranks" in self.summary.pairs[0].metrics[self.summary.metric].tables
        narrow = figure in ("scatter", "robustness", "classes") or (figure == "ranks" and not with_sets)
        return COLUMN if narrow else PAGE

    def _draw(self, figure: str, size: Size | None, choices: dict[str, Any]) -> "Figure":
        from evalshift.analysis import figures

        if figure == "grid":
            return self._draw_grid(choices, size)
        if figure not in figures.FIGURES:
            raise unknown_name("there is no such figure", figure, (*figures.FIGURES, "grid"))
        several = figure == "scatter" and len(self.pairs) > 1
        _check_choices(figure, figures.multiples_figure if several else figures.FIGURES[figure], choices)
        choices |= {"size": size}
        if figure in ("scatter", "scales"):
            choices |= self._scale_of(choices)
        if several:
            return figures.multiples_figure(self.summary.pairs, self.summary.metric, **choices)
        missing = self._metric("figure", f'draw("{figure}")').missing
        (pair,) = self.summary.pairs
        drawn = figures.FIGURES[figure](pair, self.summary.metric, **choices)
        if drawn is None:
            raise AnalysisError(
                f"there is nothing to draw in the figure {figure}",
                where=pair.name,
                found=missing.get(_TABLE_OF.get(figure, figure)),
            )
        return drawn

    def _scale_of(self, choices: Mapping[str, Any]) -> dict[str, str]:
        """The scale of a figure: the report's, unless another one is chosen."""
        chosen = choices.get("scale", "auto")
        return {"scale": self.summary.scale if chosen == "auto" else chosen}

    def _draw_grid(self, choices: dict[str, Any], size: Size | None) -> "Figure":
        from evalshift.analysis import figures

        _check_choices("grid", figures.grid_figure, choices)
        choices |= {"size": size, **self._scale_of(choices)}
        drawn = figures.grid_figure(self.summary.pairs, **choices)
        if drawn is None:
            raise AnalysisError(
                "there is nothing to draw in the figure grid",
                where=", ".join(self.pairs),
                found="no pair with both top-1 and top-5 accuracies",
            )
        return drawn

    def to_json(self, *, anonymous: bool = False) -> str:
        """All numbers of the report as JSON, the content of summary.json; `anonymous` as in `save`."""
        summary = _anonymous(self.summary) if anonymous else self.summary
        return to_json(summary, {"average_changes": self.average_changes})

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
        out = Path(out)
        stems = _stems(self.summary.pairs)
        drawing = self._begin_figures(out, stems, chosen, drawn_for)
        for name, table in self._tables(stems):
            # A table that nobody reads row by row is one for machines.
            for suffix in (suffix for suffix in WRITERS if suffix in chosen and (table.columns or suffix == "csv")):
                shown = _printed(table, suffix, columns)
                text = latex_file(shown, name) if suffix == "tex" else WRITERS[suffix](shown)
                write_atomic(out / "tables" / f"{name}.{suffix}", text.encode())
        summary = _anonymous(self.summary) if anonymous else self.summary
        write_atomic(out / "summary.json", self.to_json(anonymous=anonymous).encode())
        if "html" not in chosen:
            if drawing is not None:
                drawing.finish()
            return out
        # Whoever wants tables alone need not wait for the readers of datasets, which the page takes pictures from.
        from evalshift.analysis.page import hard_thumbnails, render_page

        thumbnails = {place: picture for pair in self.summary.pairs for place, picture in hard_thumbnails(pair).items()}
        page = render_page(summary, thumbnails).encode()
        if drawing is not None:
            drawing.finish()
        write_atomic(out / "index.html", page)
        return out / "index.html"

    def _tables(self, stems: list[str]) -> Iterable[tuple[str, StatisticTable]]:
        """All tables with the names of their files."""
        for pair, stem in zip(self.summary.pairs, stems, strict=True):
            for name, metric in pair.metrics.items():
                yield f"{stem}_{name}", metric.accuracies
                if metric.against is not None:
                    yield f"{stem}_{name}_against", distances_table(metric.against)
                for table in metric.tables.values():
                    yield f"{stem}_{name}_{table.name}", table
            if pair.expected_accuracy is not None and len(pair.expected_accuracy):
                yield f"{stem}_expected_accuracy", verdicts_table(pair.expected_accuracy, pair.titles)
        if len(self.pairs) > 1:
            yield "average_changes", changes_table(self.summary.pairs, self.summary.level)
        for metric, several in self.summary.several_sets.items():
            for table in several.tables.values():
                yield f"several_sets_{metric}_{table.name}", table

    def _begin_figures(self, out: Path, stems: list[str], formats: set[str], size: Size | None) -> "Drawing | None":
        kinds = sorted(formats & set(_FIGURES))
        if not kinds:
            return None
        # matplotlib takes half a second to import; who wants tables alone need not wait for it.
        from evalshift.analysis.figures_of_report import FiguresOfReport

        return FiguresOfReport(self.summary, stems, out / "figures", kinds, size).begin()

    def _metric(self, wanted: str, asked: str | None = None) -> MetricSummary:
        if len(self.summary.pairs) != 1:
            raise UsageError(
                f"this report holds {len(self.pairs)} pairs, so it has no single {wanted}",
                found=", ".join(self.pairs),
                fix=f"name one: report[{json.dumps(self.pairs[0])}].{asked or wanted}",
            )
        return self.summary.pairs[0].metrics[self.summary.metric]


def report(
    results: Results | str | Path = "results",
    *,
    pairs: Sequence[str] | str | None = None,
    scale: str = "auto",
    metric: str = "top1",
    level: float = 0.95,
    resamples: int = 100_000,
    seed: int = 0,
    published: str | None = None,
    without: Sequence[str] | str | None = None,
    against: str | None = None,
    registry: "str | Path | Registry | None" = None,
    models: Sequence[str] | str | None = None,
    highlight: Sequence[str] | str | None = None,
    add: Results | str | Path | None = None,
    labels: Mapping[str, str] | None = None,
    only: str | None = None,
    reference: str | None = None,
    include: Sequence[str] | str = (),
    corrected_labels: Mapping[str, str | Path] | None = None,
) -> Report:
    """Work out the report of stored results; nothing is written before `.save()`.

    `pairs` are "original:new" (without them, all that were run), `scale` is "linear", "probit", "logit",
    or "auto" for the one with the least leave-one-out error over all pairs, the simplest of those within noise of it
    (linear with fewer than five models); `report.summary.scale` says which. `metric` is "top1" or "top5", `level` that
    of all intervals. `published` names a published testbed, such as "recht2019", to report on instead of results.
    `without` names families that the lines leave out; for a published testbed, and for predictions imported from its
    release, None stands for those that its own publication leaves out. `against`
    names a published testbed to whose line each model is held. `registry` (a path or a Registry; without it,
    ./registry.yaml where there is one) gives the titles of models and datasets; those that it does not know keep the
    titles that were stored with them. `models` are names or globs of the models of the report; lines are fitted to
    these alone. Those of `highlight` (without it, those of your own registry file) are named and marked in every table
    and figure; an empty list is none. `add` is a results folder whose models are shown beside those of `published`, on
    the same pairs, highlighted and left out of the lines. `labels` are what models and datasets are called in place of
    their titles. `only` is the name of a figure to draw: nothing else is computed. `reference` is the model that
    corruption errors are normalised by; without it one that is called alexnet, or on ImageNet-C AlexNet's published
    errors. `include` names tables that are made only when asked for: "item_response", and "pairs" of more than 200
    models. `corrected_labels` are files of corrected labels by dataset, such as {"imagenet": "real.json"}: accuracies
    and ranks by them stand beside those by the dataset's own labels.
    Raises as `summarize`, `summarize_published` and `hold_against` do.
    """
    testbed = None
    if against is not None:
        testbed = load_published(against)  # a misspelt name is found before the work
        if against == published:
            raise UsageError(
                "a published testbed cannot be held against itself",
                found=f'published="{published}", against="{against}"',
                fix="leave one of them out",
            )
    scope = None if only is None else scope_of(only, metric)
    options = ReportOptions(
        scale,
        metric,
        level,
        resamples,
        seed,
        without,
        models,
        highlight,
        labels or {},
        scope,
        reference,
        include,
        corrected_labels or {},
    )
    if add is not None and published is None:
        raise UsageError(
            "results are added to a published testbed alone", found="`add` without `published`", fix="name one"
        )
    if published is not None:
        if corrected_labels:
            raise UsageError(
                "a published testbed has no predictions to hold against corrected labels",
                found=f"corrected_labels={dict(corrected_labels)!r}, published={published!r}",
                fix="import the released predictions, and report on these",
            )
        refuse_registry_of_published(registry, published)
        command = _command(published, True, pairs, against, options)
        added = add if isinstance(add, Results) or add is None else Results(add)
        summary = summarize_published(published, pairs, options=options, command=command, add=added)
    else:
        results = results if isinstance(results, Results) else Results(results)
        if against is not None:  # nothing to hold them against is found before the work
            check_against(against, wanted_pairs(results, pairs))
        # The name alone: where a user's folders lie is nobody else's.
        folder = results.path.name if results.path.is_absolute() else str(results.path)
        command = _command(folder, False, pairs, against, options)
        summary = summarize(
            results, pairs, options=options, command=command, titles=present_titles(registry), against=testbed
        )
    return Report(summary if against is None else hold_against(summary, against, options.named))


def _printed(table: StatisticTable, suffix: str, columns: Sequence[str] | None) -> StatisticTable:
    """The main table with the columns that are printed in this format; any other table as it is."""
    if table.name != "accuracies" or suffix == "csv" or (suffix == "md" and columns is None):
        return table
    return printed_table(table, columns)


def _check_choices(figure: str, draw: Callable[..., Any], choices: Mapping[str, Any]) -> None:
    """UsageError for what this figure does not offer, and for a scale that there is not."""
    offered = [name for name in inspect.signature(draw).parameters if name not in ("pair", "pairs", "metric", "size")]
    for name, value in choices.items():
        if name not in offered:
            raise UsageError(
                f"the figure {figure} does not offer this choice",
                found=f"{name}={value!r}",
                expected=", ".join(("size", *offered)),
                fix=did_you_mean(name, ("size", *offered)),
            )
    if "scale" in choices:
        ReportOptions(scale=choices["scale"])


def _anonymous(summary: Summary) -> Summary:
    """The same report, without what tells who made the predictions."""
    pairs = []
    for pair in summary.pairs:
        models = {
            model: {dataset: without_author(run) for dataset, run in runs.items()}
            for model, runs in pair.provenance.get("models", {}).items()
        }
        datasets = {name: without_author(facts) for name, facts in pair.provenance.get("datasets", {}).items()}
        pairs.append(replace(pair, provenance={**pair.provenance, "models": models, "datasets": datasets}))
    return replace(summary, pairs=tuple(pairs), created="", command="")


def _command(
    source: str,
    published: bool,
    pairs: Sequence[str] | str | None,
    against: str | None,
    options: ReportOptions,
) -> str:
    """What to type to have the same report again: on the command line, or in Python for what only Python offers."""
    named, families, left_open = _listed(pairs), list(options.named), options.without is None
    if options.level != ReportOptions.level:
        shown = ("scale", "metric", "level", "resamples", "seed")
        chosen = ", ".join(f"{name}={getattr(options, name)!r}" for name in shown)
        first = f"published={source!r}" if published else repr(source)
        last = "" if left_open else f", without={families!r}"
        last += "" if against is None else f", against={against!r}"
        last += "".join(
            f", {name}={list(value)!r}"
            for name in ("models", "highlight")
            if (value := getattr(options, name)) is not None
        )
        last += "" if options.reference is None else f", reference={options.reference!r}"
        last += f", include={list(options.include)!r}" if options.include else ""
        corrected = {name: _without_folder(path) for name, path in options.corrected_labels.items()}
        last += f", corrected_labels={corrected!r}" if corrected else ""
        return f"evalshift.report({first}, pairs={named or None!r}, {chosen}{last}).save()"
    words = ["evalshift", "report", "--published" if published else "--results", source]
    words += [word for pair in named for word in ("--pair", pair)]
    words += [word for family in families for word in ("--without", family)]
    if not left_open and not families:
        words += ["--without", "none"]
    words += [] if against is None else ["--against", against]
    words += [word for model in options.models or () for word in ("--models", model)]
    words += [word for model in options.highlight or () for word in ("--highlight", model)]
    words += ["--highlight", "none"] if options.highlight is not None and not options.highlight else []
    words += [] if options.reference is None else ["--reference", options.reference]
    words += [word for table in options.include for word in ("--include", table)]
    for name, path in options.corrected_labels.items():
        words += ["--corrected-labels", f"{name}={_without_folder(path)}"]
    words += [] if options.scale == "auto" else [f"--{options.scale}"]
    words += ["--metric", options.metric]
    words += ["--bootstrap", str(options.resamples), "--seed", str(options.seed)]
    return shlex.join(words)


def _without_folder(path: str | Path) -> str:
    return Path(path).name if Path(path).is_absolute() else str(path)


def _listed(names: Sequence[str] | str | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or [])


def check_formats(
    formats: Sequence[str] | str, allowed: Sequence[str] = _ALLOWED, written: str = "a report is"
) -> list[str]:
    """The formats named in a list or between commas, each once; UsageError for one that is not `allowed`.

    written   what is written and its verb, such as "pixel statistics are"
    """
    wanted = formats.split(",") if isinstance(formats, str) else formats
    wanted = list(dict.fromkeys(format.strip().lower() for format in wanted))
    for format in wanted:
        if format not in allowed:
            raise unknown_name(f"{written} not written in this format", format, allowed)
    return wanted


def _stems(pairs: Iterable[PairSummary]) -> list[str]:
    """A file stem for each pair; a number tells apart those whose names differ only in what file names cannot hold."""
    stems: list[str] = []
    taken: set[str] = set()
    for pair in pairs:
        stem, number = pair.stem, 2
        while stem.lower() in taken:
            stem, number = f"{pair.stem}-{number}", number + 1
        taken.add(stem.lower())
        stems.append(stem)
    return stems
