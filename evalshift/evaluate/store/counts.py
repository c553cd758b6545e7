"""Counts of correct predictions, imported without the predictions themselves, and their Parquet file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from evalshift.evaluate.predictions import Provenance
from evalshift.evaluate.store.predictions import checked_provenance
from evalshift.evaluate.store.schema import CountsFacts, check_counts, check_named
from evalshift.evaluate.store.sealed_files import read_sealed, write_sealed
from evalshift.testbed.views import View


@dataclass(frozen=True)
class CountedDataset:
    """A dataset of which only counts were imported: neither its labels nor its images are known.

    classes  the name of its label space, None where the import did not know it
    view     the classes that the counts are of, where they are not all of the label space
    title    what figures and tables call it, where the registry of the import gave it one
    """

    name: str
    images: int
    classes: str | None
    view: View | None = None
    title: str | None = None

    def __len__(self) -> int:
        return self.images

    @property
    def class_names(self) -> tuple[str, ...]:
        return ()

    @property
    def fingerprint(self) -> str:
        return "counts alone"

    @property
    def entry(self) -> dict:
        return {} if self.title is None else {"title": self.title}


@dataclass(frozen=True)
class Counted:
    """Numbers of correct predictions of one model on a dataset, where its predictions are unknown.

    top1, top5  images whose label is the first, or one of the first five predictions; None where not given
    within      the counts may be off by as many images: they were computed from rounded accuracies
    """

    model: str
    top1: int
    top5: int | None
    within: int
    provenance: Provenance


def write_counts(dataset: CountedDataset, rows: Mapping[str, Counted], path: Path) -> None:
    """Write the Parquet file of a dataset's counts, given by model, atomically."""
    columns = {
        "model": pa.array(rows, pa.string()),
        "top1": pa.array([row.top1 for row in rows.values()], pa.int64()),
        "top5": pa.array([row.top5 for row in rows.values()], pa.int64()),
        "within": pa.array([row.within for row in rows.values()], pa.int64()),
        "provenance": pa.array([row.provenance.model_dump_json() for row in rows.values()], pa.string()),
    }
    facts = {
        "dataset": dataset.name,
        "images": dataset.images,
        "classes": dataset.classes,
        "view": None if dataset.view is None else dataset.view.facts(),
        "title": dataset.title,
    }
    write_sealed(pa.table(columns), facts, path)


def read_counts(path: Path, name: str) -> tuple[CountedDataset, dict[str, Counted]]:
    """The counts of a dataset, by model. Raises what `reading` turns into StoreError, and FileNotFoundError."""
    table, written = read_sealed(path)
    check_named(written, dataset=name)
    facts = CountsFacts(**written)
    rows = [_counted(row, name, facts.images) for row in table.to_pylist()]
    view = None if facts.view is None else View.from_facts(facts.view)
    dataset = CountedDataset(name, facts.images, facts.classes, view, facts.title)
    return dataset, {row.model: row for row in rows}


def _counted(row: dict[str, Any], dataset: str, images: int) -> Counted:
    check_counts(row, images)
    facts = json.loads(row["provenance"])
    if not isinstance(facts, dict):
        raise ValueError(f"the provenance of {row['model']} is not a JSON object")
    provenance = checked_provenance(facts, dataset, row["model"])
    return Counted(row["model"], row["top1"], row["top5"], row["within"], provenance)
