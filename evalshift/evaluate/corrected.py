"""Corrected labels of stored datasets, stored in addition to the datasets' own labels."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from evalshift.errors import EvalshiftError
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import stat_checksum
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.corrected_labels import corrected_labels
from evalshift.testbed.datasets.places import facts_file, stored
from evalshift.testbed.entries import FileEntry
from evalshift.testbed.registry import Registry


def with_corrected_labels(
    dataset: StoredDataset, path: Path, space: ClassSpace, *, part: bool = False
) -> StoredDataset:
    """The dataset with the corrected labels of a file, whose numbers and names are those of `space`.

    `part` means that these are the first images of a dataset, which the file may not contain.
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


def as_registered(
    dataset: StoredDataset, registry: Registry, *, fetch: bool = True, say: Callable[[str], None] = lambda _: None
) -> StoredDataset:
    """The dataset with the corrected labels that the registry names for it; unchanged if there are none.

    fetch   whether they may be downloaded
    say     called with a message if published labels, named as a download, are not available or belong to other images;
            the dataset is then unchanged. For a missing or unsuitable file of the user's own, raises DataError
    """
    entry = registry.known_dataset(dataset.name)
    named = None if entry is None else entry.corrected_labels
    if entry is None or named is None:
        return dataset
    space, part = registry.class_space(entry.classes), entry.limit is not None
    if isinstance(named, Path):
        return with_corrected_labels(dataset, named, space, part=part)
    try:
        path = facts_file(named) if fetch else stored(named)
        return dataset if path is None else with_corrected_labels(dataset, path, space, part=part)
    except EvalshiftError as error:
        say(f"corrected labels of {dataset.name} are left out: {error.problem}")
        return dataset


def note_corrected_labels(
    results: Results, registry: Registry, names: Iterable[str], say: Callable[[str], None] = lambda _: None
) -> None:
    """Add the corrected labels that the registry names now to datasets stored earlier.

    A file is read only if it differs from the earlier one. Stored corrected labels are removed if the registry knows
    the dataset and names none. `say` as in `as_registered`.
    """
    for name in names:
        entry, facts = registry.known_dataset(name), results.dataset_facts(name)
        if entry is None or facts is None:
            continue
        named, noted = entry.corrected_labels, facts.corrected_checksum
        if named is None and noted is not None:
            results.note_corrected(replace(results.load_dataset(name), corrected=None, corrected_checksum=None))
        elif named is not None and not _is_noted(named, noted):
            dataset = results.load_dataset(name)
            found = as_registered(dataset, registry, say=say)
            if found is not dataset:
                results.note_corrected(found)


def _is_noted(named: Path | FileEntry, noted: str | None) -> bool:
    path = named if isinstance(named, Path) else stored(named)
    return path is not None and path.is_file() and noted == f"{path} {stat_checksum([path])}"
