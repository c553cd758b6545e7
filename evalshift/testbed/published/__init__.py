"""Counts of published testbeds: the number of correct predictions of each model on each test set.

A testbed is a folder here: `testbed.yaml` says what its tables are, CSV files (some compressed) hold the counts, and
README.md says where every number comes from.
"""

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

import numpy as np
import yaml

from evalshift.errors import UsageError, unknown_name
from evalshift.shapes import Counts
from evalshift.testbed.timm_names import TRAINING_DATA

_MISSING = -1  # a count that was not published


@dataclass(frozen=True)
class PublishedModel:
    """One model of a published testbed.

    name        in the testbed; where a model was evaluated at several image sizes, its size follows, as "vit@384"
    family, year  of its architecture (in RobustBench the year of the model's own publication); None where not known
    exact       whether its counts are; else they were worked out from accuracies that leave several counts open
    training_data  the dataset by which models are grouped, see `timm_names.training_data`; None where it is not known
    parameters  how many, as precisely as published; None where that was not
    image_size  pixels per side of what the network takes; None where that was not published
    architecture, venue  as a testbed prints them that lists them; else None
    """

    name: str
    family: str | None
    year: int | None
    exact: bool
    training_data: str | None = None
    parameters: int | None = None
    image_size: int | None = None
    architecture: str | None = None
    venue: str | None = None

    @property
    def weights(self) -> str:
        """Its name without an image size.

        >>> PublishedModel("vit@384", "vit", 2020, True).weights
        'vit'
        """
        return self.name.partition("@")[0]


@dataclass(frozen=True, eq=False)
class PublishedCounts:
    """All counts of one file: m models, in alphabetical order.

    correct   (dataset, metric) -> number of correct predictions of each model, shape (m,); −1 where none was published
    """

    models: tuple[PublishedModel, ...]
    correct: dict[tuple[str, str], Counts]


@dataclass(frozen=True, eq=False)
class _CountsFile:
    """A file of counts; read when they are first asked for."""

    folder: Traversable
    name: str
    images: Mapping[str, int]
    metrics: tuple[str, ...]

    @cached_property
    def counts(self) -> PublishedCounts:
        content = self.folder.joinpath(self.name).read_bytes()
        text = gzip.decompress(content) if self.name.endswith(".gz") else content
        rows = list(csv.DictReader(text.decode("utf-8").splitlines()))
        return PublishedCounts(
            models=tuple(map(_model, rows)),
            correct={
                (dataset, metric): np.array([int(row[column] or _MISSING) for row in rows], dtype=np.int64)
                for dataset in self.images
                for metric in self.metrics
                if rows and (column := f"{dataset} {metric}") in rows[0]
            },
        )


@dataclass(frozen=True, eq=False)
class PublishedTable:
    """The models that were published on one original set and its new ones, all of them on each.

    images    dataset -> how many it has
    metrics   "top1", and "top5" where it was published
    without   families that the publication's own lines leave out
    release   what `evalshift import` calls the release of these models' predictions; None where there is none
    classes   the label space of its sets; None for one that is not known to evalshift
    detail    whether its pairs are parts of another one, which a report shows only where it names them
    """

    original: str
    new: tuple[str, ...]
    images: dict[str, int]
    metrics: tuple[str, ...]
    without: tuple[str, ...]
    release: str | None
    classes: str | None
    detail: bool
    _file: _CountsFile = field(repr=False)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of its pairs, "original:new"."""
        return tuple(f"{self.original}:{new}" for new in self.new)

    @cached_property
    def models(self) -> tuple[PublishedModel, ...]:
        """In alphabetical order."""
        models = self._file.counts.models
        return tuple(models[row] for row in self._rows)

    @cached_property
    def correct(self) -> dict[tuple[str, str], Counts]:
        """(dataset, metric) -> number of correct predictions of each model, shape (m,), in the order of `models`."""
        return {cell: self._file.counts.correct[cell][self._rows] for cell in self._cells}

    @property
    def _cells(self) -> list[tuple[str, str]]:
        return [(dataset, metric) for dataset in self.images for metric in self.metrics]

    @cached_property
    def _rows(self) -> np.ndarray:
        """Those of the file that have a count in each cell."""
        counts = self._file.counts.correct
        return np.flatnonzero(np.all([counts[cell] != _MISSING for cell in self._cells], axis=0))


@dataclass(frozen=True, eq=False)
class PublishedTestbed:
    """A published testbed.

    title      what figures and tables call it, such as "Recht et al. 2019"
    reference  the publication, with authors and title
    paper      address of the publication
    ties       how its tables rank models of equal accuracy: "shared" or "alphabetical"
    families   the title of each family of its models that has one, by its name
    datasets   the title of each dataset that has one, by its name
    notes      what readers have to know of the numbers on a dataset, a sentence without its full stop, by its name
    near_duplicates  what was published of near-duplicates of training images: dataset → share, accuracy, source
    images     dataset → how many it has, of all that any of its models was evaluated on
    licence    that of the published numbers; None where none is stated
    source     where the numbers were published: repository or paper, and commit
    """

    name: str
    title: str
    reference: str
    paper: str
    ties: Literal["shared", "alphabetical"]
    families: dict[str, str]
    datasets: dict[str, str]
    notes: dict[str, str]
    near_duplicates: dict[str, dict[str, Any]]
    tables: tuple[PublishedTable, ...]
    images: dict[str, int]
    licence: str | None
    source: str | None
    _files: tuple[_CountsFile, ...] = field(repr=False)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The names of its pairs, "original:new", in the order of the publication."""
        return tuple(pair for table in self.tables for pair in table.pairs)

    @property
    def main_pairs(self) -> tuple[str, ...]:
        """The same without those that are parts of another one, such as single corruptions.

        >>> testbed = load_published("taori2020")
        >>> len(testbed.pairs), len(testbed.main_pairs)
        (34, 15)
        """
        return tuple(pair for table in self.tables if not table.detail for pair in table.pairs)

    @property
    def details(self) -> tuple[str, ...]:
        """The names of the pairs that `main_pairs` leaves out."""
        return tuple(pair for table in self.tables if table.detail for pair in table.pairs)

    @property
    def counts(self) -> tuple[PublishedCounts, ...]:
        """All that was published, also on sets that are in no pair; one record per file."""
        return tuple(file.counts for file in self._files)

    @property
    def citation(self) -> str:
        """Where its numbers come from: reference, address, and source and licence where they are stated.

        >>> load_published("timm").citation.endswith("(ImageNetV2 and ImageNet-R 36d930ff); Apache-2.0.")
        True
        """
        stated = f" Source: {self.source}; {self.licence}." if self.source and self.licence else ""
        return f"{self.reference} ({self.paper}).{stated}"

    def table_of(self, pair: str) -> PublishedTable | None:
        """The table that holds `pair`, "original:new"; None where nothing was published on it."""
        return next((table for table in self.tables if pair in table.pairs), None)

    def pair_named(self, pair: str) -> str:
        """The testbed's pair of this name; "imagenet:imagenet-a" is that of ImageNet's images of the same classes.

        >>> load_published("timm").pair_named("imagenet:imagenet-a")
        'imagenet@imagenet-a:imagenet-a'
        """
        original, _, new = pair.partition(":")
        part = (known for known in self.pairs if known.startswith(f"{original}@") and known.endswith(f":{new}"))
        return pair if pair in self.pairs else next(part, pair)

    def attributes(self, model: PublishedModel) -> dict[str, Any]:
        """Facts of a model as the entries of a registry have them; without those that are not known."""
        facts = {
            "family": model.family,
            "family_title": self.families.get(model.family or ""),
            "year": model.year,
            "training_data": model.training_data,
            "training_data_title": TRAINING_DATA.get(model.training_data or ""),
            "parameters": model.parameters,
            "image_size": model.image_size,
            "architecture": model.architecture,
            "venue": model.venue,
        }
        return {key: value for key, value in facts.items() if value is not None}


@cache
def published_names() -> tuple[str, ...]:
    """The testbeds that come with evalshift, by name."""
    folders = resources.files(__name__).iterdir()
    return tuple(sorted(folder.name for folder in folders if folder.joinpath("testbed.yaml").is_file()))


def load_published(name: str) -> PublishedTestbed:
    """The published testbed of that name; raises UsageError when none has it. Counts are read when asked for.

    >>> load_published("recht2019").pairs[0]
    'cifar10:cifar10.1-v4'
    """
    names = published_names()
    if name not in names:
        raise unknown_name("unknown published testbed", name, names)
    return _load(name)


def load_with_pairs(name: str) -> PublishedTestbed:
    """As `load_published`; raises UsageError, too, for a testbed whose models were evaluated on one set each."""
    testbed = load_published(name)
    if testbed.pairs:
        return testbed
    raise UsageError(
        "the models of this published testbed were evaluated on one test set each: there is no pair to report on",
        found=f'"{name}"',
        expected=", ".join(known for known in published_names() if load_published(known).pairs),
    )


@cache
def _load(name: str) -> PublishedTestbed:
    folder = resources.files(__name__).joinpath(name)
    facts = yaml.safe_load(folder.joinpath("testbed.yaml").read_text("utf-8"))
    datasets = facts["datasets"]
    tables = facts.get("tables", [])
    names: list[str] = [one["counts"] for one in (*tables, facts) if "counts" in one]
    files = {one: _counts_file(folder, facts, one) for one in names}
    families, titles = (
        {known: entry["title"] for known, entry in facts.get(kind, {}).items() if "title" in entry}
        for kind in ("families", "datasets")
    )
    return PublishedTestbed(
        name=name,
        title=facts["title"],
        reference=facts["reference"],
        paper=facts["paper"],
        ties=facts["ties"],
        families=families,
        datasets=titles,
        notes={known: one["note"] for known, one in datasets.items() if "note" in one},
        near_duplicates={known: one["near_duplicates"] for known, one in datasets.items() if "near_duplicates" in one},
        tables=tuple(one for table in tables for one in _tables(table, datasets, files[table["counts"]])),
        images={known: one["images"] for known, one in datasets.items()},
        licence=facts.get("licence"),
        source=facts.get("source"),
        _files=tuple(files.values()),
    )


def _counts_file(folder: Traversable, facts: dict, name: str) -> _CountsFile:
    images = {known: one["images"] for known, one in facts["datasets"].items()}
    tables = facts.get("tables", [])
    metrics = dict.fromkeys((*facts.get("metrics", []), *(one for table in tables for one in table["metrics"])))
    return _CountsFile(folder, name, images, tuple(metrics))


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


def _tables(facts: dict, datasets: dict[str, dict], file: _CountsFile) -> list[PublishedTable]:
    """The table of all its sets; one per new set where not all models were evaluated on all (`complete: false`)."""
    new = tuple(facts["new"])
    return [
        PublishedTable(
            original=facts["original"],
            new=sets,
            images={name: datasets[name]["images"] for name in (facts["original"], *sets)},
            metrics=tuple(facts["metrics"]),
            without=tuple(facts.get("without", ())),
            release=facts.get("release"),
            classes=facts.get("classes", facts["original"] if facts["original"].startswith("cifar") else "imagenet-1k"),
            detail=facts.get("detail", False),
            _file=file,
        )
        for sets in ([new] if facts.get("complete", True) else [(one,) for one in new])
    ]


def _model(row: Mapping[str, str]) -> PublishedModel:
    def number(column: str, unit: float = 1) -> int | None:
        text = row.get(column)
        return round(float(text) * unit) if text else None

    return PublishedModel(
        name=row["model"],
        family=row.get("family") or None,
        year=number("year"),
        exact=row.get("counted_from", "predictions") != "tables",
        training_data=row.get("training_data") or None,
        parameters=number("parameters_millions", 1e6),
        image_size=number("image_size"),
        architecture=row.get("architecture") or None,
        venue=row.get("venue") or None,
    )
