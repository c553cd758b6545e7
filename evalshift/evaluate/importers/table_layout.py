"""Which cells of a table are the accuracies of which dataset: in a column for each, or in rows of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.accuracies import has_value, images_in_cells
from evalshift.evaluate.importers.accuracy_headings import (
    is_accuracy,
    is_error,
    is_no_rate,
    is_other_score,
    tells_models_apart,
    top5_beside,
)
from evalshift.evaluate.importers.dataset_names import known_dataset
from evalshift.evaluate.importers.headings import plain
from evalshift.formatting import name_some

_DATASETS = (
    *("dataset", "datasets", "datasetname", "evaldataset", "testdataset", "evalset", "testset", "benchmark"),
    *(
        "testdata",
        "evaldata",
        "dataname",
        "data",
        "evaluationdataset",
        "targetdataset",
        "shift",
        "domain",
        "task",
        "split",
    ),
)


@dataclass(frozen=True)
class DatasetCells:
    """Where the accuracies on one dataset are.

    top1, top5   columns; top5 is None where there is none
    rows         those of this dataset; of a table with a row for each model and dataset, only those with a value
    """

    dataset: str
    top1: str
    top5: str | None
    rows: tuple[int, ...]

    def filled(self, cells: pd.DataFrame) -> list[int]:
        """Its rows with a value."""
        column = list(cells[self.top1])
        return [row for row in self.rows if has_value(column[row])]

    def images_written(self, cells: pd.DataFrame) -> int | None:
        """The number of images that its cells say themselves, as 9350/10000 does."""
        column = list(cells[self.top1])
        return images_in_cells([column[row] for row in self.rows])


@dataclass(frozen=True)
class TableLayout:
    """Where the accuracies on all datasets are.

    chosen   whether the datasets were named by the user; else they are all that are known
    """

    datasets: tuple[DatasetCells, ...]
    chosen: bool
    rules: tuple[str, ...]


def find_layout(
    cells: pd.DataFrame,
    path: Path,
    is_dataset: Callable[[str], bool],
    *,
    columns: Mapping[str, str] | str | None = None,
    top5: Mapping[str, str] | None = None,
    dataset_column: str | None = None,
    dataset_names: Mapping[str, str] | None = None,
    error: bool = False,
) -> TableLayout:
    """Where the accuracies on each dataset are.

    columns         dataset -> column; one column for all, where rows are of datasets; None finds them
    top5            dataset -> column of top-5 accuracies
    dataset_column  the column that names the dataset of a row
    dataset_names   what the table calls a dataset -> what it is called here
    error           the columns hold error rates

    Raises UsageError or DataError where it is not clear which column is which.
    """
    heading = _Headings(cells, path, error)
    own = dict(dataset_names or {})
    if dataset_column is not None:
        heading.check_there(dataset_column)
        layout = _long(cells, heading, is_dataset, columns, dataset_column, own)
    else:
        layout = _wide(cells, heading, is_dataset, columns, own)
    known = [one.dataset for one in layout.datasets]
    strange = [dataset for dataset in top5 or {} if dataset not in known]
    if strange:
        raise UsageError(
            "`top5` names a dataset that no column belongs to",
            found=some(strange),
            expected=some(known),
            fix=did_you_mean(strange[0], known),
        )
    rules = list(layout.rules)
    datasets = [_with_top5(one, heading, (top5 or {}).get(one.dataset), rules) for one in layout.datasets]
    return TableLayout(tuple(datasets), layout.chosen, tuple(rules))


def dataset_columns(cells: pd.DataFrame) -> list[str]:
    """Columns that are called as one is that names the dataset of each row, the likeliest first."""
    named = {plain(name): name for name in reversed(list(cells.columns))}
    return [named[heading] for heading in _DATASETS if heading in named]


def some(names: Sequence[str], limit: int = 8) -> str:
    """The first few names, and how many more there are."""
    return name_some([name or '""' for name in names], limit)


class _Headings:
    """The columns of a table, and whether they can be what they are taken for."""

    def __init__(self, cells: pd.DataFrame, path: Path, error: bool) -> None:
        self.names: list[str] = list(cells.columns)
        self.path, self.error = path, error

    def check_there(self, column: str) -> None:
        if column not in self.names:
            raise DataError(
                f'the table has no column "{column}"',
                where=self.path,
                found=some(self.names),
                fix=did_you_mean(column, self.names),
            )

    def check_rates(self, column: str) -> str:
        """The column, which is there and holds accuracies, or error rates where these are requested."""
        self.check_there(column)
        beside = self._beside(column)
        if is_no_rate(column):
            raise self._no_accuracy(column, "no accuracies", beside)
        if is_other_score(column):
            remedy = "an accuracy is the share of all images that are predicted correctly"
            raise self._no_accuracy(column, "another measure, by its name", beside or remedy)
        if is_error(column) and not self.error:
            either = f"{beside}; " if beside else ""
            raise self._no_accuracy(column, "error rates", f"{either}`error` says that numbers are error rates")
        if self.error and not is_error(column) and (is_accuracy(column) or self._is_one_of_both(column)):
            raise self._no_accuracy(column, "accuracies, by its name", "leave out `error`, or name a column of errors")
        return column

    def _no_accuracy(self, column: str, what: str, remedy: str | None) -> UsageError:
        expected = "a column of error rates" if self.error else "a column of accuracies"
        return UsageError(
            f'the column "{column}" holds {what}',
            where=self.path,
            found=some(self.names),
            expected=expected,
            fix=remedy,
        )

    def _beside(self, column: str) -> str | None:
        fitting = is_error if self.error else is_accuracy
        usual = [name for name in self.names if fitting(name) and name != column]
        stem = [name for name in usual if column.lower().startswith(name.lower())]
        found = (stem or usual)[:3]
        return f"use {'one of' if len(found) > 1 else 'the column'} {', '.join(map(_quoted, found))}" if found else None

    def _is_one_of_both(self, column: str) -> bool:
        """Whether errors are in a column of the same name with an ending."""
        return any(is_error(name) and name.lower().startswith(column.lower()) for name in self.names)

    def usual(self) -> list[str]:
        fitting = is_error if self.error else is_accuracy
        return [name for name in self.names if fitting(name)]


def _quoted(name: str) -> str:
    return f'"{name}"'


# ------------------------------------------------------------------------------------------------- a column per dataset


def _wide(
    cells: pd.DataFrame,
    heading: _Headings,
    is_dataset: Callable[[str], bool],
    columns: Mapping[str, str] | str | None,
    own: Mapping[str, str],
) -> TableLayout:
    rows = tuple(range(len(cells)))
    long = dataset_columns(cells)
    if isinstance(columns, str):
        other = f', or `dataset_column` "{long[0]}" if that column names the dataset of each row' if long else ""
        raise UsageError(
            f'it is not said which dataset the column "{columns}" belongs to',
            where=heading.path,
            expected="DATASET=COLUMN",
            fix=f"such as `columns` imagenet={columns}{other}",
        )
    if columns:
        _refuse_long(cells, heading, is_dataset, columns, own)
        found = [DatasetCells(dataset, heading.check_rates(column), None, rows) for dataset, column in columns.items()]
        return TableLayout(tuple(found), True, ())
    named = {name: known_dataset(name, is_dataset, own) for name in heading.names if not is_no_rate(name)}
    known = {name: dataset for name, dataset in named.items() if dataset is not None}
    if not known:
        raise _unclear(heading, long)
    _refuse_one_for_two(known, heading.path)
    for name in known:
        heading.check_rates(name)
    words = [name if name == dataset else f"{name} ({dataset})" for name, dataset in known.items()]
    found = [DatasetCells(dataset, name, None, rows) for name, dataset in known.items()]
    return TableLayout(tuple(found), False, (f"columns named after datasets: {some(words)}",))


def _unclear(heading: _Headings, long: Sequence[str]) -> UsageError:
    usual = heading.usual()
    example = f"such as `columns` imagenet={usual[0] if usual else 'top1'}"
    if long:
        example += f', or `dataset_column` "{long[0]}" if that column names the dataset of each row'
    return UsageError(
        "it is not said which column belongs to which dataset",
        where=heading.path,
        found=some(heading.names),
        expected="DATASET=COLUMN, or columns named after datasets",
        fix=example,
    )


def _refuse_one_for_two(named: Mapping[str, str], path: Path) -> None:
    """Two columns, or two values of a column, that are one dataset here."""
    for dataset in dict.fromkeys(named.values()):
        names = [name for name, one in named.items() if one == dataset]
        if len(names) > 1:
            raise DataError(
                f"several names of the table are {dataset} here",
                where=path,
                found=some(names),
                expected="one for each dataset",
                fix=f"choose one with `columns`, or call one otherwise with `dataset_names` {names[1]}=NAME",
            )


def _refuse_long(
    cells: pd.DataFrame,
    heading: _Headings,
    is_dataset: Callable[[str], bool],
    columns: Mapping[str, str],
    own: Mapping[str, str],
) -> None:
    """Refuse to take rows of several datasets for rows of one."""
    named = [cells[column] for column in dict.fromkeys(columns.values()) if column in cells]
    filled = [row for row, several in enumerate(zip(*named, strict=True)) if any(map(has_value, several))]
    for column in dataset_columns(cells):
        values = list(dict.fromkeys(value for value in cells[column].iloc[filled] if value))
        known = [known_dataset(value, is_dataset, own) for value in values]
        if len(values) > 1 and any(one is not None and (one in columns) for one in known):
            raise UsageError(
                f'the column "{column}" names several datasets',
                where=heading.path,
                found=some(values),
                expected="rows of one dataset, or the column that names the dataset of each row",
                fix=f'set `dataset_column` to "{column}"{_also_key(cells)}',
            )


def _also_key(cells: pd.DataFrame) -> str:
    """How two columns together name the models, where one of them usually tells models apart."""
    telling = [column for column in cells.columns if tells_models_apart(column)]
    return f'; `model_column` joins columns, such as "model@{telling[0]}"' if telling else ""


# --------------------------------------------------------------------------------------------- a row per model, dataset


def _long(
    cells: pd.DataFrame,
    heading: _Headings,
    is_dataset: Callable[[str], bool],
    columns: Mapping[str, str] | str | None,
    dataset_column: str,
    own: Mapping[str, str],
) -> TableLayout:
    values = list(dict.fromkeys(value for value in cells[dataset_column] if value))
    rules: list[str] = []
    if columns is None or isinstance(columns, str):
        column = _accuracy_column(heading, columns, rules)
        filled = cells[[has_value(cell) for cell in cells[column]]]
        values = [value for value in values if value in set(filled[dataset_column])]
        wanted = {known_dataset(value, is_dataset, own) or value: (value, column) for value in values}
        _refuse_one_for_two({value: known_dataset(value, is_dataset, own) or value for value in values}, heading.path)
    else:
        wanted = {
            dataset: (_value_of(dataset, values, is_dataset, own, heading, dataset_column), heading.check_rates(column))
            for dataset, column in columns.items()
        }
    others = [f"{value} ({dataset})" for dataset, (value, _) in wanted.items() if value != dataset]
    if others:
        rules.append(f"datasets that are called otherwise in the table: {some(others)}")
    found = []
    for dataset, (value, column) in wanted.items():
        rows = [row for row, one in enumerate(cells[dataset_column]) if one == value]
        written = list(cells[column])
        kept = tuple(row for row in rows if has_value(written[row]))
        if len(kept) < len(rows):
            rules.append(f"{dataset}: {len(rows) - len(kept):,} rows have no value there and are left out")
        found.append(DatasetCells(dataset, column, None, kept))
    return TableLayout(tuple(found), columns is not None and not isinstance(columns, str), tuple(rules))


def _accuracy_column(heading: _Headings, column: str | None, rules: list[str]) -> str:
    if column is not None:
        return heading.check_rates(column)
    usual = heading.usual()
    if len(usual) != 1:
        raise UsageError(
            "it is not clear which column holds the " + ("error rates" if heading.error else "accuracies"),
            where=heading.path,
            found=some(usual or heading.names),
            expected="one column for all datasets",
            fix=f"such as `columns` {usual[0] if usual else 'top1'}",
        )
    rules.append(f'the column "{usual[0]}" holds the ' + ("error rates" if heading.error else "accuracies"))
    return usual[0]


def _value_of(
    dataset: str,
    values: Sequence[str],
    is_dataset: Callable[[str], bool],
    own: Mapping[str, str],
    heading: _Headings,
    dataset_column: str,
) -> str:
    """What the table calls a dataset."""
    for fits in (
        lambda value: own.get(value) == dataset,
        lambda value: value == dataset,
        lambda value: known_dataset(value, is_dataset) == dataset,
    ):
        found = [value for value in values if fits(value)]
        if len(found) > 1:
            _refuse_one_for_two(dict.fromkeys(found, dataset), heading.path)
        if found:
            return found[0]
    raise DataError(
        f'no row is of "{dataset}"',
        where=f'{heading.path}, column "{dataset_column}"',
        found=some(values),
        fix=did_you_mean(dataset, values) or f"say what the table calls it, such as `dataset_names` VALUE={dataset}",
    )


def _with_top5(one: DatasetCells, heading: _Headings, column: str | None, rules: list[str]) -> DatasetCells:
    if column is None and (column := top5_beside(one.top1, heading.names)) is not None:
        rules.append(f'{one.dataset}: the column "{column}" beside "{one.top1}" is its top-5 accuracy')
    elif column is not None:
        heading.check_rates(column)
    return DatasetCells(one.dataset, one.top1, column, one.rows)
