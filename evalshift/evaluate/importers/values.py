"""Values as others write them (top-1, top-k, logits, probabilities) → the best few classes of each image, checked."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.files import array_of
from evalshift.evaluate.importers.ties import Ties
from evalshift.formatting import counted, name_some
from evalshift.shapes import Prob, Top
from evalshift.testbed.cells import as_lists, as_numbers, is_missing, without_print
from evalshift.testbed.class_names import ClassNames

KINDS = ("auto", "top1", "topk", "logits", "probabilities")
KEPT = 5  # as many as a run keeps
NO_CLASS = -1  # in `top`, where an image has no prediction

# Sums of probabilities that were stored as float16 stray by about as much.
_SUM_WITHIN = 0.01
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class TopClasses:
    """The best classes that a model gives each row of a file.

    top    class numbers, best first, shape (n, k); NO_CLASS where there is no prediction, or fewer than k
    prob   probability of the first; None where the file does not tell, NaN where there is no prediction
    kind   what the file holds: "top1", "topk", "logits" or "probabilities"
    rules  what was decided, in words
    """

    top: Top
    prob: Prob | None
    kind: str
    rules: tuple[str, ...]


def check_kind(kind: str) -> None:
    """Raises UsageError where this is not a kind of predictions."""
    if kind not in KINDS:
        raise UsageError(
            f'"{kind}" is not a kind of predictions', expected=", ".join(KINDS), fix=did_you_mean(kind, KINDS)
        )


def top_classes(
    values: np.ndarray,
    classes: ClassNames,
    where: Path | str,
    kind: str = "auto",
    first_class: int | None = None,
    kept: int | None = KEPT,
) -> TopClasses:
    """The best classes of each row, at most KEPT.

    values        numbers or text, shape (n,) or (n, k): class numbers, names of classes, or a number for each class
    kind          "auto" takes whole numbers for class numbers, and a number for each class for probabilities where all
                  rows lie in [0, 1] and sum to 1, else for logits
    first_class   the number of the first class, 0 or 1; None is 0
    kept          how many classes are kept; None keeps all class numbers that there are, and of scores also those
                  that ties leave open, for a reader that knows more

    No prediction is NaN, −1, an empty cell or a word for it, or a row in which all classes score the same. Where two
    scores are equal, the lower class number comes first. Logits that all lie in [0, 1], also where `kind` calls them
    so, are scores such as sigmoids or similarities: softmax would make them nearly even, so no probability is told.
    Raises DataError where these cannot be predictions of these classes, UsageError where it is not clear what they are.
    """
    check_kind(kind)
    if first_class not in (None, 0, 1):
        raise UsageError("classes count from 0 or from 1", found=f"`first_class` {first_class}", expected="0 or 1")
    values = numeric_values(values, classes, where)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or values.dtype.kind not in "iuf" or values.size == 0:
        raise DataError(
            "these are not predictions",
            where=where,
            found=f"{values.dtype}, shape {values.shape}",
            expected="class numbers (n,) or (n, k), or one number for each class (n, classes)",
        )
    kind, rules = _guess(values, len(classes), where) if kind == "auto" else (kind, [])
    if kind in ("top1", "topk"):
        top, more = _class_numbers(values, kind, len(classes), where, first_class or 0)
        top = top[:, :kept]
        prob = None
    else:
        best = _best(values, kind, len(classes), where)
        top, prob, more = best.top, best.prob, best.rules
        if prob is None and not rules:
            rules = ["all scores lie in [0, 1]: their order is taken, and no probability"]
        if kept is not None:
            top = top[:, : best.ties.known_places]
            more = [*more, *best.ties.words()]
    return TopClasses(np.ascontiguousarray(top), prob, kind, (*rules, *more))


def numeric_values(values: np.ndarray, classes: ClassNames, where: Path | str) -> np.ndarray:
    """Text as numbers, or as the classes that it names; booleans as 0 and 1."""
    if values.dtype.kind == "b" and (values.ndim == 2 or len(classes) == 2):
        return values.astype(np.float32 if values.ndim == 2 else np.int64)
    if values.dtype.kind != "U":
        return values
    if values.ndim == 1:
        values = _without_prefix(without_print(values), classes)
    numbers = as_numbers(values)
    if numbers is None and values.ndim == 1:
        numbers = classes.numbers(values)
        if numbers is None and (lists := as_lists(values.tolist())) is not None:
            return numeric_values(_of_lists(lists, where), classes, where)
    elif numbers is None:
        numbers = classes.numbers(values)
    if numbers is None:
        if all(map(is_missing, values.ravel().tolist())):
            return np.full(values.shape, NO_CLASS)
        raise classes.refuse(values, where)
    return numbers


def _without_prefix(cells: np.ndarray, classes: ClassNames) -> np.ndarray:
    """The numbers in LABEL_0, LABEL_1, …, as transformers calls classes without names; other cells as they are."""
    if classes.number("LABEL_0") is not None or not all(
        re.fullmatch(r"LABEL_\d+", cell) or is_missing(cell) for cell in cells.tolist()
    ):
        return cells
    return np.array([cell.removeprefix("LABEL_") for cell in cells.tolist()], dtype=str)


def _of_lists(lists: list, where: Path | str) -> np.ndarray:
    try:
        return array_of(lists)
    except ValueError as error:
        raise DataError("these are not predictions", where=where, found=str(error), expected="lists alike") from error


def _missing(values: np.ndarray) -> np.ndarray:
    """Cells without a class number, same shape as the values: NaN or −1."""
    return np.isnan(values) | (values == NO_CLASS) if values.dtype.kind == "f" else values == NO_CLASS


def _row(where: Path | str, rows: np.ndarray) -> str:
    return f"{where}, row {name_some([f'{row:,}' for row in rows], 1)}"


def _guess(values: np.ndarray, classes: int, where: Path | str) -> tuple[str, list[str]]:
    """What the numbers are, and why that is what they are."""
    if values.ndim == 1:
        return "top1", ["one number per image is its class"]
    columns = values.shape[1]
    there = values[~np.isnan(values).all(axis=1)] if values.dtype.kind == "f" else values
    if columns == classes:
        return _guess_scores(there, classes, where)
    if columns < classes and _is_whole(there):
        return "topk", [f"{columns} columns of whole numbers are the {columns} best classes, best first"]
    whole = "whole numbers" if _is_whole(there) else "fractions"
    background = columns == classes + 1 and whole == "fractions"
    raise DataError(
        "the predictions have the wrong number of columns",
        where=where,
        found=f"{columns:,} columns of {whole}",
        expected=f"1 or k class numbers, or {classes:,} columns, one for each class",
        fix="leave out the column of the background class" if background else None,
    )


def _is_whole(values: np.ndarray) -> bool:
    if values.dtype.kind in "iu":
        return True
    there = values[~np.isnan(values)]
    return bool((there == np.round(there)).all())


def _guess_scores(values: np.ndarray, classes: int, where: Path | str) -> tuple[str, list[str]]:
    """What as many columns as classes are: all classes by rank, probabilities, or logits."""
    ranked = _is_whole(values) and bool((np.sort(values, axis=1) == np.arange(classes)).all())
    if ranked and values.dtype.kind == "f":
        raise UsageError(
            "ambiguous whether these are classes by rank or scores by class",
            where=where,
            found=f"each row holds 0 to {classes - 1}, each once, as fractions",
            expected="class numbers as whole numbers, or logits",
            fix='say which with `kind` "topk" or "logits"',
        )
    if ranked:
        return "topk", [f"whole numbers, 0 to {classes - 1} once in each row: classes, best first"]
    if values.size and values.min() >= 0:
        sums = values.sum(axis=1, dtype=np.float64)
        blank = values.max(axis=1) == values.min(axis=1)
        if values.max() <= 1 and (np.abs(sums[~blank] - 1) <= _SUM_WITHIN).all():
            return "probabilities", [f"{classes:,} columns that lie in [0, 1] and sum to 1 are probabilities"]
        if (np.abs(sums[~blank] - 100) <= 100 * _SUM_WITHIN).all():
            return "probabilities", [f"{classes:,} columns that lie in [0, 100] and sum to 100 are probabilities in %"]
        if values.max() <= 1:
            rule = f"{classes:,} columns that lie in [0, 1] and do not sum to 1 are scores: their order is taken"
            return "logits", [f"{rule}, and no probability"]
    return "logits", [f"{classes:,} columns, one per class, are logits: they are not probabilities"]


def _class_numbers(
    values: np.ndarray, kind: str, classes: int, where: Path | str, first_class: int
) -> tuple[Top, list[str]]:
    if (values.ndim == 1) != (kind == "top1"):
        raise DataError(
            f"these are not {'top-1' if kind == 'top1' else 'top-k'} predictions",
            where=where,
            found=f"shape {values.shape}",
            expected="one class number per row" if kind == "top1" else "k class numbers per row, best first",
        )
    numbers = values.reshape(len(values), -1)
    missing = _missing(numbers)
    _refuse_fractions(numbers, missing, classes, where)
    top = np.where(missing, NO_CLASS, _as_integers(np.where(missing, 0, numbers)) - first_class)
    _refuse_outside(top, missing, classes, where, first_class)
    _refuse_gaps(missing, where)
    _refuse_doubled(top, missing, where)
    rules = ["classes count from 1 here, so 1 was subtracted"] if first_class else []
    short = int((missing[:, -1] & ~missing[:, 0]).sum())
    if short:
        rules.append(f"{counted(short, 'row')} with fewer than {top.shape[1]} classes")
    return top.astype(np.int32), rules


def _as_integers(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers as int64; those beyond all classes, which int64 may not hold, as the nearest of ±2³¹."""
    if numbers.dtype.kind == "f":
        return np.clip(numbers, -(2.0**31), 2.0**31).astype(np.int64)
    if numbers.dtype == np.uint64:
        return np.minimum(numbers, np.uint64(2**31)).astype(np.int64)
    return numbers.astype(np.int64)


def _refuse_fractions(numbers: np.ndarray, missing: np.ndarray, classes: int, where: Path | str) -> None:
    if numbers.dtype.kind != "f":
        return
    odd = ~missing & (numbers != np.round(numbers))
    rows = np.flatnonzero(odd.any(axis=1))
    if len(rows):
        raise DataError(
            "a class number is not whole",
            where=f"{where}, row {rows[0]:,}",
            found=f"{numbers[odd][0]:g}",
            expected=f"a whole number from 0 to {classes - 1}",
            fix="scores have a column for each class",
        )


def _refuse_outside(top: np.ndarray, missing: np.ndarray, classes: int, where: Path | str, first_class: int) -> None:
    outside = ~missing & ((top < 0) | (top >= classes))
    rows = np.flatnonzero(outside.any(axis=1))
    if not len(rows):
        return
    there = top[~missing]
    from_one = there.min() == 1 and there.max() == classes
    raise DataError(
        "a prediction is outside the classes",
        where=_row(where, rows),
        found=f"class {top[outside][0] + first_class}",
        expected=f"{first_class} to {classes - 1 + first_class}, or -1 where there is no prediction",
        fix="the classes count from 1: say so with `first_class` 1" if from_one else None,
    )


def _refuse_gaps(missing: np.ndarray, where: Path | str) -> None:
    rows = np.flatnonzero((missing[:, :-1] & ~missing[:, 1:]).any(axis=1))
    if len(rows):
        raise DataError(
            "a prediction is missing in front of another",
            where=_row(where, rows),
            found=f"no class in place {int(np.argmax(missing[rows[0]])) + 1}, and one behind it",
            expected="classes best first, missing ones last",
        )


def _refuse_doubled(top: np.ndarray, missing: np.ndarray, where: Path | str) -> None:
    ranked = np.sort(top, axis=1)
    rows = np.flatnonzero(((ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] != NO_CLASS)).any(axis=1))
    if len(rows):
        raise DataError(
            "a class is predicted twice for one image",
            where=_row(where, rows),
            found=", ".join(f"{number}" for number in top[rows[0]]),
            expected="each class once, best first",
            fix="where one of the columns holds the labels, name the other with `column`",
        )


@dataclass(frozen=True, eq=False)
class Best:
    """The best classes by score, whether or not ties leave some of them open, and what was decided."""

    top: Top
    prob: Prob | None
    ties: Ties
    rules: list[str]


def _best(values: np.ndarray, kind: str, classes: int, where: Path | str) -> Best:
    """The best classes by score, the lower number first where two are equal, and the probability of the first."""
    if values.ndim != 2 or values.shape[1] != classes:
        raise DataError(
            f"these are not {kind}",
            where=where,
            found=f"shape {values.shape}",
            expected=f"{classes:,} columns, one for each class",
        )
    blank = _blank_rows(values, where)
    rules = _blank_rules(values, blank)
    if kind == "logits" and np.isposinf(values).any():
        row = np.flatnonzero(np.isposinf(values).any(axis=1))[0]
        raise DataError("a logit is infinite", where=f"{where}, row {row:,}", found="inf", expected="a finite number")
    percent = kind == "probabilities" and _check_probabilities(values, blank, where)
    there = values[~blank]
    is_scores = kind == "logits" and there.size > 0 and there.min() >= 0 and there.max() <= 1
    width = min(KEPT, classes)
    top = np.full((len(values), width), NO_CLASS, np.int32)
    prob = np.full(len(values), np.nan, np.float32)
    ties = Ties(width)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = start + np.flatnonzero(~blank[start : start + _ROWS_AT_ONCE])
        top[rows], prob[rows], ranked = _best_of(values[rows].astype(np.float64), kind)
        ties.add(ranked)
    one_hot = ties.known_places == 1 and bool(((there == 0) | (there == 1)).all())
    without = is_scores or one_hot
    return Best(top, None if without else prob / 100 if percent else prob, ties, rules)


def _best_of(scores: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best classes, the probability of the first, and the scores of these and of the next, best first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order[:, : KEPT + 1], axis=1)
    first = ranked[:, :1]
    prob = first[:, 0] if kind == "probabilities" else 1 / np.exp(scores - first).sum(axis=1)
    return order[:, :KEPT], prob, ranked


def _blank_rows(values: np.ndarray, where: Path | str) -> np.ndarray:
    """Rows that tell no class from another: all NaN, or all scores equal. Raises DataError for a row partly NaN."""
    if values.dtype.kind != "f":
        return values.max(axis=1) == values.min(axis=1)
    nan = np.isnan(values)
    partly = np.flatnonzero(nan.any(axis=1) & ~nan.all(axis=1))
    if len(partly):
        raise DataError(
            "a score is missing",
            where=_row(where, partly),
            found="NaN, or an empty cell",
            expected="a number for each class, or for none where there is no prediction",
        )
    with np.errstate(invalid="ignore"):
        return nan.all(axis=1) | (values == values[:, :1]).all(axis=1)


def _blank_rules(values: np.ndarray, blank: np.ndarray) -> list[str]:
    equal = int(blank.sum() - (np.isnan(values[:, 0]).sum() if values.dtype.kind == "f" else 0))
    return [f"{counted(equal, 'row')} with the same score for all classes, which is no prediction"] if equal else []


def _check_probabilities(values: np.ndarray, blank: np.ndarray, where: Path | str) -> bool:
    """Whether probabilities are in percent. Raises DataError where rows do not sum to 1, nor to 100."""
    there = values[~blank]
    sums = there.sum(axis=1, dtype=np.float64)
    for whole in (1, 100):
        odd = (there < 0).any(axis=1) | (there > whole).any(axis=1) | (np.abs(sums / whole - 1) > _SUM_WITHIN)
        if not odd.any():
            return whole == 100
    odd = (there < 0).any(axis=1) | (there > 1).any(axis=1) | (np.abs(sums - 1) > _SUM_WITHIN)
    first = int(np.flatnonzero(odd)[0])
    raise DataError(
        "these are not probabilities",
        where=f"{where}, row {np.flatnonzero(~blank)[first]:,}",
        found=f"{there[first].min():g} to {there[first].max():g}, sum {sums[first]:g}",
        expected="each in [0, 1], their sum 1",
        fix='`kind` "logits" takes scores of any size',
    )
