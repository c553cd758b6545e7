"""Labels that are written as text: class names, other names such as wnids, or numbers."""

from collections.abc import Sequence

import numpy as np

from evalshift.errors import DataError, did_you_mean
from evalshift.publishing import name_of_cell
from evalshift.shapes import Labels
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.classes import ClassSpace


def labels_of_text(values: Sequence[str], space: ClassSpace, where: object) -> Labels:
    """The label of each text, shape (n,): all are names of classes, as `ClassNames` knows them, or all are numbers.

    Names come first where both would do. Raises DataError naming the first text that is no class, and its row.
    """
    distinct = dict.fromkeys(values)
    classes = ClassNames(space.names, space.folders)
    names = {text: number for text in distinct if (number := _class_number(classes, text)) is not None}
    numbers = {text: int(float(text)) for text in distinct if _is_label(text, len(space))}
    best = max(names, numbers, key=len)
    unknown = next((text for text in distinct if text not in best), None)
    if unknown is None:
        return np.array([best[text] for text in values], dtype=np.int64)
    raise DataError(
        f"labels that are not classes of {space.name}",
        where=f"{where}, row {list(values).index(unknown) + 1:,}",
        found=f'"{unknown}"',
        expected=f"0 to {len(space) - 1}, or names such as {', '.join((space.folders or space.names)[:2])}",
        fix=did_you_mean(unknown, (*space.names, *space.folders)) or _from_one(distinct, len(space)),
    )


def _class_number(classes: ClassNames, text: str) -> int | None:
    """The class of a name, as it is or as evalshift wrote it so that no spreadsheet takes it for a formula."""
    number = classes.number(text)
    return classes.number(name_of_cell(text)) if number is None else number


def _is_label(text: str, classes: int) -> bool:
    """Whether a text is a whole number from 0 on; pandas writes those of a column with gaps as 7.0."""
    whole = text.removesuffix(".0")
    return whole.isascii() and whole.isdigit() and int(whole) < classes


def _from_one(texts: Sequence[str] | dict[str, None], classes: int) -> str | None:
    numbers = [int(text) for text in texts if text.isascii() and text.isdigit()]
    if len(numbers) == len(texts) and min(numbers) == 1 and max(numbers) == classes:
        return "labels count from 0; subtract 1 if these count from 1 in the order of the classes"
    return None
