"""Arrays saved with np.save: images, labels and, if one likes, ids."""

from pathlib import Path

from evalshift.errors import DataError
from evalshift.files import read_text, stat_checksum
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, load_array
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.own_dataset_entries import NpyDataset
from evalshift.testbed.readiness import State, state_of_files


def read(entry: NpyDataset, space: ClassSpace, where: str) -> Parts:
    """Images, labels, and ids where the entry names them, else numbers."""
    images = as_images(load_array(entry.images, where), f"{where}, images {entry.images}")
    labels = as_labels(load_array(entry.labels, where), f"{where}, labels {entry.labels}")
    return Parts(numbered(len(images)) if entry.ids is None else _ids(entry.ids, where), images, labels)


def _ids(path: Path, where: str) -> list[str]:
    if path.suffix == ".npy":
        array = load_array(path, where)
        if array.ndim != 1 or array.dtype.kind not in "iuU":
            raise DataError(
                "invalid ids",
                where=f"{where}, ids {path}",
                found=f"{array.dtype}, shape {array.shape}",
                expected="text or whole numbers, shape (n,)",
            )
        return [str(value) for value in array]
    try:
        return read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(where, path, error, expected="UTF-8 text with one id per line") from error


def source_checksum(entry: NpyDataset) -> str:
    """A fingerprint of the files; OSError where one is not there."""
    return stat_checksum(path for path in (entry.images, entry.labels, entry.ids) if path)


def state(entry: NpyDataset) -> State:
    """Whether all of its files exist."""
    return state_of_files(path for path in (entry.images, entry.labels, entry.ids) if path)
