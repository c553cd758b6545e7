"""A dataset as the store knows it, which is all but its images, and its Parquet file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evalshift.evaluate.rows import label_checksum
from evalshift.evaluate.store.schema import DatasetFacts, check_dataset_rows, check_named
from evalshift.evaluate.store.sealed_files import read_facts, read_sealed, write_sealed
from evalshift.parquet import as_numpy
from evalshift.shapes import Int, Labels
from evalshift.testbed.corrected_labels import NONE
from evalshift.testbed.several_labels import padded
from evalshift.testbed.views import (
    BUILT_IN_VIEWS,
    Superclasses,
    View,
    built_in_groupings,
    built_in_view,
    superclasses_among,
)

# Columns that hold an attribute of the images.
_ATTRIBUTE = "attribute."


@dataclass(frozen=True, eq=False)
class StoredDataset:
    """A dataset as the store knows it: everything but the images.

    labels        class numbers, shape (n,)
    class_names   shape (classes,), position = class number
    fingerprint   sha256 over ids, labels and image content; the label checksum where the images were not available
    source_checksum  of names, sizes and modification times of the source files: while it is unchanged, the fingerprint
                  holds; None where the source files are unknown
    view          the View in which predictions are read; None where they are taken as they are
    attributes    further facts about each image, such as its place or year: name → text, shape (n,)
    accepted      all correct labels of each image, `labels` first, shape (n, c), shorter lists filled up with their
                  first; None where each image has one
    whole         names of all images of its source, in order, where some are left out: those without a label, or of
                  classes that the view leaves out; else None
    superclasses  of its classes, as the registry declares them
    corrected     corrected labels of each image, shape (n, c), rows filled up with −1, all of it where an image has
                  none; None where no corrected labels are known. Predictions are not compared with these
    corrected_checksum  of the file that they come from
    pictures      of each image: equal texts are the same picture, here and in other sets, such as checksums of pixels
                  (`testbed.pictures`); None where nothing is known
    """

    name: str
    ids: tuple[str, ...]
    labels: Labels
    classes: str
    class_names: tuple[str, ...]
    fingerprint: str
    source_checksum: str | None
    entry: dict
    view: View | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    accepted: Int[np.ndarray, "_ several"] | None = None
    whole: tuple[str, ...] | None = None
    superclasses: tuple[Superclasses, ...] = ()
    corrected: Int[np.ndarray, "_ corrected"] | None = None
    corrected_checksum: str | None = None
    pictures: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"StoredDataset({self.name}: {len(self):,} images, {len(self.class_names)} classes)"

    @property
    def truth(self) -> Int[np.ndarray, "..."]:
        """What predictions are compared with: `accepted`, or `labels` where each image has one."""
        return self.labels if self.accepted is None else self.accepted

    @cached_property
    def label_checksum(self) -> str:
        """Checksum of ids and labels in their order; tells whether imported predictions belong to this dataset."""
        return label_checksum(self.ids, self.truth)

    @cached_property
    def places(self) -> Labels:
        """Where each image stands among all of its source, shape (n,)."""
        if self.whole is None:
            return np.arange(len(self), dtype=np.int64)
        place = {name: position for position, name in enumerate(self.whole)}
        return np.array([place[name] for name in self.ids], dtype=np.int64)


def write_dataset(dataset: StoredDataset, path: Path) -> None:
    """Write the Parquet file of a dataset atomically."""
    facts = {
        "dataset": dataset.name,
        "classes": dataset.classes,
        "class_names": dataset.class_names,
        "fingerprint": dataset.fingerprint,
        "source_checksum": dataset.source_checksum,
        "entry": dataset.entry,
        "view": None if dataset.view is None else dataset.view.facts(),
        "superclasses": [superclasses.facts() for superclasses in dataset.superclasses],
        "corrected_checksum": dataset.corrected_checksum,
    }
    write_sealed(_table_of(dataset), facts, path)


def read_dataset_facts(path: Path, name: str) -> DatasetFacts:
    """The facts of a stored dataset without its rows. Raises what `reading` turns into StoreError."""
    return _checked(read_facts(path), name)


def read_dataset(path: Path, name: str) -> StoredDataset:
    """A stored dataset. Raises what `reading` turns into StoreError, and FileNotFoundError."""
    table, written = read_sealed(path)
    facts = _checked(written, name)
    check_dataset_rows(table, len(facts.class_names))
    used = table.filter(table["label"].is_valid())
    lists = used["labels"].to_pylist() if "labels" in used.column_names else None
    return StoredDataset(
        name=name,
        ids=tuple(used["id"].to_pylist()),
        labels=as_numpy(used["label"]),
        accepted=None if lists is None else padded(lists),
        whole=None if len(used) == len(table) else tuple(table["id"].to_pylist()),
        classes=facts.classes,
        class_names=tuple(facts.class_names),
        fingerprint=facts.fingerprint,
        source_checksum=facts.source_checksum,
        entry=facts.entry,
        view=_view(facts),
        superclasses=superclasses_in(facts),
        corrected=_corrected(used),
        pictures=tuple(used["picture"].to_pylist()) if "picture" in used.column_names else None,
        corrected_checksum=facts.corrected_checksum,
        attributes={
            column.removeprefix(_ATTRIBUTE): tuple(used[column].to_pylist())
            for column in table.column_names
            if column.startswith(_ATTRIBUTE)
        },
    )


def superclasses_in(facts: DatasetFacts) -> tuple[Superclasses, ...]:
    """Those of a stored dataset; where none were noted, in files of the first versions, those that are built in."""
    if "superclasses" in facts.model_fields_set:
        return tuple(map(Superclasses.from_facts, facts.superclasses))
    return superclasses_among(built_in_groupings(facts.classes), facts.class_names, _view(facts))


def _checked(written: Mapping[str, Any], name: str) -> DatasetFacts:
    check_named(written, dataset=name)
    return DatasetFacts(**written)


def _view(facts: DatasetFacts) -> View | None:
    """The view of a stored dataset; before schema 3 its name alone was noted, and all views were built in."""
    if "view" not in facts.model_fields_set:
        name = facts.entry.get("view")
        return built_in_view(name) if name in BUILT_IN_VIEWS else None
    return None if facts.view is None else View.from_facts(facts.view)


def _table_of(dataset: StoredDataset) -> pa.Table:
    """A row for each image of the source; what is not known of an image is null, and its label where it is left out."""
    ids = dataset.ids if dataset.whole is None else dataset.whole

    def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
        cells: list[Any] = [None] * len(ids)
        for place, value in zip(dataset.places.tolist(), values, strict=True):
            cells[place] = value
        return pa.array(cells, kind)

    columns = {"id": pa.array(ids, pa.string()), "label": column(dataset.labels.tolist(), pa.int64())}
    if dataset.accepted is not None:
        columns["labels"] = column(list(map(_each_once, dataset.accepted.tolist())), pa.list_(pa.int64()))
    if dataset.corrected is not None:
        columns["corrected"] = column(list(map(_given, dataset.corrected.tolist())), pa.list_(pa.int64()))
    for name, texts in dataset.attributes.items():
        columns[f"{_ATTRIBUTE}{name}"] = column(texts, pa.string())
    if dataset.pictures is not None:
        columns["picture"] = column(dataset.pictures, pa.string())
    return pa.table(columns)


def _each_once(labels: list[int]) -> list[int]:
    return list(dict.fromkeys(labels))


def _given(corrected: list[int]) -> list[int] | None:
    return [label for label in corrected if label != NONE] or None


def _corrected(used: pa.Table) -> np.ndarray | None:
    """Shape (n, c), filled up with −1; None where no image has corrected labels."""
    if "corrected" not in used.column_names:
        return None
    lists = [row or [] for row in used["corrected"].to_pylist()]
    width = max(map(len, lists))
    return np.array([row + [NONE] * (width - len(row)) for row in lists], dtype=np.int64) if width else None
