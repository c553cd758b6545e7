"""Values as others write them → the best few classes of each image in a view of a dataset."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, UsageError
from evalshift.evaluate.importers.checks import class_numbers
from evalshift.evaluate.importers.headings import is_labels
from evalshift.evaluate.importers.label_spaces import seen_numbers, seen_scores
from evalshift.evaluate.importers.values import NO_CLASS, TopClasses, numeric_values, top_classes
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.views import View


def top_classes_in(
    view: View,
    values: np.ndarray,
    classes: ClassNames,
    where: Path,
    kind: str = "auto",
    first_class: int | None = None,
    predicted_in: str | None = None,
) -> TopClasses:
    """The best classes of each row as a view has them: as `values.top_classes`, of the models' classes or of groups.

    classes        of the models
    predicted_in   the label space of class numbers, where a view has groups: that of the models, or of the groups
    """
    if values.dtype.kind == "U" and view.has_groups and set(values.ravel().tolist()) <= set(view.space.names):
        return _of_groups(view, values, where, kind, first_class)
    values = numeric_values(values, classes, where)
    columns = values.shape[1] if values.ndim == 2 else 1
    scored = columns > 1 and kind not in ("top1", "topk") and not _are_classes(values, len(view.of))
    if _in_groups(values, view, where, predicted_in) or (view.has_groups and scored and columns == len(view.space)):
        return _of_groups(view, values, where, kind, first_class)
    members = [label for label, meaning in enumerate(view.meaning) if meaning is not None]
    if scored and columns == len(members) < len(view.of):
        names = [classes.names[label] for label in members]
        found = top_classes(values, ClassNames(names), where, kind, kept=None)
    else:
        found = top_classes(values, classes, where, kind, first_class, kept=None)
    if found.kind in ("top1", "topk"):
        top, rule = seen_numbers(found.top, view, where)
        return replace(found, top=top, rules=(*found.rules, rule))
    there = found.top[:, 0] != NO_CLASS
    seen = seen_scores(values[there], found.kind, view, where)
    top = np.full((len(values), seen.top.shape[1]), NO_CLASS, np.int32)
    top[there] = seen.top
    prob = None
    if found.prob is not None:
        prob = np.full(len(values), np.nan, np.float32)
        prob[there] = seen.prob
    return TopClasses(top, prob, found.kind, (*found.rules, *seen.rules))


def _of_groups(view: View, values: np.ndarray, where: Path, kind: str, first_class: int | None) -> TopClasses:
    found = top_classes(values, ClassNames(view.space.names), where, kind, first_class)
    return replace(found, rules=(*found.rules, f"they are groups of the view {view.name}"))


def _are_classes(values: np.ndarray, classes: int) -> bool:
    """Whether rows hold class numbers, each once, or none."""
    numbers = np.where(np.isnan(values), NO_CLASS, values) if values.dtype.kind == "f" else values
    ranked = np.sort(numbers, axis=1)
    whole = bool((ranked == np.round(ranked)).all()) and ranked.min() >= NO_CLASS and ranked.max() < classes
    doubled = (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] != NO_CLASS)
    return whole and not doubled.any()


def _in_groups(values: np.ndarray, view: View, where: Path, predicted_in: str | None) -> bool:
    """Whether class numbers are those of groups; UsageError where they could be either."""
    if not view.has_groups or (values.ndim == 2 and values.shape[1] >= len(view.space)):
        return False
    if predicted_in in (view.space.name, view.name):
        return True
    there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if predicted_in == view.of.name or there.max(initial=0) >= len(view.space):
        return False
    raise UsageError(
        "ambiguous whether these are classes or groups of classes",
        where=where,
        found=f"no number above {there.max(initial=0):g}, where the view {view.name} has {len(view.space)} groups",
        expected=f"class numbers of {view.of.name}, or groups, such as {', '.join(view.space.names[:3])}",
        fix=f"name the label space (`classes`): {view.of.name} or {view.name}",
    )


def as_labels_in(view: View, column: np.ndarray, labels: np.ndarray, classes: ClassNames) -> np.ndarray:
    """A column of labels of the models' classes as the groups of a view; as it is where that fits `labels` better."""
    numbers = class_numbers(column, classes)
    if not view.has_groups or numbers is None:
        return column
    meaning = np.array([NO_CLASS if label is None else label for label in view.meaning])
    inside = (numbers >= 0) & (numbers < len(meaning))
    grouped = np.where(inside, meaning[np.where(inside, numbers, 0)], numbers)
    return max((grouped, numbers), key=lambda one: int((one == labels).sum()))


def hold_several(
    columns: Mapping[str, np.ndarray], accepted: np.ndarray, classes: ClassNames, where: Path
) -> list[str]:
    """Hold columns of one label per image against several, shape (n, c); DataError where most are none of them."""
    rules = []
    for name, column in columns.items():
        numbers = class_numbers(column, classes)
        if numbers is None:
            continue
        inside = int((accepted == numbers[:, None]).any(axis=1).sum())
        if is_labels(name) and 2 * inside < len(numbers):
            raise DataError(
                "rows seem to be in another order",
                where=f'{where}, column "{name}"',
                found=f"{inside:,} of {len(numbers):,} labels are among those of their image",
                expected="most of them",
            )
        rules.append(f'{inside:,} of {len(numbers):,} labels in "{name}" are among the several of their image')
    return rules
