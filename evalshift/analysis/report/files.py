"""A report as files: figures, tables, numbers and the page."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from evalshift.analysis.plot_data.drawn_part import drawn_part
from evalshift.analysis.plot_data.sizes import Size
from evalshift.analysis.report.figures import FiguresOfReport
from evalshift.analysis.report.formats import FIGURE_FORMATS
from evalshift.analysis.report.work_processes import SharedWork
from evalshift.analysis.summary import PairSummary, Summary
from evalshift.analysis.summary.average_changes import average_changes, changes_table
from evalshift.analysis.summary.summary_json import to_json
from evalshift.analysis.tables.of_accuracies import printed_table
from evalshift.analysis.tables.of_expected_accuracy import verdicts_table
from evalshift.analysis.tables.published_line import distances_table
from evalshift.analysis.tables.read import WRITERS, latex_file
from evalshift.analysis.tables.table import StatisticTable
from evalshift.files import flush_folders, write_atomic
from evalshift.publishing import anonymous as without_author


def summary_json(summary: Summary, *, anonymous: bool) -> str:
    """All numbers of the report as JSON, the content of summary.json; `anonymous` as in `Report.save`."""
    shown = _anonymous(summary) if anonymous else summary
    return to_json(shown, {"average_changes": average_changes(summary.pairs)})


def save_report(
    summary: Summary,
    out: Path,
    formats: set[str],
    size: Size | None,
    *,
    anonymous: bool = False,
    columns: Sequence[str] | None = None,
) -> Path:
    """Write the report into the folder `out`, as `Report.save` says; gives the path of the page, or of the folder.

    Formats and columns are valid. Each file is whole or absent. The page comes last, when all others are on
    the disk: where it is there, they are whole after a power cut, too.
    """
    stems = _stems(summary.pairs)
    drawing = _begin_figures(summary, out / "figures", stems, formats, size)
    for name, table in _tables(summary, stems):
        # Long tables are for machines, not for reading.
        for suffix in (suffix for suffix in WRITERS if suffix in formats and (table.columns or suffix == "csv")):
            shown = _printed(table, suffix, columns)
            text = latex_file(shown, name) if suffix == "tex" else WRITERS[suffix](shown)
            write_atomic(out / "tables" / f"{name}.{suffix}", text.encode(), durable=False)
    write_atomic(out / "summary.json", summary_json(summary, anonymous=anonymous).encode())
    page = None
    if "html" in formats:
        # Imported here: only the page needs the dataset readers, for its pictures.
        from evalshift.analysis.page import hard_thumbnails, render_page

        missing: dict[str, str] = {}
        thumbnails: dict[tuple[str, int], str] = {}
        for pair in summary.pairs:
            thumbnails |= hard_thumbnails(pair, missing)
        page = render_page(_anonymous(summary) if anonymous else summary, thumbnails, missing)
    if drawing is not None:
        drawing.finish()
    flush_folders((out / "figures", out / "tables"))
    if page is None:
        return out
    write_atomic(out / "index.html", page.encode())
    return out / "index.html"


def _begin_figures(
    summary: Summary, out: Path, stems: list[str], formats: set[str], size: Size | None
) -> SharedWork[None] | None:
    kinds = sorted(formats & set(FIGURE_FORMATS))
    return FiguresOfReport(drawn_part(summary), stems, out, kinds, size).begin() if kinds else None


def _tables(summary: Summary, stems: list[str]) -> Iterable[tuple[str, StatisticTable]]:
    """All tables with the names of their files."""
    for pair, stem in zip(summary.pairs, stems, strict=True):
        for name, metric in pair.metrics.items():
            yield f"{stem}_{name}", metric.accuracies
            if metric.against is not None:
                yield f"{stem}_{name}_against", distances_table(metric.against)
            for table in metric.tables.values():
                yield f"{stem}_{name}_{table.name}", table
        if pair.expected_accuracy is not None and len(pair.expected_accuracy):
            yield f"{stem}_expected_accuracy", verdicts_table(pair.expected_accuracy, pair.titles)
    if len(summary.pairs) > 1:
        yield "average_changes", changes_table(summary.pairs, summary.level)
    for metric, several in summary.several_sets.items():
        for table in several.tables.values():
            yield f"several_sets_{metric}_{table.name}", table


def _printed(table: StatisticTable, suffix: str, columns: Sequence[str] | None) -> StatisticTable:
    """The main table with the columns that are printed in this format; any other table as it is."""
    if table.name != "accuracies" or suffix == "csv" or (suffix == "md" and columns is None):
        return table
    return printed_table(table, columns)


def _anonymous(summary: Summary) -> Summary:
    """The report without information that identifies who made the predictions."""
    pairs = []
    for pair in summary.pairs:
        models = {
            model: {dataset: without_author(run) for dataset, run in runs.items()}
            for model, runs in pair.provenance.get("models", {}).items()
        }
        datasets = {name: without_author(facts) for name, facts in pair.provenance.get("datasets", {}).items()}
        pairs.append(replace(pair, provenance={**pair.provenance, "models": models, "datasets": datasets}))
    return replace(summary, pairs=tuple(pairs), created="", command="")


def _stems(pairs: Iterable[PairSummary]) -> list[str]:
    """A file stem for each pair; a number is added if names differ only in characters that file names cannot have."""
    stems: list[str] = []
    taken: set[str] = set()
    for pair in pairs:
        stem, number = pair.stem, 2
        while stem.lower() in taken:
            stem, number = f"{pair.stem}-{number}", number + 1
        taken.add(stem.lower())
        stems.append(stem)
    return stems
