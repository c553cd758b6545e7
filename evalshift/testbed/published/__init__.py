"""Counts of published testbeds: the number of correct predictions of each model on each test set.

A testbed is a folder here: `testbed.yaml` says what its tables are, a CSV file holds each table, and README.md says
where every number comes from.
"""

import csv
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

import numpy as np
import yaml

from evalshift.errors import unknown_name
from evalshift.shapes import Counts


@dataclass(frozen=True)
class PublishedModel:
    """One model of a published testbed; `exact` unless its counts were worked out from rounded accuracies."""

    name: str
    family: str
    year: int
    exact: bool


@dataclass(frozen=True, eq=False)
class PublishedTable:
    """The models that were published on one original set and its new ones.

    images    dataset -> how many it has
    metrics   "top1", and "top5" where it was published
    without   families that the publication's own lines leave out
    release   what `evalshift import` calls the release of these models' predictions; None where there is none
    models    in alphabetical order
    correct   (dataset, metric) -> number of correct predictions of each model, shape (m,), in the order of `models`
    """

    original: str
    new: tuple[str, ...]
    images: dict[str, int]
    metrics: tuple[str, ...]
    without: tuple[str, ...]
    release: str | None
    models: tuple[PublishedModel, ...]
    correct: dict[tuple[str, str], Counts]

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of its pairs, "original:new"."""
        return tuple(f"{self.original}:{new}" for new in self.new)


@dataclass(frozen=True, eq=False)
class PublishedTestbed:
    """A published testbed.

    title      what figures and tables call it, such as "Recht et al. 2019"
    reference  the publication, with authors and title
    paper      address of the publication
    ties       how its tables rank models of equal accuracy: "shared" or "alphabetical"
    families   the title of each family of its models that has one, by its name
    datasets   the title of each dataset that has one, by its name
    near_duplicates  what was published of near-duplicates of training images: dataset → share, accuracy, source
    """

    name: str
    title: str
    reference: str
    paper: str
    ties: Literal["shared", "alphabetical"]
    families: dict[str, str]
    datasets: dict[str, str]
    near_duplicates: dict[str, dict[str, Any]]
    tables: tuple[PublishedTable, ...]

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of its pairs, "original:new", in the order of the publication."""
        return tuple(pair for table in self.tables for pair in table.pairs)

    def table_of(self, pair: str) -> PublishedTable | None:
        """The table that holds `pair`, "original:new"; None where nothing was published on it."""
        return next((table for table in self.tables if pair in table.pairs), None)


def published_names() -> tuple[str, ...]:
    """The testbeds that come with evalshift, by name."""
    folders = resources.files(__name__).iterdir()
    return tuple(sorted(folder.name for folder in folders if folder.joinpath("testbed.yaml").is_file()))


def load_published(name: str) -> PublishedTestbed:
    """The published testbed of that name; raises UsageError when none has it.

    >>> load_published("recht2019").pairs[0]
    'cifar10:cifar10.1-v4'
    """
    names = published_names()
    if name not in names:
        raise unknown_name("unknown published testbed", name, names)
    folder = resources.files(__name__).joinpath(name)
    facts = yaml.safe_load(folder.joinpath("testbed.yaml").read_text("utf-8"))
    tables = tuple(_load_table(folder, table) for table in facts["tables"])
    near = {known: entry["near_duplicates"] for known, entry in facts["datasets"].items() if "near_duplicates" in entry}
    families, datasets = (
        {known: entry["title"] for known, entry in facts.get(kind, {}).items()} for kind in ("families", "datasets")
    )
    return PublishedTestbed(
        name, facts["title"], facts["reference"], facts["paper"], facts["ties"], families, datasets, near, tables
    )


def find_release(name: str) -> tuple[PublishedTestbed, PublishedTable] | None:
    """The published testbed and its table whose models' predictions were released under this name; None without one.

    >>> testbed, table = find_release("recht2019-imagenet")
    >>> testbed.name, table.original
    ('recht2019', 'imagenet')
    """
    for testbed in map(load_published, published_names()):
        for table in testbed.tables:
            if table.release == name:
                return testbed, table
    return None


def _load_table(folder: Traversable, facts: dict) -> PublishedTable:
    rows = list(csv.DictReader(folder.joinpath(facts["counts"]).read_text("utf-8").splitlines()))
    metrics = tuple(facts["metrics"])
    return PublishedTable(
        original=facts["original"],
        new=tuple(facts["new"]),
        images=facts["images"],
        metrics=metrics,
        without=tuple(facts.get("without", ())),
        release=facts.get("release"),
        models=tuple(
            PublishedModel(row["model"], row["family"], int(row["year"]), row["counted_from"] == "predictions")
            for row in rows
        ),
        correct={
            (dataset, metric): np.array([int(row[f"{dataset} {metric}"]) for row in rows], dtype=np.int64)
            for dataset in facts["images"]
            for metric in metrics
        },
    )
