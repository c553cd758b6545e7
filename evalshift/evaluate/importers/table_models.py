"""Which column, or columns, of a table name the models, and how names in several rows are distinguished."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evalshift.errors import DataError, did_you_mean
from evalshift.evaluate.importers.accuracy_headings import is_accuracy, is_error, is_no_rate, tells_models_apart
from evalshift.evaluate.importers.table_files import MODEL_HEADINGS
from evalshift.evaluate.importers.table_layout import dataset_columns, some
from evalshift.testbed.cells import is_number


@dataclass(frozen=True)
class ModelNames:
    """Names of the models, one per row: in full, and without what tells models of one name apart."""

    names: tuple[str, ...]
    bases: tuple[str, ...]
    rules: tuple[str, ...]


def name_models(
    cells: pd.DataFrame, groups: Sequence[Sequence[int]], wanted: str | Sequence[str] | None, path: Path
) -> ModelNames:
    """The name of the model of each row.

    groups   rows of each dataset that have a value; names are unique in each of them
    wanted   the column; or several, also as `model@img_size` or `model,img_size`, which are joined. None takes the
             usual one, and tells names that are there several times apart by a second one where just one does

    Raises DataError where the column is not there, a name is missing, or names are in several rows.
    """
    keys, rules = _keys(cells, wanted, path)
    bases = [name.strip() for name in cells[keys[0][0]]]
    used = sorted({row for group in groups for row in group})
    nameless = next((row for row in used if not bases[row]), None)
    if nameless is not None:
        raise DataError("a model has no name", where=f"{path}, row {nameless + 2}", found="an empty cell")
    names = [_joined(cells, keys, row) for row in range(len(cells))]
    if _repeated(names, groups):
        if wanted is None:
            return _distinguished(cells, groups, keys[0][0], names, rules, path)
        raise _repeated_names(cells, groups, names, [column for column, _ in keys], path)
    return ModelNames(tuple(names), tuple(bases), tuple(rules))


def _keys(
    cells: pd.DataFrame, wanted: str | Sequence[str] | None, path: Path
) -> tuple[list[tuple[str, str]], list[str]]:
    """Columns of the name, each with what stands before its part."""
    columns = list(cells.columns)
    if wanted is None:
        column = _usual(cells, path)
        rule = f'the column "{column}" names the models' if column else "the first column names the models"
        return [(column, "")], [rule]
    if not isinstance(wanted, str):
        parts = [part for name in wanted for part in ("@", name)][1:]
    else:
        parts = [wanted] if wanted in columns else re.split(r"\s*([@,+])\s*", wanted)
    missing = next((name for name in parts[::2] if name not in columns), None)
    if missing is not None:
        raise DataError(
            f'the table has no column "{missing}"',
            where=path,
            found=some(columns),
            fix=did_you_mean(missing, columns),
        )
    between = ["", *("@" if sign == "," else sign for sign in parts[1::2])]
    return list(zip(parts[::2], between, strict=True)), []


def _usual(cells: pd.DataFrame, path: Path) -> str:
    columns = list(cells.columns)
    lowered = {name.lower().replace(" ", "_").replace("-", "_"): name for name in reversed(columns)}
    order = (*MODEL_HEADINGS[:5], "", *MODEL_HEADINGS[5:])
    for heading in order:
        if heading in lowered and not _counts_rows(cells[lowered[heading]]):
            return lowered[heading]
    raise DataError(
        "it is not clear which column names the models",
        where=path,
        found=some(columns),
        fix="name it with `model_column`",
    )


def _counts_rows(column: pd.Series) -> bool:
    """Whether a column counts the rows, as pandas' index does."""
    numbers = list(column)
    return numbers in ([str(row) for row in range(len(numbers))], [str(row) for row in range(1, len(numbers) + 1)])


def _joined(cells: pd.DataFrame, keys: Sequence[tuple[str, str]], row: int) -> str:
    name = ""
    for column, between in keys:
        part = str(cells[column].iloc[row]).strip()
        name += f"{between}{part}" if part and name else part
    return name


def _repeated(names: Sequence[str], groups: Sequence[Sequence[int]]) -> list[str]:
    """Names that are there more than once in one of the groups, in order."""
    found = dict.fromkeys(
        name for group in groups for name, count in Counter(names[row] for row in group).items() if count > 1
    )
    return list(found)


def _distinguished(
    cells: pd.DataFrame,
    groups: Sequence[Sequence[int]],
    column: str,
    names: Sequence[str],
    rules: Sequence[str],
    path: Path,
) -> ModelNames:
    """Names with the value of the one usual column that tells them apart, where they are there several times."""
    repeated = set(_repeated(names, groups))
    telling = [other for other in _telling(cells, groups, column) if tells_models_apart(other)]
    if len(telling) != 1 or _dataset_column(cells, groups, names) is not None:
        raise _repeated_names(cells, groups, names, [column], path)
    full = [
        _joined(cells, [(column, ""), (telling[0], "@")], row) if name in repeated else name
        for row, name in enumerate(names)
    ]
    if clash := _repeated(full, groups):
        raise DataError("a name is that of two models", where=path, found=some(clash), expected="one row per model")
    several = "1 name is" if len(repeated) == 1 else f"{len(repeated):,} names are"
    rule = f'{several} in several rows, with "{telling[0]}" added: {some(_examples(full, names))}'
    return ModelNames(tuple(full), tuple(names), (*rules, rule))


def _examples(full: Sequence[str], names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one for one, name in zip(full, names, strict=True) if one != name))


def _telling(cells: pd.DataFrame, groups: Sequence[Sequence[int]], column: str) -> list[str]:
    """Columns with which the names of each group are unique."""
    return [
        other
        for other in cells.columns
        if other != column
        and not _is_measured(other, cells[other])
        and not _repeated([f"{one}\0{two}" for one, two in zip(cells[column], cells[other], strict=True)], groups)
    ]


def _is_measured(heading: str, column: pd.Series) -> bool:
    """Whether a column holds results, which tell models apart by chance."""
    if tells_models_apart(heading):
        return False
    if is_accuracy(heading) or is_error(heading) or is_no_rate(heading) or _counts_rows(column):
        return True
    filled = [cell for cell in column if cell]
    return bool(filled) and all(map(is_number, filled)) and any("." in cell for cell in filled)


def _dataset_column(cells: pd.DataFrame, groups: Sequence[Sequence[int]], names: Sequence[str]) -> str | None:
    """The column of datasets, where rows of one name differ in it; None where there is none."""
    repeated = set(_repeated(names, groups))
    rows = [row for group in groups for row in group if names[row] in repeated]
    return next(
        (column for column in dataset_columns(cells) if len(set(cells[column].iloc[rows])) > 1),
        None,
    )


def _repeated_names(
    cells: pd.DataFrame, groups: Sequence[Sequence[int]], names: Sequence[str], keys: Sequence[str], path: Path
) -> DataError:
    repeated = _repeated(names, groups)
    dataset = _dataset_column(cells, groups, names)
    joined = "@".join(keys)
    if dataset is not None:
        groups = [
            [row for row in group if cells[dataset].iloc[row] == value]
            for group in groups
            for value in dict.fromkeys(cells[dataset].iloc[list(group)])
        ]
        remedy = f'`dataset_column` "{dataset}" says that each row is of the dataset named there'
        if len(keys) == 1 and (telling := _best(_telling(cells, groups, keys[0]))):
            still = _repeated(names, groups)
            also = f'; `model_column` "{joined}@{telling[0]}" makes names of two columns'
            remedy += also if still or tells_models_apart(telling[0]) else ""
    elif len(keys) == 1 and (telling := _best(_telling(cells, groups, keys[0]))):
        remedy = " or ".join(f'`model_column` "{joined}@{column}"' for column in telling[:4]) + " tells them apart"
    else:
        remedy = "leave one row per model, or tell them apart by a column of their own, which `model_column` adds"
    return DataError(
        "a name is in several rows",
        where=path,
        found=some(repeated),
        expected="one row per model" if dataset is None else "one row per model, or per model and dataset",
        fix=remedy,
    )


def _best(columns: Sequence[str]) -> list[str]:
    """The usual ones first."""
    return sorted(columns, key=lambda column: not tells_models_apart(column))
