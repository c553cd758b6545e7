"""What stands in the cells of a text table: numbers, lists, and the words for a missing value."""

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

# What people and programs write where there is no value, in lower case.
MISSING = frozenset(
    {
        *(
            "",
            "-",
            "–",
            "—",
            "?",
            "na",
            "n/a",
            "#n/a",
            "#na",
            "<na>",
            "nan",
            "none",
            "null",
            "nil",
            "nat",
            "missing",
            "n.a.",
            "n.d.",
        ),
        *("tbd", "tba", "✗", "✘", "×"),
        *("abstain", "abstained", "abstains", "abstention", "no answer", "no prediction", "unanswered", "no response"),
        *("invalid", "refused", "unknown", "not available"),
    }
)

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;|]+")


# What printing puts around values: tensors of torch, arrays and numbers of NumPy, also inside of lists.
_PRINTED = re.compile(r"\b(?:(?:np|numpy|torch)\.)?(?:tensor|array|u?int\d+|float\d+|str_|bool_)\(([^()]*)\)")
_BESIDE = re.compile(r",\s*(?:device|dtype|grad_fn|requires_grad)=[^,)\]]*")


def is_number(cell: str) -> bool:
    """Whether a cell is a number with a decimal point.

    >>> is_number(" -1.5e3 "), is_number("3 5"), is_number("nan")
    (True, False, False)
    """
    return _NUMBER.fullmatch(cell.strip()) is not None


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip().lower() in MISSING


def as_numbers(cells: np.ndarray) -> np.ndarray | None:
    """Text cells of any shape as int64, or as float64 with NaN for missing ones; None where one is neither.

    >>> as_numbers(np.array(["3", "1"])), as_numbers(np.array(["3", "na"])), as_numbers(np.array(["3", "cat"]))
    (array([3, 1]), array([ 3., nan]), None)
    """
    kinds = {}
    for cell in np.unique(cells).tolist():
        if is_missing(cell):
            kinds[cell] = np.nan
        elif is_number(cell):
            kinds[cell] = _number(cell)
        else:
            return None
    if any(kind is not np.nan for kind in kinds.values()):
        values = list(map(kinds.__getitem__, cells.ravel().tolist()))
        return np.array(values).reshape(cells.shape)
    return None


def _number(cell: str) -> int | float:
    text = cell.strip()
    return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text)


def is_list(cell: str) -> bool:
    """Whether a cell holds several values: in brackets, or numbers with something between them.

    >>> is_list("[3 5 1]"), is_list("3, 5, 1"), is_list("['cat', 'dog']"), is_list("tench, Tinca tinca")
    (True, True, True, False)
    """
    text = cell.strip()
    if len(text) > 1 and (text[0], text[-1]) in (("[", "]"), ("(", ")"), ("{", "}")):
        return True
    parts = [part for part in _BETWEEN.split(text) if part]
    return len(parts) > 1 and all(map(is_number, parts))


def without_print(cells: np.ndarray) -> np.ndarray:
    """Text cells without what printing a tensor or an array puts around values, or a list around one value.

    >>> without_print(np.array(["tensor([4], device='cuda:0')", "[np.int64(3), np.int64(5)]", "[7]"])).tolist()
    ['4', '[3, 5]', '7']
    """
    return np.array([_without_print(cell) for cell in cells.tolist()], dtype=str)


def _without_print(cell: str) -> str:
    if "(" in cell and _PRINTED.search(cell):
        cell = _PRINTED.sub(lambda found: _BESIDE.sub("", found[1]).strip(), cell)
    alone = re.fullmatch(r"\[\s*([^\[\](),;|\s]+|'[^']*'|\"[^\"]*\")\s*\]", cell.strip())
    return alone[1].strip("'\"") if alone else cell


def as_lists(cells: Sequence[str]) -> list[list[Any] | None] | None:
    """Each cell as its list, None for a missing one; None in all where one cell is neither a list nor missing.

    >>> as_lists(["[2 9]", "", "3,1"])
    [[2, 9], None, [3, 1]]
    """
    lists: list[list[Any] | None] = []
    for cell in cells:
        if is_missing(cell):
            lists.append(None)
        elif is_list(cell):
            lists.append(_list(cell.strip()))
        elif is_number(cell):  # one value, where others have several
            lists.append([_number(cell)])
        else:
            return None
    several = [one for one in lists if one is not None and len(one) > 1]
    return lists if several else None


def _list(text: str) -> list[Any]:
    inner = text[1:-1] if text[0] in "[({" else text
    if "'" in inner or '"' in inner:
        try:
            return list(ast.literal_eval(f"[{inner}]"))
        except (SyntaxError, ValueError):
            pass
    parts = [part for part in _BETWEEN.split(inner.strip()) if part]
    return [_number(part) if is_number(part) else part for part in parts]
