"""Tables that lie on their side, and rows of tables that summarize others."""

import re
from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from evalshift.evaluate.importers.accuracies import has_value

_MEANS = frozenset({"mean", "average", "avg", "avg.", "mittelwert", "moyenne", "media"})
_SPREADS = frozenset({"std", "std.", "stdev", "std dev", "standard deviation", "sd", "sem", "stderr"})


def upright(cells: pd.DataFrame, columns: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """The table with a row per model, and a rule where it had a column per model and a row per dataset.

    columns   dataset -> what the user calls its column: where no column has such a name but one column holds all of
              these names, each once, its rows are the datasets
    """
    wanted = list(columns.values())
    if not wanted or any(name in cells.columns for name in wanted):
        return cells, []
    for heading in cells.columns:
        written = [str(cell).strip() for cell in cells[heading]]
        if all(written.count(name) == 1 for name in wanted):
            models = [name for name in cells.columns if name != heading]
            rows = {name: [str(cells[model].iloc[written.index(name)]) for model in models] for name in wanted}
            turned = pd.DataFrame({"model": models, **rows}, dtype=str)
            return turned, [f"the rows of the table are datasets, and its columns models: {len(models):,} of them"]
    return cells, []


def summary_rows(
    names: Sequence[str], bases: Sequence[str], columns: Sequence[tuple[pd.Series, Sequence[int]]]
) -> set[int]:
    """Rows called mean whose numbers are the means of other rows, and rows called standard deviation.

    names, bases   the name of the model of each row, and without what tells rows of one name apart
    columns        of each dataset, the accuracies and the rows with a value
    """
    words = [name.rpartition("@")[2].strip().lower() for name in names]
    spreads = {row for row, word in enumerate(words) if word in _SPREADS}
    means = {row for row, word in enumerate(words) if word in _MEANS}
    found = set(spreads)
    for row in means:
        others = [
            other
            for other in range(len(names))
            if other not in means | spreads and (names[row] == bases[row] or bases[other] == bases[row])
        ]
        if all(_is_mean(column, row, others, filled) for column, filled in columns if row in filled):
            found.add(row)
    return found if len(found) < len(names) else set()


def _is_mean(column: pd.Series, row: int, others: Sequence[int], filled: Sequence[int]) -> bool:
    cells = list(column)
    value, numbers = _number(cells[row]), [_number(cells[other]) for other in others if other in filled]
    known = [number for number in numbers if number is not None]
    if value is None or not known or len(known) < len(numbers):
        return False
    digits = max((len(str(cells[place]).strip(" %").partition(".")[2]) for place in (row, *others)), default=0)
    return abs(fmean(known) - value) <= 1.1 * 10.0**-digits


def _number(cell: str) -> float | None:
    text = str(cell).strip().removesuffix("%").strip().replace(",", ".")
    return float(text) if has_value(cell) and re.fullmatch(r"\d+(\.\d+)?", text) else None
