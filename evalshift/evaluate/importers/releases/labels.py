"""The labels of a released set, in the order of the official files, and the order of the same images in the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.files import read_array
from evalshift.evaluate.importers.labels import known_of, labels_alone
from evalshift.evaluate.importers.releases.release import ReleasedSet
from evalshift.evaluate.importers.releases.set_files import SetFiles
from evalshift.evaluate.rows import are_positions, order_of
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text, sha256_of
from evalshift.shapes import Labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import data_folder, load_dataset, source_checksum
from evalshift.testbed.download import RemoteFile, fetch
from evalshift.testbed.registry import Registry
from evalshift.testbed.small_image_entries import Cifar101Dataset


@dataclass(frozen=True, eq=False)
class SetRows:
    """The labels of a set in the order of the files, and the images' names where the release has them."""

    dataset: StoredDataset
    release_order: np.ndarray  # where each row of `dataset` stands in the files
    source: Mapping[str, str] = field(default_factory=dict)


def read_rows(
    released: ReleasedSet, files: SetFiles, space: ClassSpace, registry: Registry, *, download: bool
) -> SetRows:
    """The labels, with the ids and in the order that the images have where they are read from the official files.

    ImageNet's by the number in their name; ImageNetV2's by class, then by the hash that they are called by.
    """
    name = released.dataset
    if files.labels is None or files.labels.suffix == ".npy":
        labels, source = _plain_labels(name, files.labels, registry, download)
        ids = _named_rows(files.labels)
    else:
        ids, labels = labels_of_json(files.labels, space)
        source = {files.labels.name: sha256_of(files.labels)}
    entry = {"files": source, **({"title": released.title} if released.title else {}), **known_of(name, registry)}
    if ids is None:
        digits = len(str(max(len(labels) - 1, 0)))
        plain = [f"{place:0{digits}d}" for place in range(len(labels))]
        return SetRows(labels_alone(name, plain, labels, space, **entry), np.arange(len(labels)), source)
    if not released.class_folders:
        own = [one.removesuffix(".JPEG") for one in ids]
        order = np.argsort(own)
    else:
        own = [f"{label}/{one}.jpeg" for one, label in zip(ids, labels.tolist(), strict=True)]
        order = np.lexsort((np.array(own), labels))
    dataset = labels_alone(name, [own[row] for row in order], labels[order], space, **entry)
    return SetRows(dataset, order, source)


def _plain_labels(name: str, path: Path | None, registry: Registry, download: bool) -> tuple[Labels, dict[str, str]]:
    if path is not None:
        return read_array(path).astype(np.int64), {path.name: sha256_of(path)}
    entry = registry.datasets.get(name)
    if isinstance(entry, Cifar101Dataset) and "labels" in entry.files and entry.path is None:
        file = entry.files["labels"]
        at = fetch(RemoteFile(file.name, file.urls, file.sha256, file.size), data_folder())
        return read_array(at).astype(np.int64), {at.name: sha256_of(at)}
    if entry is None or (not download and source_checksum(entry) is None):
        raise DataError(
            f"the labels of {name} are not available",
            where=f"dataset {name}",
            found="none in the folder, and the dataset is not on this disk",
            expected="the labels of the dataset",
            fix=f"`evalshift fetch {name}`, which downloads them",
        )
    dataset = load_dataset(name, entry, registry.class_space(entry.classes))
    return dataset.labels, {}


def _named_rows(labels: Path | None) -> list[str] | None:
    """The images' names, a line each, in the file beside the labels; None where there is none."""
    if labels is None:
        return None
    ids = labels.with_name(labels.name.replace("_labels.npy", "_ids.txt"))
    try:
        return read_text(ids).split() if ids.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the names of the images cannot be read", where=ids, found=file_fault(error), expected="a name per line"
        ) from error


def labels_of_json(path: Path, space: ClassSpace) -> tuple[list[str], Labels]:
    """A set of the ImageNetV2 repository: images by name, each with the wnid of its class."""
    try:
        rows = json_content(read_text(path))["image_filenames"]
        numbers = {wnid: number for number, wnid in enumerate(space.folders)}
        return [str(name) for name, _ in rows], np.array([numbers[wnid] for _, wnid in rows], dtype=np.int64)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            "the labels cannot be read",
            where=path,
            found=file_fault(error),
            expected='"image_filenames", a list of names and wnids',
        ) from error


def rows_in_store(rows: SetRows, results: Results) -> tuple[StoredDataset, np.ndarray]:
    """The dataset as it is stored, or to be stored, and where each of its rows stands in the released files."""
    own = rows.dataset
    if own.name not in results.datasets():
        return own, rows.release_order
    stored = results.load_dataset(own.name)
    named = not are_positions(stored.ids) and not are_positions(own.ids)
    order = order_of(stored.ids, own.ids) if named else np.arange(len(own)) if len(own) == len(stored) else None
    if order is None or not np.array_equal(own.labels[order], stored.labels):
        raise DataError(
            "these predictions are of other images than those stored",
            where=results.dataset_file(own.name),
            found=f"{len(stored):,} images stored, {len(own):,} released; other ids, or another order of the labels",
            expected=f"the official {own.name}, in its official order",
            fix="choose another folder with `results`",
        )
    return stored, rows.release_order[order]
