"""Where the files of a dataset lie: in the cache once they are downloaded, or where the entry says."""

from pathlib import Path

from evalshift.errors import DataError
from evalshift.files import stamp
from evalshift.testbed import download
from evalshift.testbed.dataset_entries import DownloadedDataset
from evalshift.testbed.entries import FileEntry


def data_folder() -> Path:
    """Where downloaded datasets lie."""
    return download.cache_dir() / "datasets"


def remote(file: FileEntry) -> download.RemoteFile:
    """A file as the registry names it, in the words of the downloader."""
    return download.RemoteFile(file.name, file.urls, file.sha256, file.size)


def place(file: FileEntry, own: Path | None, where: str) -> Path:
    """Where a file of a downloaded dataset lies, its hash checked: in the user's `own` place, else in the cache."""
    if own is None:
        return download.fetch(remote(file), data_folder())
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


def place_in(entry: DownloadedDataset, role: str, where: str) -> Path:
    """The same for a file by its role in the entry, whose own place is a folder with files of the official names."""
    file = entry.files[role]
    return place(file, entry.path / file.name if entry.path else None, where)


def mark_of_files(entry: DownloadedDataset) -> str:
    """A quick mark of all files of an entry whose own place is a folder; OSError where one is not there."""
    folder = data_folder() if entry.path is None else entry.path
    return stamp(folder / file.name for file in entry.files.values())
