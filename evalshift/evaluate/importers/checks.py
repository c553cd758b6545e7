"""Compare the columns next to predictions with the dataset: labels, correctness, the number of the first class."""

from collections.abc import Mapping
from math import sqrt
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.columns import is_surely_labels
from evalshift.evaluate.importers.headings import is_labels
from evalshift.evaluate.importers.values import NO_CLASS, TopClasses
from evalshift.evaluate.store import StoredDataset
from evalshift.shapes import Labels
from evalshift.testbed.cells import as_numbers, is_missing
from evalshift.testbed.class_names import ClassNames

# Standard errors by which one numbering of classes must make more predictions correct than the other.
_SURELY = 3.1
# With fewer images, labels under an unknown heading cannot be distinguished from other columns.
_FEWEST = 20


def hold_labels(
    columns: Mapping[str, np.ndarray],
    dataset: StoredDataset,
    labels: Labels,
    predicted: np.ndarray,
    classes: ClassNames,
    where: Path,
    by_name: bool,
) -> list[str]:
    """Compare columns of labels with the labels of the dataset; returns the results in words.

    labels      of the images with rows in the file, in the order of the columns
    predicted   the first predicted class of each of these images, −1 for none; a column equal to it repeats it
    by_name     whether rows were matched by the names of images

    Raises DataError if more than a few differ: rows are in another order, or labels have another meaning.
    """
    rules: list[str] = []
    for name, column in columns.items():
        numbers = class_numbers(column, classes)
        if not is_labels(name):
            if numbers is not None and _is_reordered(numbers, labels):
                raise _other_order(name, numbers, labels, dataset, where, by_name)
        elif numbers is None:
            rules += _hold_names(name, column, labels, dataset, where, by_name)
        elif np.array_equal(numbers, predicted) and not _is_labels_in_other_order(name, numbers, labels, by_name):
            rules.append(f'the column "{name}" holds the predictions once more')
        else:
            rules += _hold_numbers(name, numbers, labels, dataset, where, by_name)
    return rules


def few_of(images: int) -> int:
    """Number of labels that may differ, as for corrected labels, but too few for another order of rows.

    >>> few_of(10), few_of(40), few_of(10_000)
    (0, 2, 100)
    """
    return max(images // 100, min(2, images // 20))


def class_numbers(column: np.ndarray, classes: ClassNames) -> np.ndarray | None:
    """A column as class numbers, −1 for empty cells; None if it contains something else."""
    if column.dtype.kind == "U":
        found = as_numbers(column)
        if found is None:
            return classes.numbers(column)
        column = found
    if column.dtype.kind == "f":
        column = np.where(np.isnan(column), NO_CLASS, column)
    return column.astype(np.int64)


def _is_reordered(numbers: np.ndarray, labels: Labels) -> bool:
    """Whether numbers are the labels in another order: equal class counts at other positions."""
    if len(labels) < _FEWEST or np.array_equal(numbers, labels):
        return False
    return np.array_equal(np.sort(numbers), np.sort(labels)) and len(np.unique(labels)) > 2


def _is_labels_in_other_order(name: str, numbers: np.ndarray, labels: Labels, by_name: bool) -> bool:
    """Whether labels equal to the predictions are nevertheless labels: of a model that is always correct."""
    if np.array_equal(numbers, labels):
        return False
    return not by_name and (is_surely_labels(name) or np.array_equal(np.sort(numbers), np.sort(labels)))


def _hold_numbers(
    name: str, numbers: np.ndarray, labels: Labels, dataset: StoredDataset, where: Path, by_name: bool
) -> list[str]:
    there = numbers != NO_CLASS
    differing = int((numbers != labels)[there].sum())
    if differing == 0:
        return [f'the column "{name}" equals the labels of {dataset.name}']
    if (numbers[there] - 1 == labels[there]).all():
        raise DataError(
            "the labels in the file count from 1, those of the dataset from 0",
            where=f'{where}, column "{name}"',
            found=f"{numbers.min()} to {numbers.max()}",
            expected=f"0 to {len(dataset.class_names) - 1}",
            fix="where the predictions count from 1 as well, say so with `first_class` 1, and leave this column out",
        )
    if differing > few_of(len(numbers)) or _is_reordered(numbers, labels):
        raise _other_order(name, numbers, labels, dataset, where, by_name)
    return [
        f'the column "{name}" differs from the labels of {dataset.name} for {differing:,} of {len(numbers):,} images'
    ]


def _hold_names(
    name: str, column: np.ndarray, labels: Labels, dataset: StoredDataset, where: Path, by_name: bool
) -> list[str]:
    """Check labels with unknown names: the names and the classes must correspond one to one."""
    texts, codes = np.unique(column, return_inverse=True)
    there = ~np.array([is_missing(text) for text in texts.tolist()])[codes]
    pairs = set(zip(codes[there].tolist(), labels[there].tolist(), strict=True))
    labels_seen, codes_seen = {label for _, label in pairs}, {code for code, _ in pairs}
    if len(pairs) == len(labels_seen) == len(codes_seen):
        return [f'each value of the column "{name}" goes with one class of {dataset.name}']
    if not by_name:
        raise DataError(
            "rows seem to be in a different order than the images",
            where=f'{where}, column "{name}"',
            found=f"{len(codes_seen):,} values such as {texts[0]}, which go with no class each",
            expected=f"the labels of {dataset.name}, in its order",
            fix="give the file a column of ids, or leave the column out where it is something else",
        )
    return [f'the column "{name}" holds no classes of {dataset.classes}, and is not read']


def _other_order(
    name: str, numbers: np.ndarray, labels: Labels, dataset: StoredDataset, where: Path, by_name: bool
) -> DataError:
    differing = int((numbers != labels).sum())
    found = (
        f'the column "{name}" differs from the labels of {dataset.name} for {differing:,} of {len(numbers):,} images'
    )
    if by_name:
        return DataError(
            "the labels in the file are not those of the dataset",
            where=where,
            found=found,
            expected="equal labels, as rows were matched by the names of the images",
            fix="check that the file is of this dataset, and numbers its classes alike",
        )
    return DataError(
        "rows seem to be in a different order than the images",
        where=where,
        found=found,
        expected="the labels of the dataset, in its order",
        fix="give the file a column of ids, or save it in the order of the dataset (a loader that does not shuffle)",
    )


def hold_correctness(
    columns: Mapping[str, np.ndarray], hits: np.ndarray, dataset: StoredDataset, where: Path
) -> list[str]:
    """Compare columns that say whether each prediction is correct, in dataset order, with the dataset.

    Raises DataError if more than a few differ.
    """
    rules = []
    for name, column in columns.items():
        differing = int((column != hits).sum())
        if differing > few_of(len(hits)):
            raise DataError(
                "the file marks other predictions as correct",
                where=f'{where}, column "{name}"',
                found=f"{int(column.sum()):,} correct there and {int(hits.sum()):,} here; {differing:,} rows differ",
                expected=f"the predictions of {dataset.name}, in its order, with its labels",
                fix="give the file a column of ids, or check the labels",
            )
        rules.append(f'the column "{name}" says the same of all but {differing:,} of {len(hits):,} predictions')
    return rules


def refuse_shifted(predicted: np.ndarray, labels: Labels, where: Path) -> None:
    """Raise DataError if predictions count classes from 1: none is 0, and subtracting 1 makes far more correct."""
    there = predicted != NO_CLASS
    if not there.any() or predicted[there].min() < 1:
        return
    now, then = int((predicted == labels)[there].sum()), int((predicted - 1 == labels)[there].sum())
    if now + then and (then - now) / sqrt(now + then) >= _SURELY:
        raise DataError(
            "class numbers seem to start at 1",
            where=where,
            found=f"{now:,} of {len(labels):,} predictions are correct, and {then:,} if each is one less; none is 0",
            expected="classes that count from 0",
            fix="say that they count from 1 with `first_class` 1, or that they count from 0 with `first_class` 0",
        )


def refuse_reversed(values: np.ndarray, places: np.ndarray, top: TopClasses, labels: np.ndarray, path: Path) -> None:
    """Raise DataError where the lowest of the scores is the label far more often than the highest: distances, losses.

    values   scores of each row of the file; others than numbers by class are not looked at
    places   the row of each image, -1 where it has none
    """
    if top.kind != "logits" or values.ndim != 2 or values.dtype.kind not in "iuf":
        return
    there = places >= 0
    lowest = int((values.argmin(axis=1)[places[there]] == labels[there]).sum())
    highest = int((top.top[there, 0] == labels[there]).sum())
    if lowest > 2 * highest and lowest - highest > max(2, len(labels) / 5):
        raise DataError(
            "low scores seem to be the best",
            where=path,
            found=f"{highest:,} of {len(labels):,} images are correct by the highest score, {lowest:,} by the lowest",
            expected="scores of which the highest is the prediction, such as logits",
            fix="negate distances, losses and negative log-likelihoods; if high scores are the best, say `kind` logits",
        )
