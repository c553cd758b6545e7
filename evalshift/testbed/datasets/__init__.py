"""DatasetEntry → Dataset: ids, labels and images in a fixed order, checked before anything is evaluated on them.

One module per format, which the `format` of its entry names. Each has three functions:

    read(entry, space, where)   ids, images and labels; downloads what is not there; `where` begins its messages
    source_checksum(entry)      of its source files, by names, sizes and times of change, without reading them; OSError
                                where one is not there
    state(entry)                whether it can be read now, by a look at the disk
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from evalshift.errors import DataError, first_line
from evalshift.file_dependencies import dependencies_unknown
from evalshift.files import stat_checksum
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.dataset_entry import DatasetEntry
from evalshift.testbed.datasets.attributes import read_attributes
from evalshift.testbed.datasets.dataset import Content, Dataset, fingerprint, read_content
from evalshift.testbed.datasets.places import data_folder, facts_file, fetched, stored
from evalshift.testbed.entries import FileEntry
from evalshift.testbed.image_files import without_border
from evalshift.testbed.several_labels import aligned, read_label_lists

__all__ = [
    "Content",
    "Dataset",
    "data_folder",
    "fetch_dataset",
    "fingerprint",
    "format_of",
    "load_dataset",
    "read_content",
    "source_checksum",
]


def format_of(entry: DatasetEntry | type[DatasetEntry]) -> ModuleType:
    """The module that reads what this entry names."""
    return import_module(f"{__name__}.{entry.format}")


def load_dataset(name: str, entry: AnyDataset, space: ClassSpace) -> Dataset:
    """Read a dataset; downloads what is not there. Files are listed, and decoded only when a model asks for them.

    Raises DataError for missing, damaged or contradictory data, DownloadError where no mirror gives it.
    """
    try:
        parts = format_of(entry).read(entry, space, f"dataset {name}")
    except OSError as error:
        raise DataError(
            "a file of the dataset cannot be read", where=f"dataset {name}", found=first_line(error)
        ) from error
    ids = tuple(parts.ids)
    attributes = {name: tuple(values) for name, values in parts.attributes.items()}
    if entry.attributes is not None:
        attributes |= read_attributes(facts_file(entry.attributes), ids, f"dataset {name}")
    images = without_border(parts.images, entry.border, f"dataset {name}")
    dataset = Dataset(name, space, ids, parts.labels, images, parts.warnings, attributes=attributes, title=entry.title)
    if parts.several is not None:
        dataset = dataset.with_several_labels(parts.several)
    if entry.multi_labels is not None:
        path = facts_file(entry.multi_labels)
        lists = read_label_lists(path, space)
        if lists is None:
            raise DataError(
                "these are not lists of labels",
                where=path,
                expected="a list of the correct classes for each image, such as ReaL's real.json",
            )
        dataset = dataset.with_several_labels(aligned(lists, dataset.ids, dataset.labels, name))
    dataset = dataset if entry.seen is None else dataset.seen_in(entry.seen)
    return dataset if entry.limit is None else dataset.limited(entry.limit)


def source_checksum(entry: AnyDataset) -> str | None:
    """Checksum of names, sizes and modification times of a dataset's source files; None where they are not on disk.

    While it is unchanged the dataset's fingerprint is too: no image need be read to know.
    """
    if not all(path.is_file() for path in _named(entry)):
        dependencies_unknown()  # a folder with all below it, or a pattern
    try:
        own = format_of(entry).source_checksum(entry)
        beside = [_stored_facts(file) for file in (entry.attributes, entry.multi_labels) if file is not None]
        return f"{own} {stat_checksum(beside)}" if beside else own
    except (OSError, KeyError):  # not on the disk, or not even known by name
        return None


def _stored_facts(file: Path | FileEntry) -> Path:
    """Where a file of labels lies, or would lie."""
    return file if isinstance(file, Path) else stored(file) or data_folder() / file.name


def _named(entry: AnyDataset) -> Iterator[Path]:
    """The files and folders that an entry names."""
    return (value for name in type(entry).model_fields if isinstance(value := getattr(entry, name), Path))


def fetch_dataset(entry: AnyDataset) -> list[Path]:
    """Download what a dataset needs and is not there yet; gives the files."""
    return [fetched(file) for file in entry.needed_files()]
