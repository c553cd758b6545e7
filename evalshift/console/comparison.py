"""What `evalshift compare` prints: the verdict, the accuracies and the differences."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalshift.console.terminal import print_table, stdout, wrapped
from evalshift.formatting import EMPTY, p_cell, percent, points, span

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.comparison.records import Comparison, Differences, PairComparison


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
