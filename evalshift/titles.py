"""Titles: what figures and tables call a dataset, a model or a family, where files and commands use its name.

A registry gives them (`title:`), and stored predictions and datasets carry them in their entries.
"""

from collections.abc import Mapping
from typing import Any


def title_of(entry: object, name: str) -> str:
    """The title in an entry, a mapping as stored or an entry of a registry; `name` where it has none.

    >>> title_of({"source": "cifar10.1", "title": "CIFAR-10.1 v6"}, "cifar10.1-v6")
    'CIFAR-10.1 v6'
    >>> title_of({"source": "cifar10.1"}, "cifar10.1-v6")
    'cifar10.1-v6'
    """
    return _text(entry, "title") or name


def family_title_of(entry: object, family: str) -> str:
    """The title of a model's family in the model's entry; `family`, its name, where it has none."""
    return _text(entry, "family_title") or family


def _text(entry: Any, field: str) -> str | None:
    value = entry.get(field) if isinstance(entry, Mapping) else getattr(entry, field, None)
    return value if isinstance(value, str) and value.strip() else None
