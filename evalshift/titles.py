"""Titles: what figures and tables call a dataset, a model or a family, where files and commands use its name.

A registry gives them (`title:`), and stored predictions and datasets carry them in their entries.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Titles:
    """Name -> what is shown, of models, datasets and families; a name that is not in it is shown as it is.

    No two names of a kind are shown alike: where titles are equal, each is followed by its name, see `distinct`.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)

    def model(self, name: str) -> str:
        """The title of a model; its name where it has none."""
        return self.models.get(name, name)

    def dataset(self, name: str) -> str:
        """The title of a dataset; its name where it has none."""
        return self.datasets.get(name, name)

    def family(self, name: str) -> str:
        """The title of a family; its name where it has none."""
        return self.families.get(name, name)

    def pair(self, original: str, new: str) -> str:
        """The titles of two datasets, as "CIFAR-10 → CIFAR-10.1 v6"."""
        return f"{self.dataset(original)} → {self.dataset(new)}"


UNTITLED = Titles()


def titles_of(models: Mapping[str, object], datasets: Mapping[str, str]) -> Titles:
    """The titles of models and their families in the entries of the models, and those of datasets by name.

    >>> titles_of({"a": {"title": "VGG", "family": "vgg"}, "b": {"title": "VGG"}}, {}).models
    {'a': 'VGG (a)', 'b': 'VGG (b)'}
    """
    families: dict[str, str] = {}
    for entry in models.values():
        family = _text(entry, "family")
        if family is not None and families.get(family, family) == family:
            families[family] = family_title_of(entry, family)
    return Titles(
        distinct({name: title_of(entry, name) for name, entry in models.items()}),
        distinct(datasets),
        distinct(families),
    )


def joined(parts: Iterable[Titles]) -> Titles:
    """All titles together, such as those of several pairs."""
    models, datasets, families = {}, {}, {}
    for part in parts:
        models |= part.models
        datasets |= part.datasets
        families |= part.families
    return Titles(distinct(models), distinct(datasets), distinct(families))


def distinct(titles: Mapping[str, str]) -> dict[str, str]:
    """The same, with its name behind each title that another one has too, or that is the name of another one.

    >>> distinct({"small": "Net", "large": "Net", "other": "Another"})
    {'small': 'Net (small)', 'large': 'Net (large)', 'other': 'Another'}
    """
    counts = Counter(titles.values())
    return {
        name: f"{title} ({name})" if title != name and (counts[title] > 1 or title in titles) else title
        for name, title in titles.items()
    }


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
