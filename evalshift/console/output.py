"""The output of each command, from the records that the library returns: results to stdout, errors to stderr."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalshift.console.terminal import print_table, stderr, stdout, wrapped
from evalshift.errors import EvalshiftError
from evalshift.formatting import EMPTY, name_some, p_cell, percent, points, signed_points, span
from evalshift.titles import distinct

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.atlas.model_record import ModelRecord, PairResult
    from evalshift.analysis.comparison.records import Comparison, Differences, PairComparison
    from evalshift.analysis.plot_data.sizes import Size
    from evalshift.analysis.summary import MetricSummary, Summary
    from evalshift.analysis.tables.table import StatisticTable
    from evalshift.evaluate.choice import Choice
    from evalshift.evaluate.decode_cache import DecodeCache
    from evalshift.evaluate.importers.predictions import ImportReport
    from evalshift.evaluate.plan import Job, Plan
    from evalshift.evaluate.predictions import Failure
    from evalshift.testbed.building import BuildResult
    from evalshift.testbed.pixels import PixelStatistics
    from evalshift.testbed.registry import Registry
    from evalshift.testbed.state import State
    from evalshift.testbed.verification import Verified

# How many models per pair a report prints; its page and tables hold them all.
_MODELS_PRINTED = 10


def print_cache(cache: "DecodeCache", as_json: bool) -> None:
    """The files of decoded images, the least recently used first, and how much room they take."""
    from rich.filesize import decimal

    from evalshift.evaluate.decode_cache import age_text, geometry_text

    entries = cache.entries()
    if as_json:
        import json

        shown = [
            {
                "dataset": entry.dataset,
                "images": entry.shape[0],
                "height": entry.shape[1],
                "width": entry.shape[2],
                "geometry": geometry_text(entry.geometry),
                "bytes": entry.bytes,
                "last_used": entry.last_used,
                "path": str(entry.path),
            }
            for entry in entries
        ]
        stdout().print_json(json.dumps(shown))
        return
    rows = [
        (
            entry.dataset or "unknown format",
            f"{entry.shape[0]:,}",
            f"{entry.shape[1]} × {entry.shape[2]}",
            geometry_text(entry.geometry),
            decimal(entry.bytes),
            age_text(entry),
        )
        for entry in entries
    ]
    if rows:
        print_table(("dataset", "images", "pixels", "preprocessing", "size", "last used"), rows, "lrrlrl")
    total = sum(entry.bytes for entry in entries)
    stdout().print(f"{decimal(total)} of at most {decimal(cache.limit)}, in {cache.folder}", soft_wrap=True)


def print_choice(chosen: "Choice", registry: "Registry") -> None:
    """What was chosen from a registry."""
    from evalshift.evaluate.choice import choice_lines

    stdout().print("\n".join(choice_lines(chosen, registry)))


def print_plan(plan: "Plan", registry: "Registry", results: Path, downloads: str | None = None) -> None:
    """What a run would do, and why; `downloads` is what it would download first, in a line."""
    print_choice(plan.chosen, registry)
    if downloads:
        stdout().print(f"plan      {downloads}")
    if plan.done:
        stdout().print(f"skipped   {len(plan.done)}, stored and still valid")
    if plan.jobs:
        stdout().print(f"to run    {len(plan.jobs)}\n")
        print_table(("model", "on", "why"), _by_model(plan.jobs))
    else:
        stdout().print(f"nothing to do: everything is in {results}")


def _by_model(jobs: Sequence["Job"]) -> list[tuple[str, str, str]]:
    """One row per model and reason: usually, one reason holds for all datasets of a model."""
    datasets: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        datasets.setdefault((job.model, job.reason), []).append(job.dataset)
    return [(model, ", ".join(names), reason) for (model, reason), names in datasets.items()]


def print_failures(failures: Sequence["Failure"], results: Path) -> None:
    """Repeat the models that failed at the end of the output."""
    others = any((results / "predictions").rglob("*.parquet"))
    where = f"the other predictions are in {results}" if others else "no predictions are stored"
    stderr().print(f"\n{len(failures)} failed; {where}:", style="bold red")
    for failure in failures:
        on = f" on {failure.dataset}" if failure.dataset else ""
        stderr().print(f"  {failure.model}{on}: {failure.error.splitlines()[0]}")


def print_states(states: Sequence[tuple[str, str, "State"]]) -> None:
    """Whether each dataset and model can be run, and what is missing."""
    rows = [(kind, name, state.words, _nearer(state.source)) for kind, name, state in states]
    print_table(("", "name", "state", "from"), rows)
    missing = [name for _, name, state in states if not state.can_run]
    if missing:
        stdout().print(f"\nmissing: {', '.join(missing)}", style="red")
    else:
        stdout().print("\nall can run")


def states_json(registry: "Registry", chosen: "Choice", device: str, states: Sequence[tuple[str, str, "State"]]) -> str:
    """What `print_choice` and `print_states` say, as JSON: the registry, the pairs, and each dataset and model."""
    content = {
        "registry": str(registry.path),
        "pairs": [str(pair) for pair in chosen.pairs],
        "device": device,
        "can_run": all(state.can_run for _, _, state in states),
        **{
            f"{wanted}s": [
                {"name": name, "can_run": state.can_run, "state": state.words, "from": _nearer(state.source)}
                for kind, name, state in states
                if kind == wanted
            ]
            for wanted in ("dataset", "model")
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def print_built(built: Sequence["BuildResult"], errors: Sequence[EvalshiftError]) -> None:
    """Every error of a registry and of building its models, the models that were not built, and how many were."""
    console = stdout()
    found = [*errors, *(one.error for one in built if one.error is not None)]
    for error in found:
        console.print(f"{error}\n", soft_wrap=True)
    for reason in dict.fromkeys(one.missing for one in built if one.missing is not None):
        names = ", ".join(one.model for one in built if one.missing == reason)
        console.print(f"not built: {names}: {reason}", soft_wrap=True)
    models = sum(one.error is None and one.missing is None for one in built)
    words = f"{models:,} {'model builds' if models == 1 else 'models build'}"
    console.print(words if not found else f"{words}; {len(found):,} error{'s' if len(found) > 1 else ''}")


def print_verified(found: Mapping[str, "Verified"]) -> None:
    """Whether the files of each dataset are intact."""
    rows = []
    for name, one in found.items():
        files = f"{one.files} files, " if one.files else ""
        words = "; ".join(one.faults or (f"{files}{one.images:,} images", *one.warnings))
        rows.append((name, "damaged" if one.faults else "intact", words))
    if rows:
        print_table(("dataset", "state", "verified"), rows)
    else:
        stdout().print("no dataset is on disk; download one with evalshift fetch NAME")


def print_stats(found: Sequence["PixelStatistics"], written: Sequence[Path]) -> None:
    """Mean and standard deviation of each channel, as `preprocess` takes them, and where the rest was written.

    Those of the training set stand below, where they are known: models expect these.
    """
    from evalshift.testbed.training_pixels import training_pixels

    def listed(values: Iterable[float]) -> str:
        return f"[{', '.join(f'{value:.4f}' for value in values)}]"

    titles = distinct({one.dataset: one.title or one.dataset for one in found})
    rows = [(titles[one.dataset], f"{one.images:,}", listed(one.mean), listed(one.std)) for one in found]
    for known in dict.fromkeys(filter(None, (training_pixels(one.dataset) for one in found))):
        if known.title in titles.values():
            continue
        source = f" ({known.source})" if known.source else ""
        rows.append((f"{known.title}{source}", f"{known.images:,}", listed(known.mean), listed(known.std)))
    print_table(("dataset", "images", "mean", "std"), rows, "lrll")
    if written:
        stdout().print(f"\n{', '.join(map(str, written))}")


def write_stats(
    found: Sequence["PixelStatistics"], folder: Path, formats: Sequence[str], size: "Size | None" = None
) -> list[Path]:
    """The intensity histograms as a figure and as a table."""
    import pandas as pd

    from evalshift.analysis.figures import intensities_figure, save
    from evalshift.files import file_name, write_atomic

    stem = folder / file_name("_vs_".join(one.dataset for one in found) + "_intensities")
    written = []
    drawn = [format for format in formats if format != "csv"]
    if drawn:
        written += save(intensities_figure(found, size), stem, drawn)
    if "csv" in formats:
        rows = [
            {"dataset": one.dataset, "channel": channel, "intensity": intensity, "pixels": int(count)}
            for one in found
            for channel, counts in enumerate(one.histogram)
            for intensity, count in enumerate(counts)
        ]
        path = stem.with_name(f"{stem.name}.csv")
        write_atomic(path, pd.DataFrame(rows).to_csv(index=False).encode())
        written.append(path)
    return written


def _nearer(place: str) -> str:
    """A path as seen from the working folder, where it lies in there."""
    here = Path.cwd()
    return str(Path(place).relative_to(here)) if Path(place).is_relative_to(here) else place


def print_import(report: "ImportReport", results: Path) -> None:
    """The accuracies of imported models, the rules applied, implausible predictions, and the pairs to report on."""
    if len(report.models) <= _MODELS_PRINTED:
        rows = [
            (one.model, one.dataset, f"{one.images:,}", _percent(one.top1, one.images), _percent(one.top5, one.images))
            for one in report.models
        ]
        print_table(("model", "dataset", "images", "top-1", "top-5"), rows, "llrrr")
    else:
        rows = []
        for dataset in dict.fromkeys(one.dataset for one in report.models):
            ones = [one for one in report.models if one.dataset == dataset]
            best, worst = max(ones, key=lambda one: one.top1), min(ones, key=lambda one: one.top1)
            span = [f"{_percent(one.top1, one.images)} ({one.model})" for one in (best, worst)]
            rows.append((dataset, f"{best.images:,}", str(len(ones)), *span))
        print_table(("dataset", "images", "models", "best top-1", "worst top-1"), rows, "lrrll")
    console = stdout()
    console.print()
    for rule in report.rules:
        console.print(wrapped(f"rule: {rule}", indent=""))
    for note in _review(report, results):
        console.print(wrapped(f"note: {note}", indent=""), style="yellow")
    console.print(f"results: {results}")
    if report.pairs:
        console.print(f"pairs for `evalshift report`: {', '.join(report.pairs)}")


def _review(report: "ImportReport", results: Path) -> tuple[str, ...]:
    """Notes on implausible predictions among those imported, which are stored unchanged."""
    with stderr().status("checking the predictions"):
        from evalshift.analysis.checks.review import review_predictions
        from evalshift.evaluate.store import Results

        return review_predictions(Results(results), [(one.dataset, one.model) for one in report.models])


def _percent(correct: int | None, images: int) -> str:
    return "" if correct is None else f"{percent(correct / images, 2)} %"


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


# More models than that make a matrix wider than a screen.
_MOST_IN_MATRIX = 15
_COMPARED = {
    "original": "accuracy on {original}",
    "new": "accuracy on {new}",
    "drop": "drop",
    "robustness": "effective robustness",
}


def print_comparison(comparison: "Comparison") -> None:
    """The verdict on each pair, the accuracies of the models, and their differences."""
    console = stdout()
    for number, pair in enumerate(comparison.pairs):
        if number:
            console.print()
        console.print(pair.name, style="bold")
        console.print(wrapped(pair.verdict))
        if pair.scale_sentence:
            console.print(wrapped(pair.scale_sentence))
        for note in pair.notes:
            console.print(wrapped(f"note: {note}"), style="yellow")
        console.print()
        _print_accuracies(pair)
        console.print()
        if len(pair.models) == 2:
            _print_two(pair)
        elif len(pair.models) <= _MOST_IN_MATRIX:
            for quantity in pair.differences:
                _print_matrix(pair, quantity)
        else:
            console.print(f"--json prints the differences of all pairs of the {len(pair.models)} models")


def _print_accuracies(pair: "PairComparison") -> None:
    rows = []
    for row in pair.accuracy_table.to_dict("records"):
        accuracies = [
            f"{percent(row[f'{side}_accuracy'])} [{percent(row[f'{side}_low'])}, {percent(row[f'{side}_high'])}]"
            for side in ("original", "new")
        ]
        distance = row["robustness"]
        rows.append(
            (
                pair.titles.model(row["model"]),
                *accuracies,
                points(row["drop"]),
                EMPTY if math.isnan(distance) else points(distance),
                _rank_at_accuracy(row),
            )
        )
    names = [f"{pair.titles.dataset(name)} (%)" for name in (pair.original, pair.new)]
    header = ("model", *names, "drop (points)", "effective robustness (points)", "rank at the same accuracy")
    print_table(header, rows, "lrrrrr")
    if any(row[-1] != EMPTY for row in rows):
        stdout().print(
            wrapped(
                "rank: by effective robustness, among the models whose original accuracy does not differ "
                f"significantly, with its {100 * pair.level:g} % confidence set",
                indent="",
            )
        )


def _rank_at_accuracy(row: Mapping[Any, Any]) -> str:
    if not row["same_accuracy_models"]:
        return EMPTY
    low, high = int(row["same_accuracy_rank_low"]), int(row["same_accuracy_rank_high"])
    return f"{int(row['same_accuracy_rank']):,} of {int(row['same_accuracy_models']) + 1:,} [{low:,}, {high:,}]"


def _print_two(pair: "PairComparison") -> None:
    rows = []
    for row in pair.table.to_dict("records"):
        only = (row["only_1"], row["only_2"])
        rows.append(
            (
                _compared(pair, row["quantity"]),
                points(row["difference"]),
                span(row["low"], row["high"]),
                p_cell(row["p_value"]),
                *(f"{count:,}" if isinstance(count, int) else "" for count in only),
            )
        )
    first, second = map(pair.titles.model, pair.models)
    header = ("in points", f"{first} − {second}", f"{100 * pair.level:g} % CI", "p", f"only {first}", f"only {second}")
    print_table(header, rows, "lrrrrr")
    if pair.only is not None:
        stdout().print(wrapped(f"only: images that {first} or {second} alone classifies correctly", indent=""))


def _print_matrix(pair: "PairComparison", quantity: str) -> None:
    from evalshift.analysis.pair_statistics.missing import computed

    if quantity not in (differences := computed(pair.differences)):
        return
    found = differences[quantity]
    rows = []
    for first, model in enumerate(pair.models):
        cells = [_difference(pair, found, first, second) for second in range(len(pair.models))]
        rows.append((str(first + 1), pair.titles.model(model), *cells))
    mark = "* 0 is outside the confidence interval" if pair.only is None else "* significant (Holm)"
    stdout().print(f"{_compared(pair, quantity)}: row minus column, points; {mark}", style="bold")
    columns = [f"{number} " for number in range(1, len(pair.models) + 1)]
    print_table(("", "model", *columns), rows, "rl" + "r" * len(columns))
    stdout().print()


def _difference(pair: "PairComparison", found: "Differences", first: int, second: int) -> str:
    if first == second:
        return ""
    mark = "*" if found.is_significant(first, second, pair.level) else " "
    return f"{points(float(found.difference[first, second]))}{mark}"


def _compared(pair: "PairComparison", quantity: str) -> str:
    titles = {"original": pair.titles.dataset(pair.original), "new": pair.titles.dataset(pair.new)}
    return _COMPARED[quantity].format(**titles)


def print_models(records: "Sequence[ModelRecord]", others: Sequence[str]) -> None:
    """What published testbeds say of models: facts, a table of sets, a table of pairs."""
    for record in records:
        testbed, model = record.found.testbed, record.found.model
        details = {pair.partition(":")[2] for pair in testbed.details}
        stdout().print(f"{model.name}  ({testbed.title})", style="bold")
        stdout().print(wrapped(_model_facts(record)))
        rows = [
            (
                one.title,
                f"top-{one.metric.removeprefix('top')}",
                f"{percent(one.accuracy)} {span(one.interval.low, one.interval.high)}",
                f"{one.correct:,} of {one.images:,}",
                f"{one.rank:,} of {one.models:,}",
            )
            for one in record.sets
            if one.dataset not in details
        ]
        print_table(("test set", "metric", "accuracy (%), 95 % CI", "correct", "rank"), rows, "llrrr")
        if record.pairs:
            stdout().print()
            _print_pairs(record)
        if more := [one.title for one in record.sets if one.dataset in details]:
            stdout().print(wrapped(f"not shown, see --json: {name_some(more)}", indent=""))
        stdout().print()
    if others:
        stdout().print(wrapped(f"other weights of this network: {', '.join(others)}", indent=""))


def _model_facts(record: "ModelRecord") -> str:
    facts = record.found.testbed.attributes(record.found.model)
    parts = [
        str(facts.get("family_title", facts.get("family", "family unknown"))),
        f"year {facts['year']}" if "year" in facts else "year unknown",
        f"trained on {facts['training_data_title']}" if "training_data" in facts else "training data unknown",
        *([f"{facts['parameters'] / 1e6:,.4g} million parameters"] if "parameters" in facts else []),
        *([f"{facts['image_size']} × {facts['image_size']} pixels"] if "image_size" in facts else []),
        *(str(facts[name]) for name in ("architecture", "venue") if name in facts),
        *([] if record.found.model.exact else ["counts worked out from rounded accuracies"]),
    ]
    source = record.found.testbed.source
    return "; ".join(parts) + (f" (source: {source})" if source else "")


def _print_pairs(record: "ModelRecord") -> None:
    def distance(value: float | None, p_value: float | None) -> tuple[str, str]:
        return (EMPTY, EMPTY) if value is None or p_value is None else (signed_points(value), p_cell(p_value))

    rows = [
        (
            one.title,
            points(one.drop),
            *distance(one.distance, one.p_holm),
            *distance(one.group_distance, one.group_p_holm),
            f"{one.models:,}; {one.group_models:,}",
            _matched_rank(one),
        )
        for one in record.pairs
    ]
    header = (
        "pair",
        "drop (points)",
        "from the line",
        "p (Holm)",
        "same training data",
        "p (Holm)",
        "models",
        "rank at the same accuracy",
    )
    print_table(header, rows, "lrrrrrrr")
    stdout().print(
        wrapped(
            "Distances in points, above the line positive, on the probit scale: from the line through the other "
            "models, and through the others trained on the same data. p: no farther off than these models scatter. "
            "Rank: by this distance, among the models whose original accuracy does not differ significantly, with its "
            "95 % confidence set.",
            indent="",
        )
    )


def _matched_rank(pair: "PairResult") -> str:
    if pair.matched_rank is None:
        return EMPTY
    return (
        f"{pair.matched_rank:,} of {pair.matched_models + 1:,} [{pair.matched_rank_low:,}, {pair.matched_rank_high:,}]"
    )


def print_statistics(tables: Mapping[str, "StatisticTable"]) -> None:
    """Tables in readable form, each under its title."""
    from evalshift.analysis.tables.read import readable_statistic

    for table in tables.values():
        text = readable_statistic(table)
        sides = "".join("l" if column.is_text else "r" for column in table.shown)
        stdout().print(f"\n{table.title}", style="bold")
        print_table(list(text.columns), text.to_numpy().tolist(), sides)


def write_statistics(tables: Mapping[str, "StatisticTable"], folder: Path) -> None:
    """Tables as CSV, with all rows in full precision, and as Markdown."""
    from evalshift.analysis.tables.read import WRITERS
    from evalshift.files import write_atomic

    for name, table in tables.items():
        for suffix in ("csv", "md"):
            write_atomic(folder / f"{name}.{suffix}", WRITERS[suffix](table).encode())
