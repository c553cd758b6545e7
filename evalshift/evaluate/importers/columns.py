"""Roles of the columns of a file: names of the images, predictions, and labels next to them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evalshift.errors import DataError, EvalshiftError, did_you_mean
from evalshift.evaluate.importers.files import WHOLE, FileContent
from evalshift.evaluate.importers.headings import (
    is_confidence,
    is_correctness,
    is_ids,
    is_labels,
    is_predictions,
    is_unnamed,
    numbered,
    tokens,
)
from evalshift.evaluate.importers.values import top_classes
from evalshift.formatting import name_some
from evalshift.testbed.cells import as_lists, as_numbers
from evalshift.testbed.class_names import ClassNames, class_columns

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Found:
    """The predictions in a file.

    names    of the columns with the predictions
    values   shape (n,) or (n, k), in the order of the file
    rules    the rules applied, in words
    """

    names: tuple[str, ...]
    values: np.ndarray
    rules: tuple[str, ...] = field(default=())


def columns_of_rows(content: FileContent, images: int, wanted: Iterable[str | None] = ()) -> tuple[Columns, list[str]]:
    """The columns that have a value per row, and the names of those that do not.

    The number of rows is that of the images if any column has it, otherwise that of most columns. A column requested by
    name (`wanted`) takes precedence.
    """
    arrays = {name: array for name, array in content.columns.items() if array.ndim in (1, 2)}
    named = [len(arrays[name]) for name in wanted if name in arrays]
    lengths = Counter(len(array) for array in arrays.values())
    known = Counter(len(array) for name, array in arrays.items() if is_predictions(name))
    rows = (
        named[0] if named else images if images in lengths else next(iter((known or lengths).most_common(1)), (0,))[0]
    )
    kept = {name: array for name, array in arrays.items() if len(array) == rows}
    return kept, [name for name in content.columns if name not in kept]


def without_repeated_rows(columns: Columns, id_column: str | None = None) -> tuple[Columns, list[str]]:
    """The columns without rows that repeat another one in all of them, as samplers for several GPUs pad, and a rule.

    id_column  the column that names the images, if it was asked for; else those count that are called so. Without
               names, and where two rows of one name differ, nothing is left out
    """
    names = [name for name in columns if (name == id_column if id_column else is_ids(name) and not is_unnamed(name))]
    texts = next((columns[name] for name in names if columns[name].dtype.kind == "U" and columns[name].ndim == 1), None)
    if texts is None:
        return columns, []
    first: dict[str, int] = {}
    places = np.array([first.setdefault(text, row) for row, text in enumerate(texts.tolist())])
    repeated = np.flatnonzero(places != np.arange(len(places)))
    if not len(repeated) or not all(_are_equal(one[repeated], one[places[repeated]]) for one in columns.values()):
        return columns, []
    kept = places == np.arange(len(places))
    words = "1 row that repeats another is" if len(repeated) == 1 else f"{len(repeated):,} rows that repeat others are"
    return {name: column[kept] for name, column in columns.items()}, [f"{words} left out"]


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def check_named(content: FileContent, wanted: Iterable[str | None]) -> None:
    """Raise DataError if the file has no column of a requested name."""
    for name in wanted:
        if name is None or name in content.columns or name in numbered(list(content.columns)):
            continue
        raise DataError(
            f'the file has no column "{name}"',
            where=content.path,
            found="an array without names" if WHOLE in content.columns else name_some(list(content.columns), 12),
            expected="columns" if WHOLE in content.columns else None,
            fix=did_you_mean(name, content.columns),
        )


def find_predictions(
    content: FileContent, columns: Columns, classes: ClassNames, taken: Iterable[str] = (), wanted: str | None = None
) -> Found:
    """The columns of the predictions.

    taken    columns that name the images
    wanted   the requested column, or the common prefix of several (`top` for top1, top2, …)

    By default, in this order: one column per class; columns named like predictions, alone or numbered; the only other
    column that can hold classes; the only column of labels. Of several that agree in the first class, the most
    informative is used.
    Raises DataError if there is no candidate, or if several disagree.
    """
    groups = numbered([name for name in columns if name not in taken])
    if wanted is not None:
        names = [wanted] if wanted in columns else groups[wanted]
        return _stacked(columns, names, [] if wanted in columns else [_together(names)])
    rest = [name for name in columns if name not in taken]
    if not all(name.isdigit() for name in classes.names) and (by_class := _by_class(content, rest, classes)):
        words = f'{len(by_class):,} columns, "{by_class[0]}" to "{by_class[-1]}", are called like the classes'
        return _stacked(columns, by_class, [f"{words}, and are read in the order of the classes"])
    if not content.named and len(rest) > 1 and (found := _unnamed(columns, rest, len(classes))):
        return found
    return _chosen(content, columns, _candidates(columns, rest, groups, classes), classes, rest)


def _by_class(content: FileContent, names: Sequence[str], classes: ClassNames) -> list[str]:
    found, lacking = class_columns(names, classes)
    if lacking:
        raise DataError(
            "some classes have no column",
            where=content.path,
            found=f"columns for {len(found):,} of {len(classes):,} classes; none for {name_some(lacking, 3)}",
            expected="a column for each class",
        )
    return found


def _together(names: Sequence[str]) -> str:
    return f'the columns "{names[0]}" to "{names[-1]}" are taken together, in that order'


def _stacked(columns: Columns, names: Sequence[str], rules: Sequence[str]) -> Found:
    if len(names) == 1:
        return Found(tuple(names), columns[names[0]], tuple(rules))
    arrays = [columns[name] for name in names]
    if any(array.dtype.kind == "U" for array in arrays):
        stacked = np.column_stack([array.astype(str) for array in arrays])
        numbers = as_numbers(stacked)
        return Found(tuple(names), stacked if numbers is None else numbers, tuple(rules))
    return Found(tuple(names), np.column_stack(arrays), tuple(rules))


def _unnamed(columns: Columns, names: Sequence[str], classes: int) -> Found | None:
    """The columns of a table without header: all of them together, or the one of class numbers beside others."""
    numbers = {name: as_number_column(columns[name]) for name in names}
    if any(numbers[name] is None for name in names):
        return None
    whole = [name for name in names if _are_whole(numbers[name])]
    if len(whole) == len(names) or len(names) == classes:
        return _stacked(columns, names, [])
    if len(whole) == 1:
        return Found((whole[0],), columns[whole[0]], (f'column "{whole[0]}" holds whole numbers: the class',))
    return None


def as_number_column(column: np.ndarray) -> np.ndarray | None:
    """A column as numbers, shape (n,); None if it contains something else."""
    if column.ndim != 1:
        return None
    return as_numbers(column) if column.dtype.kind == "U" else column if column.dtype.kind in "iuf" else None


def _are_whole(numbers: np.ndarray | None) -> bool:
    if numbers is None:
        return False
    there = numbers[~np.isnan(numbers)] if numbers.dtype.kind == "f" else numbers
    return len(there) > 0 and bool((there == np.round(there)).all())


# ---------------------------------------------------------------------------------------------------------- candidates


def _candidates(
    columns: Columns, rest: Sequence[str], groups: Mapping[str, list[str]], classes: ClassNames
) -> list[Found]:
    """All that can hold predictions: numbered columns together, and single ones."""
    found, members = [], set()
    for stem, names in groups.items():
        scores = len(names) == len(classes)
        if all(columns[name].ndim == 1 for name in names) and (
            scores or _are_classes_together(columns, names, classes)
        ):
            if scores or not is_confidence(stem):
                found.append(_stacked(columns, names, [_together(names)]))
            members |= set(names)
    singles = [name for name in rest if name not in members and _can_be_classes(columns[name], name, classes)]
    return found + [Found((name,), columns[name]) for name in singles]


def _are_classes_together(columns: Columns, names: Sequence[str], classes: ClassNames) -> bool:
    """Whether numbered columns hold one class each; top1 and top5 beside each other are no such group."""
    return len(names) > 1 and all(is_class_column(columns[name], classes) for name in names)


def is_class_column(column: np.ndarray, classes: ClassNames) -> bool:
    """Whether a column, shape (n,), holds class numbers or names of classes, missing ones aside."""
    if column.ndim != 1 or len(column) == 0:
        return False
    numbers = as_number_column(column)
    if numbers is not None:
        there = numbers[~np.isnan(numbers)] if numbers.dtype.kind == "f" else numbers
        return _are_whole(numbers) and bool(((there >= -1) & (there <= len(classes))).all())
    return column.dtype.kind == "U" and classes.numbers(column) is not None


def _can_be_classes(column: np.ndarray, name: str, classes: ClassNames) -> bool:
    if column.ndim == 2:
        return column.dtype.kind in "iufbU" and (column.shape[1] <= len(classes) + 1 or is_predictions(name))
    if column.dtype.kind == "b" and not is_predictions(name):
        return False
    if is_correctness(name):
        return False
    called_so = is_predictions(name) and not is_confidence(name)
    if as_number_column(column) is not None:
        if called_so or name == WHOLE:
            return _are_whole(as_number_column(column))
        return not is_confidence(name) and not is_unnamed(name) and is_class_column(column, classes)
    if column.dtype.kind == "U" and not called_so:
        return is_class_column(column, classes) or as_lists(column.tolist()) is not None
    return called_so


def _chosen(
    content: FileContent, columns: Columns, candidates: Sequence[Found], classes: ClassNames, rest: Sequence[str]
) -> Found:
    """The one of the candidates that is called like predictions, else the only one, else the only one of labels."""
    _refuse_labels_alone(content, columns, candidates, rest)
    if len(rest) == 1:
        return Found((rest[0],), columns[rest[0]])
    tiers: dict[int, list[Found]] = {tier: [] for tier in range(6)}
    for one in candidates:
        tiers[_tier(one, content)].append(one)
    found = next((tier for tier in tiers.values() if tier), [])
    if found and (agreed := _richest(found, classes, content)):
        if agreed.rules or agreed.names == (WHOLE,):
            return agreed
        return Found(agreed.names, agreed.values, (f'the column "{agreed.names[0]}" holds the predictions',))
    raise DataError(
        "it is not clear which column contains the predictions",
        where=content.path,
        found=name_some(rest, 12) or "no column",
        expected="one column, one for each class, or one with a name such as prediction",
        fix="name it with `column`",
    )


def _tier(candidate: Found, content: FileContent) -> int:
    """Predictions by their name come first, labels last; of each kind, values of inner objects last."""
    name = _stem(candidate.names)
    kind = 0 if is_predictions(name) else 2 if is_labels(name) else 1
    return 2 * kind + (candidate.names[0] in content.inner)


def _refuse_labels_alone(
    content: FileContent, columns: Columns, candidates: Sequence[Found], rest: Sequence[str]
) -> None:
    """Raise DataError where nothing but the labels could be taken for the predictions: all would be correct."""
    names = [name for one in candidates for name in one.names] or (rest if len(rest) == 1 else [])
    if names and all(is_surely_labels(name) or is_correctness(name) for name in names):
        others = [name for name in columns if name not in names]
        raise DataError(
            "the file has labels, but no predictions"
            if is_surely_labels(names[0])
            else "the file says which predictions are correct, but not what they are",
            where=content.path,
            found=f'"{names[0]}"{f" beside {name_some(others, 4)}" if others else ""}',
            expected="a column of predictions",
            fix="if these are predictions, name the column with `column`",
        )


def _stem(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else re.sub(r"[\W_]*\d+\D*$", "", names[0]) or names[0]


def _richest(candidates: Sequence[Found], classes: ClassNames, content: FileContent) -> Found | None:
    """The candidate that says most, where all say the same class first; None where they disagree."""
    if len(candidates) == 1:
        return candidates[0]
    first = []
    for one in candidates:
        try:
            first.append(top_classes(one.values, classes, content.path))
        except EvalshiftError:
            return None
    if any(not np.array_equal(first[0].top[:, 0], other.top[:, 0]) for other in first[1:]):
        return None
    order = ("logits", "probabilities", "topk", "top1")
    return min(
        zip(candidates, first, strict=True), key=lambda both: (order.index(both[1].kind), -both[1].top.shape[1])
    )[0]


# -------------------------------------------------------------------------------------------------------------- labels


def find_labels(
    columns: Columns, predictions: Found, taken: Iterable[str], classes: ClassNames
) -> dict[str, np.ndarray]:
    """The columns beside the predictions that may be the labels: called so, or holding classes under another name."""
    rest = [name for name in columns if name not in (*taken, *predictions.names)]
    second = {name for names in numbered(rest).values() for name in names[1:]}  # label_1, … of the second best, …
    rest = [name for name in rest if name not in second]
    found = {}
    for name in rest:
        column = columns[name]
        if column.ndim == 2:
            if is_labels(name) and column.shape[1] == len(classes):
                found[name] = np.argmax(column, axis=1) if column.dtype.kind in "iufb" else column
        elif is_labels(name):
            numbers = as_number_column(column)
            if column.dtype.kind in "Uiub" or _are_whole(numbers):
                found[name] = column
        elif _is_unnamed_class(name, column, classes):
            found[name] = column
    return found


def _is_unnamed_class(name: str, column: np.ndarray, classes: ClassNames) -> bool:
    """Whether a column whose heading tells nothing holds classes, more than two of them."""
    told = is_predictions(name) or is_confidence(name) or is_ids(name)
    return not told and is_class_column(column, classes) and len(np.unique(column)) > 2


def find_correctness(columns: Columns, predictions: Found, taken: Iterable[str]) -> dict[str, np.ndarray]:
    """The columns beside the predictions that say whether each is correct, as booleans."""
    found = {}
    for name, column in columns.items():
        if name in (*taken, *predictions.names) or column.ndim != 1 or not is_correctness(name):
            continue
        words = np.char.lower(column.astype(str))
        if set(np.unique(words).tolist()) <= {"true", "false", "1", "0", "1.0", "0.0"}:
            found[name] = np.isin(words, ("true", "1", "1.0"))
    return found


def is_surely_labels(name: str) -> bool:
    """Whether a heading can mean nothing but labels: `label` and `class` are also used of what a model predicts."""
    return is_labels(name) and bool(tokens(name) & {"target", "targets", "truth", "true", "gt", "gts", "ytrue", "gold"})
