"""Matrices of every model against every other, kept in half of the memory where models are many."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

# A thousand models have a hundred such matrices, of eight megabytes each. Seven digits are more than anything shows.
_MANY = 200
_NARROW = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}

Record = TypeVar("Record")


def narrowed(record: Record) -> Record:
    """The same record, its m × m matrices of 64-bit numbers in 32 bits where m is above 200."""
    return _narrowed(record)


def _narrowed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        large = value.ndim == 2 and value.shape[0] == value.shape[1] > _MANY
        return value.astype(_NARROW[value.dtype]) if large and value.dtype in _NARROW else value
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: _narrowed(getattr(value, one.name)) for one in fields(value) if one.init}
        return replace(value, **changed)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_narrowed, value))
    return value
