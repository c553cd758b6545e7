"""What `evalshift report` prints: the findings on each pair and its best models."""

from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout, wrapped

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.summary import MetricSummary, Summary

# How many models per pair are printed; the page and the tables hold them all.
_MODELS_PRINTED = 10


def print_findings(summary: "Summary", written: Path) -> None:
    """The findings on each pair in sentences, its best models, and where the report was written."""
    console = stdout()
    for pair in summary.pairs:
        metric = pair.metrics[summary.metric]
        console.print(f"{pair.title}  ({pair.name})" if pair.is_titled else pair.name, style="bold")
        for sentence in (*metric.headline(summary.scale), *metric.findings()):
            console.print(wrapped(sentence))
        for note in pair.notes:
            console.print(wrapped(f"note: {note}"), style="yellow")
        console.print()
        _print_best(metric)
        console.print()
    if len(summary.pairs) > 1:
        _print_changes(summary)
    console.print(wrapped(f"tables: {', '.join(_table_names(summary))}", indent=""))
    if summary.scale_sentence:
        console.print(wrapped(summary.scale_sentence, indent=""))
    for note in summary.notes:
        console.print(wrapped(f"note: {note}", indent=""), style="yellow")
    console.print(f"{'page' if written.is_file() else 'report'}: {written.resolve()}")


def _table_names(summary: "Summary") -> list[str]:
    """Of the chosen metric, those of all pairs and those over several sets, each once: what the report has besides."""
    several = summary.several_sets.get(summary.metric)
    tables = [pair.metrics[summary.metric].tables for pair in summary.pairs]
    return list(dict.fromkeys(name for found in (*tables, several.tables if several else {}) for name in found))


def _print_changes(summary: "Summary") -> None:
    from evalshift.analysis.summary.average_changes import changes_table
    from evalshift.analysis.tables.read import readable_statistic

    table = changes_table(summary.pairs, summary.level)
    stdout().print(table.title, style="bold")
    text = readable_statistic(table)
    text = text.drop(columns=[title for title in text if str(title).endswith("models")])
    print_table([str(title) for title in text], text.to_numpy().tolist(), "ll" + "r" * (len(text.columns) - 2))
    stdout().print()


def _print_best(metric: "MetricSummary") -> None:
    from evalshift.analysis.tables.of_accuracies import SIGNIFICANT, has_real_changes
    from evalshift.analysis.tables.read import readable_statistic

    table = readable_statistic(metric.accuracies).drop(columns=["Rank", "New rank"])
    rows, last = _rows_printed(table.to_numpy().tolist(), metric.highlighted.tolist())
    print_table([str(title) for title in table], rows, "lrrrr")
    if last < len(table):
        stdout().print(f"… and {len(table) - last} more")
    if metric.highlighted.any():
        stdout().print(f"{_HIGHLIGHTED} highlighted")
    if has_real_changes(metric.table):
        stdout().print(SIGNIFICANT)


# Before the name of a highlighted model.
_HIGHLIGHTED = "▸"


def _rows_printed(rows: list[list[str]], highlighted: list[bool]) -> tuple[list[list[str]], int]:
    """The first rows and all highlighted ones, with a row for each gap; and the number of the last row printed."""
    chosen = [place for place, marked in enumerate(highlighted) if marked or place < _MODELS_PRINTED]
    printed, last = [], 0
    for place in chosen:
        if place > last:
            printed.append([f"… {place - last} more …", *[""] * (len(rows[place]) - 1)])
        model, *cells = rows[place]
        printed.append([f"{_HIGHLIGHTED} {model}" if highlighted[place] else model, *cells])
        last = place + 1
    return printed, last
