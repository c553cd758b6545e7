"""Answers as others write them (top-1, top-k, logits, probabilities) → the best few classes of each image, checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.files import Content
from evalshift.evaluate.importers.labels import numbers_of_names
from evalshift.evaluate.rows import order_of, twice
from evalshift.evaluate.store import StoredDataset
from evalshift.shapes import Prob, Top

KINDS = ("auto", "top1", "topk", "logits", "probabilities")
KEPT = 5  # as many as a run keeps

# Sums of probabilities that were stored as float16 stray by about as much.
_SUM_WITHIN = 0.01
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered, in dataset order.

    top    class numbers, best first, shape (n, k)
    prob   probability of the first, None where the file does not tell
    kind   what the file held
    rules  what was decided, in words
    """

    top: Top
    prob: Prob | None
    kind: str
    rules: tuple[str, ...]


def check_kind(kind: str) -> None:
    """Raises UsageError where this is not a kind of answers."""
    if kind not in KINDS:
        raise UsageError(
            f'"{kind}" is not a kind of answers', expected=", ".join(KINDS), remedy=did_you_mean(kind, KINDS)
        )


def check_answers(content: Content, dataset: StoredDataset, kind: str = "auto", folders: Sequence[str] = ()) -> Answers:
    """The answers of a file as a dataset's rows.

    `kind` "auto" takes whole numbers for class numbers, and fractions, one for each class, for probabilities where
    every row lies in [0, 1] and sums to 1, else for logits. `folders` are other names of the classes.
    Raises DataError where the answers cannot be those of this dataset, UsageError for an unknown kind.
    """
    check_kind(kind)
    values, where = content.array, content.path
    classes = len(dataset.class_names)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or values.dtype.kind not in "iufU" or values.size == 0:
        raise DataError(
            "these are not answers",
            where=where,
            found=f"{values.dtype}, shape {values.shape}",
            expected="class numbers (n,) or (n, k), or one number for each class (n, classes)",
        )
    order = _order(content, dataset, len(values))
    if values.dtype.kind == "U":
        values = numbers_of_names(values, dataset.class_names, folders, where)
    if values.dtype.kind == "f":
        _refuse_nan(values, where)
    kind, rule = (_guess(values, classes, where)) if kind == "auto" else (kind, None)
    if kind in ("top1", "topk"):
        top, prob = _class_numbers(values, kind, classes, where), None
    else:
        top, prob = _best(values, kind, classes, where)
    rules = [*content.rules, *([rule] if rule else [])]
    if order is not None:
        moved = not np.array_equal(order, np.arange(len(order)))
        rules.append("rows were put into the order of the dataset by id" if moved else "ids and dataset have one order")
        top, prob = top[order], None if prob is None else prob[order]
    return Answers(np.ascontiguousarray(top), prob, kind, tuple(rules))


def _order(content: Content, dataset: StoredDataset, rows: int) -> np.ndarray | None:
    """Where the answer to each image stands in the file; None where the file says nothing and so is in order."""
    if content.ids is None:
        if rows != len(dataset):
            raise DataError(
                "the answers are not as many as the images",
                where=content.path,
                found=f"{rows:,} rows",
                expected=f"{len(dataset):,}, one an image of {dataset.name}",
                remedy="with an id column, rows may stand in any order, but none may be missing" if rows else None,
            )
        return None
    if doubled := twice(content.ids):
        raise DataError(
            "an image is answered twice",
            where=content.path,
            found=_some(doubled),
            expected=f"each image of {dataset.name} once",
        )
    order = order_of(dataset.ids, content.ids)
    if order is None:  # row numbers, where the images have names
        order = order_of([str(place) for place in range(len(dataset))], content.ids)
    if order is not None:
        return order
    known = set(dataset.ids)
    unknown = [name for name in content.ids if name not in known]
    missing = sorted(known - set(content.ids))
    if len(content.ids) == len(dataset) or len(unknown) < len(content.ids):
        problem = f"{_some(unknown)} unknown" if unknown else ""
        lacking = f"{_some(missing)} missing" if missing else ""
    else:
        problem, lacking = f"{len(content.ids):,} ids, such as {content.ids[0]}", ""
    raise DataError(
        "the ids are not those of the dataset",
        where=content.path,
        found="; ".join(part for part in (problem, lacking) if part),
        expected=f"the {len(dataset):,} ids of {dataset.name}, such as {dataset.ids[0]}",
        remedy="name the right column with --id-column; without ids, rows must stand in dataset order",
    )


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _refuse_nan(values: np.ndarray, where: Path) -> None:
    rows = np.flatnonzero(np.isnan(values).reshape(len(values), -1).any(axis=1))
    if len(rows):
        raise DataError(
            "an answer is missing",
            where=f"{where}, row {rows[0]:,}" + (f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""),
            found="NaN, or an empty cell",
            expected="a number",
        )


def _guess(values: np.ndarray, classes: int, where: Path) -> tuple[str, str]:
    """What the numbers are, and why that is what they are."""
    if values.ndim == 1:
        return "top1", "one number an image is its class"
    columns = values.shape[1]
    whole = values.dtype.kind in "iu" or bool((values == np.round(values)).all())
    if columns == classes:
        ranked = whole and bool((np.sort(values, axis=1) == np.arange(classes)).all())
        if ranked and values.dtype.kind == "f":
            raise UsageError(
                "it cannot be told whether these are classes by rank or scores by class",
                where=where,
                found=f"each row holds 0 to {classes - 1}, each once, as fractions",
                expected="class numbers as whole numbers, or logits",
                remedy="say which with --kind topk or --kind logits",
            )
        if ranked:
            return "topk", f"whole numbers, 0 to {classes - 1} once in each row: classes, best first"
        sums = values.sum(axis=1, dtype=np.float64)
        if values.min() >= 0 and values.max() <= 1 and np.abs(sums - 1).max() <= _SUM_WITHIN:
            return "probabilities", f"{classes:,} columns that lie in [0, 1] and sum to 1 are probabilities"
        return "logits", f"{classes:,} columns, one for each class, that are no probabilities are logits"
    if whole and columns < classes:
        return "topk", f"{columns} columns of whole numbers are the {columns} best classes, best first"
    raise DataError(
        "the answers have the wrong number of columns",
        where=where,
        found=f"{columns:,} columns of {'whole numbers' if whole else 'fractions'}",
        expected=f"1 or k class numbers, or {classes:,} columns, one for each class",
    )


def _class_numbers(values: np.ndarray, kind: str, classes: int, where: Path) -> Top:
    if (values.ndim == 1) != (kind == "top1"):
        raise DataError(
            f"these are no {'top-1' if kind == 'top1' else 'top-k'} answers",
            where=where,
            found=f"shape {values.shape}",
            expected="one class number a row" if kind == "top1" else "k class numbers a row, best first",
        )
    top = values.reshape(len(values), -1)
    if top.dtype.kind == "f":
        rows = np.flatnonzero((top != np.round(top)).any(axis=1))
        if len(rows):
            odd = top[rows[0]]
            raise DataError(
                "a class number is not whole",
                where=f"{where}, row {rows[0]:,}",
                found=f"{odd[odd != np.round(odd)][0]:g}",
                expected=f"a whole number from 0 to {classes - 1}",
                remedy="scores have a column for each class",
            )
    rows = np.flatnonzero(((top < 0) | (top >= classes)).any(axis=1))
    if len(rows):
        odd = top[rows[0]]
        from_one = top.min() == 1 and top.max() == classes
        raise DataError(
            "an answer is outside the classes",
            where=f"{where}, row {rows[0]:,}" + (f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""),
            found=f"class {odd[(odd < 0) | (odd >= classes)][0]:g}",
            expected=f"0 to {classes - 1}",
            remedy="they count from 1; subtract 1" if from_one else None,
        )
    ranked = np.sort(top, axis=1)
    rows = np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1))
    if len(rows):
        raise DataError(
            "a class stands twice among the answers to one image",
            where=f"{where}, row {rows[0]:,}",
            found=", ".join(f"{number:g}" for number in top[rows[0]]),
            expected="each class once, best first",
        )
    return top[:, :KEPT].astype(np.int32)


def _best(values: np.ndarray, kind: str, classes: int, where: Path) -> tuple[Top, Prob]:
    """The best classes by score, the lower number first where two are equal, and the probability of the first."""
    if values.ndim != 2 or values.shape[1] != classes:
        raise DataError(
            f"these are not {kind}",
            where=where,
            found=f"shape {values.shape}",
            expected=f"{classes:,} columns, one for each class",
        )
    if kind == "logits" and np.isposinf(values).any():
        row = np.flatnonzero(np.isposinf(values).any(axis=1))[0]
        raise DataError("a logit is infinite", where=f"{where}, row {row:,}", found="inf", expected="a finite number")
    if kind == "probabilities":
        sums = values.sum(axis=1, dtype=np.float64)
        rows = np.flatnonzero((values < 0).any(axis=1) | (values > 1).any(axis=1) | (np.abs(sums - 1) > _SUM_WITHIN))
        if len(rows):
            raise DataError(
                "these are not probabilities",
                where=f"{where}, row {rows[0]:,}",
                found=f"{values[rows[0]].min():g} to {values[rows[0]].max():g}, sum {sums[rows[0]]:g}",
                expected="each in [0, 1], their sum 1",
                remedy="--kind logits takes scores of any size",
            )
    kept = min(KEPT, classes)
    top = np.empty((len(values), kept), np.int32)
    prob = np.empty(len(values), np.float32)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        chunk = values[start : start + _ROWS_AT_ONCE].astype(np.float64)
        best = np.argsort(-chunk, axis=1, kind="stable")[:, :kept]
        top[start : start + len(chunk)] = best
        first = np.take_along_axis(chunk, best[:, :1], axis=1)
        prob[start : start + len(chunk)] = (
            first[:, 0] if kind == "probabilities" else 1 / np.exp(chunk - first).sum(axis=1)
        )
    return top, prob
