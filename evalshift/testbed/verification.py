"""Every file of a dataset on the disk, looked at again: hashes, unpacked copies, and each image decoded."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, EvalshiftError, first_line
from evalshift.files import sha256_of
from evalshift.formatting import name_some
from evalshift.testbed.archives import differing
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.data_access import data_access
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import data_folder, load_dataset
from evalshift.testbed.datasets.places import remote, stored, unpacked_folder
from evalshift.testbed.image_files import StoredImage, open_rgb

# So many of a kind are named, then counted.
_NAMED = 3


@dataclass(frozen=True)
class Verified:
    """What a look at a dataset found.

    files     how many downloaded or unpacked files were compared with their hash or their archive
    images    how many images it has, None where it cannot be read
    faults    the errors found, in words; empty where there is none
    warnings  what is read rightly, and should be known: files that were not read
    """

    files: int
    images: int | None
    faults: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def verify_dataset(
    name: str, entry: AnyDataset, space: ClassSpace, workers: int = 2, advance: Callable[[int], None] = lambda _: None
) -> Verified:
    """Look at everything of a dataset that is on this disk. Nothing is fetched. `advance(n)` hears of n images decoded.

    Notes of earlier looks are not believed: each file is hashed anew.
    """
    faults: list[str] = []
    files = 0
    for path, found in _files(entry):
        files += 1
        if found is not None:
            faults.append(f"{path}: {found}")
    images, warnings = None, ()
    if not faults:
        try:
            with data_access(offline=True):
                dataset = load_dataset(name, entry, space)
            images, warnings = len(dataset), dataset.warnings
            if not isinstance(dataset.images, np.ndarray):
                faults += _undecodable(dataset.images, dataset.ids, workers, advance)
        except EvalshiftError as error:
            faults.append(first_line(error) + (f" ({error.found})" if error.found else ""))
    return Verified(files, images, tuple(faults), warnings)


def _files(entry: AnyDataset) -> Iterator[tuple[Path, str | None]]:
    """Each file that was downloaded, or unpacked from one, and its error, if any."""
    for file in entry.needed_files():  # loading holds a user's own files against their hashes
        path = stored(file)
        if path is None:
            yield data_folder() / file.name, "not here"
            continue
        objection = remote(file).objection(path, sha256_of(path))
        yield path, None if objection is None else f"{objection}, and not {remote(file).promise()}"
        folder = unpacked_folder(file)
        if objection is None and folder.is_dir():
            changed = list(differing(path, folder))
            yield folder, _counted(changed, " differs from the archive") if changed else None


def _undecodable(
    images: Sequence[StoredImage], ids: Sequence[str], workers: int, advance: Callable[[int], None]
) -> list[str]:
    """The errors of the images, by kind: the ids of the images, and the error."""
    faulty: dict[str, list[str]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for name, fault in zip(ids, pool.map(_fault, images), strict=True):
            if fault:
                faulty.setdefault(fault, []).append(name)
            advance(1)
    return [_counted(names, fault) for fault, names in faulty.items()]


def _fault(image: StoredImage) -> str | None:
    try:
        open_rgb(image)
    except DataError as error:
        return f": {error.problem}"
    return None


def _counted(names: list[str], what: str) -> str:
    return name_some(names, _NAMED) + what
