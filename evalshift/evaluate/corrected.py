"""Corrected labels of stored datasets: stored beside their own, which predictions are still held against."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import stat_checksum
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.corrected_labels import corrected_labels
from evalshift.testbed.datasets.places import facts_file
from evalshift.testbed.registry import Registry


def with_corrected_labels(
    dataset: StoredDataset, path: Path, space: ClassSpace, *, part: bool = False
) -> StoredDataset:
    """The dataset with the corrected labels of a file, whose numbers and names are those of `space`.

    `part` says that these are the first images of a dataset, of which the file may name none.
    Raises DataError as `testbed.corrected_labels.corrected_labels` does.
    """
    found = corrected_labels(
        path,
        space,
        dataset.view,
        ids=dataset.ids,
        whole=dataset.whole,
        truth=dataset.truth,
        where=dataset.name,
        part=part,
    )
    return replace(dataset, corrected=found, corrected_checksum=f"{path} {stat_checksum([path])}")


def as_registered(dataset: StoredDataset, registry: Registry) -> StoredDataset:
    """The dataset with the corrected labels that the registry names for it; as it is where it names none."""
    entry = registry.known_dataset(dataset.name)
    if entry is None or entry.corrected_labels is None:
        return dataset
    space = registry.class_space(entry.classes)
    return with_corrected_labels(dataset, facts_file(entry.corrected_labels), space, part=entry.limit is not None)


def note_corrected_labels(results: Results, registry: Registry, names: Iterable[str]) -> None:
    """Store the corrected labels that the registry names now beside datasets that were stored before.

    A file is read only where it is another one than before, or was changed since. What is stored is forgotten where
    the registry knows the dataset and names none.
    """
    for name in names:
        entry, facts = registry.known_dataset(name), results.dataset_facts(name)
        if entry is None or facts is None:
            continue
        named, noted = entry.corrected_labels, facts.get("corrected_checksum")
        path = None if named is None else facts_file(named)
        if path is None and noted is not None:
            results.note_corrected(replace(results.load_dataset(name), corrected=None, corrected_checksum=None))
        elif path is not None and not (path.is_file() and noted == f"{path} {stat_checksum([path])}"):
            results.note_corrected(as_registered(results.load_dataset(name), registry))
