"""DatasetEntry → Dataset: ids, labels and images in a fixed order, checked before anything is evaluated on them."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from evalshift.errors import DataError
from evalshift.files import sha256_of, stamp
from evalshift.shapes import Labels
from evalshift.testbed import download
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, load_array, unpickle_arrays
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.entries import (
    AnyDataset,
    Cifar10Dataset,
    Cifar101Dataset,
    DigitsDataset,
    DownloadedDataset,
    FileEntry,
    FolderDataset,
    NpyDataset,
)

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a fixed order.

    ids     one text an image, unique, shape (n,)
    labels  class numbers, shape (n,)
    images  uint8 (n, h, w, c) where all have one size, else a file an image
    """

    name: str
    classes: ClassSpace
    ids: tuple[str, ...]
    labels: Labels
    images: UInt8[np.ndarray, "_ h w c"] | tuple[Path, ...]  # as many as labels: below, with words for people

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.labels) == len(self.images):
            raise DataError(
                "images and labels are of different length",
                where=f"dataset {self.name}",
                found=f"{len(self.images):,} images, {len(self.labels):,} labels, {len(self.ids):,} ids",
                expected="one label and one id an image",
            )
        if len(self.labels) == 0:
            raise DataError("a dataset without images", where=f"dataset {self.name}", expected="at least one")
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            twice = next(name for name in self.ids if name in seen or seen.add(name))
            raise DataError("an id stands twice", where=f"dataset {self.name}", found=twice, expected="unique ids")
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(outside):
            more = f" and {len(outside) - 1:,} more" if len(outside) > 1 else ""
            raise DataError(
                "labels outside the classes",
                where=f"dataset {self.name}, image {outside[0]:,}{more}",
                found=f"label {self.labels[outside[0]]}",
                expected=f"0 to {len(self.classes) - 1} ({self.classes.name})",
                remedy="labels count from 0; subtract 1 if yours count from 1, or name the right label space",
            )

    def __len__(self) -> int:
        return len(self.labels)


def load_dataset(name: str, entry: AnyDataset, space: ClassSpace) -> Dataset:
    """Read a dataset; downloads what is not there. Files are listed, and decoded only when a model asks for them.

    Raises DataError for missing, damaged or contradictory data, DownloadError where no mirror gives it.
    """
    where = f"dataset {name}"
    if isinstance(entry, DigitsDataset):
        ids, images, labels = _digits(entry)
    elif isinstance(entry, NpyDataset):
        ids, images, labels = _npy(entry, where)
    elif isinstance(entry, FolderDataset):
        ids, images, labels = _folder(entry, space, where)
    elif isinstance(entry, Cifar10Dataset):
        ids, images, labels = _cifar10(entry, where)
    else:
        ids, images, labels = _cifar10_1(entry, where)
    return Dataset(name, space, tuple(ids), labels, images)


def fingerprint(dataset: Dataset, workers: int = 2) -> str:
    """sha256 over ids, labels and the content of every image: equal fingerprints mean equal data, wherever it lies."""
    digest = hashlib.sha256(b"evalshift dataset 1\n")
    digest.update("\n".join(dataset.ids).encode())
    digest.update(dataset.labels.astype("<i8").tobytes())
    if isinstance(dataset.images, np.ndarray):
        digest.update(repr(dataset.images.shape).encode())
        digest.update(np.ascontiguousarray(dataset.images).data)
    else:
        with ThreadPoolExecutor(workers) as pool:  # hashing releases the interpreter
            for content in pool.map(sha256_of, dataset.images):
                digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def dataset_stamp(entry: AnyDataset) -> str | None:
    """A quick mark of a dataset's source files; None where they are not there, so that it must be loaded to know.

    Equal stamps mean an equal fingerprint without reading a single image.
    """
    try:
        if isinstance(entry, DigitsDataset):
            return f"scikit-learn {version('scikit-learn')}"
        if isinstance(entry, NpyDataset):
            return stamp(path for path in (entry.images, entry.labels, entry.ids) if path)
        if isinstance(entry, FolderDataset):
            # The folder itself counts too: one that is not there has no files, and so would have a stamp.
            files = sorted(path for path in entry.path.rglob("*") if path.is_file())
            return stamp([entry.path, *files], entry.path)
        return stamp(_present_files(entry))
    except OSError:
        return None


def _present_files(entry: DownloadedDataset) -> list[Path]:
    """The files of a downloadable dataset where they lie: under its `path`, or in the cache."""
    if entry.path is None:
        return [data_folder() / file.name for file in entry.files.values()]
    if isinstance(entry, Cifar10Dataset):
        return [_test_batch(entry.path) if entry.path.is_dir() else entry.path]
    return [entry.path / file.name for file in entry.files.values()]


def data_folder() -> Path:
    """Where downloaded datasets lie."""
    return download.cache_dir() / "datasets"


def fetch_dataset(entry: AnyDataset) -> list[Path]:
    """Download what a dataset needs and is not there yet; gives the files."""
    return [download.fetch(_remote(file), data_folder()) for file in entry.needed_files()]


def _remote(file: FileEntry) -> download.RemoteFile:
    """A file as the registry names it, in the words of the downloader."""
    return download.RemoteFile(file.name, file.urls, file.sha256, file.size)


def _numbered(count: int) -> list[str]:
    """Ids for images that have no names: their position, in as many digits as the last one needs."""
    digits = len(str(max(count - 1, 0)))
    return [f"{position:0{digits}d}" for position in range(count)]


Parts = tuple[Sequence[str], Any, Labels]


def _digits(entry: DigitsDataset) -> Parts:
    from evalshift.testbed.digits.split import digits_split

    part = getattr(digits_split(), entry.part)
    return part.ids, part.images, part.labels


def _npy(entry: NpyDataset, where: str) -> Parts:
    images = as_images(load_array(entry.images, where), f"{where}, images {entry.images}")
    labels = as_labels(load_array(entry.labels, where), f"{where}, labels {entry.labels}")
    return _numbered(len(images)) if entry.ids is None else _ids(entry.ids, where), images, labels


def _ids(path: Path, where: str) -> list[str]:
    if path.suffix == ".npy":
        array = load_array(path, where)
        if array.ndim != 1 or array.dtype.kind not in "iuU":
            raise DataError(
                "these are not ids",
                where=f"{where}, ids {path}",
                found=f"{array.dtype}, shape {array.shape}",
                expected="text or whole numbers, shape (n,)",
            )
        return [str(value) for value in array]
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(where, path, error, expected="UTF-8 text with one id a line") from error


def _folder(entry: FolderDataset, space: ClassSpace, where: str) -> Parts:
    if not entry.path.is_dir():
        raise DataError(
            "the image folder is not there", where=where, found=entry.path, expected="a folder with a folder a class"
        )
    folders = sorted(path.name for path in entry.path.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(
            "the image folder has no class folders",
            where=f"{where}, {entry.path}",
            found=f"{sum(1 for _ in entry.path.iterdir())} other files",
            expected="a folder a class with its images inside",
        )
    labels = labels_of_folders(folders, space, entry.folders, f"{where}, {entry.path}")
    # Sorted by label, then by name: the order does not depend on the file system that lists them.
    paths = [
        path
        for folder in sorted(folders, key=lambda name: labels[name])
        for path in _images_in(entry.path / folder, where)
    ]
    ids = [path.relative_to(entry.path).as_posix() for path in paths]
    return ids, tuple(paths), np.array([labels[path.parent.name] for path in paths], dtype=np.int64)


def _images_in(folder: Path, where: str) -> list[Path]:
    """The image files of one class by name. A class that would silently be left out is an error."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    paths = [path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    if not paths:
        raise DataError(
            "a class folder has no images",
            where=f"{where}, {folder}",
            found=f"{len(entries)} other files" if entries else "nothing",
            expected=f"images right inside it: {', '.join(sorted(IMAGE_SUFFIXES))}",
            remedy="put the images of the class there, or remove the folder if the class is left out on purpose",
        )
    for path in paths:
        if path.stat().st_size == 0:
            raise DataError(
                "an image file is empty",
                where=f"{where}, {path}",
                found="0 bytes",
                expected="an image",
                remedy="copy it again, or remove it from the folder",
            )
    return paths


def _test_batch(folder: Path) -> Path:
    """Where test_batch lies in the folder that the archive unpacks to, or in the one that it was unpacked in."""
    inside = folder / "cifar-10-batches-py" / "test_batch"
    return inside if inside.is_file() else folder / "test_batch"


def _cifar10(entry: Cifar10Dataset, where: str) -> Parts:
    """The official test_batch: a pickle of rows of 3,072 bytes, the red plane first, then green, then blue."""
    if entry.path is not None and entry.path.is_dir():
        source = _test_batch(entry.path)
        try:
            raw = source.read_bytes()
        except OSError as error:
            raise cannot_read(where, source, error, expected="cifar-10-python.tar.gz or what is in it") from error
    else:
        source = _place(entry.files["archive"], entry.path, where)
        raw = download.extract_member(source, "cifar-10-batches-py/test_batch")
    batch = unpickle_arrays(raw, f"{where}, {source}")
    try:
        rows, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        images = rows.reshape(len(rows), 3, 32, 32).transpose(0, 2, 3, 1)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "this is not a batch of CIFAR-10",
            where=f"{where}, {source}",
            found=f"{type(error).__name__}: {error}",
            expected='"data", rows of 3,072 bytes, and "labels"',
        ) from error
    found = f"{where}, {source}"
    return _numbered(len(images)), as_images(np.ascontiguousarray(images), found), as_labels(labels, found)


def _cifar10_1(entry: Cifar101Dataset, where: str) -> Parts:
    def place(role: str) -> Path:
        file = entry.files[role]
        return _place(file, entry.path / file.name if entry.path else None, where)

    at_images, at_labels = place("images"), place("labels")
    images = as_images(load_array(at_images, where), f"{where}, {at_images}")
    return _numbered(len(images)), images, as_labels(load_array(at_labels, where), f"{where}, {at_labels}")


def _place(file: FileEntry, own: Path | None, where: str) -> Path:
    """Where a file of a downloaded dataset lies, its hash checked: in the user's `own` place, else in the cache."""
    if own is None:
        return download.fetch(_remote(file), data_folder())
    if not own.is_file():
        raise DataError(
            "a file of the dataset is not there",
            where=where,
            found=own,
            expected=f"{file.name}, as the entry's `path` says",
            remedy="paths are relative to the registry file; without `path` it is downloaded",
        )
    download.verify(own, file.sha256)
    return own
