"""Where the files of a dataset lie: in the cache once they are downloaded, or where the entry says."""

import hashlib
from pathlib import Path

from evalshift.errors import DataError, HashMismatchError
from evalshift.files import sha256_of, stat_checksum
from evalshift.testbed import download
from evalshift.testbed.archives import unpack
from evalshift.testbed.dataset_entry import DownloadedDataset
from evalshift.testbed.entries import UNKNOWN, FileEntry
from evalshift.testbed.packages import package_file
from evalshift.testbed.readiness import State, size_words, state_of_files


def data_folder() -> Path:
    """Where downloaded datasets lie."""
    return download.cache_dir() / "datasets"


def remote(file: FileEntry) -> download.RemoteFile:
    """A file as the registry names it, in the words of the downloader."""
    check = download.refuse_web_page if file.sha256 == UNKNOWN else None
    return download.RemoteFile(file.name, file.urls, file.published_sha256, file.size, check, file.md5)


def fetched(file: FileEntry) -> Path:
    """A file that the registry names: from an installed package if one has it, else downloaded.

    Raises DownloadError or HashMismatchError if no address gives the promised file.
    """
    found = _from_package(file)
    if found is not None:
        return found
    path = download.fetch(remote(file), data_folder())
    if file.sha256 == UNKNOWN:
        download.as_first_seen(path)
    return path


def stored(file: FileEntry) -> Path | None:
    """Where a file that the registry names lies on this disk; None if it would have to be downloaded."""
    path = data_folder() / file.name
    return _from_package(file) or (path if path.is_file() else None)


def _from_package(file: FileEntry) -> Path | None:
    """The file in an installed package, if its content is the promised one."""
    for copy in file.copies:
        path = package_file(copy)
        if path is not None and path.is_file() and remote(file).objection(path, sha256_of(path)) is None:
            return path
    return None


def facts_file(file: Path | FileEntry) -> Path:
    """A file of labels or other facts that an entry names, downloaded if it has to be."""
    return file if isinstance(file, Path) else fetched(file)


def place(entry: DownloadedDataset, role: str, own: Path | None, where: str) -> Path:
    """Where a file of a dataset lies, its hash checked: in the user's `own` place, else in the cache.

    A copy of the user's own whose hash nobody knows is taken as it is; DataError where it would have to be downloaded.
    """
    file = entry.files.get(role)
    if file is None:
        if own is None:
            raise DataError(
                "the files of this dataset are unknown",
                where=where,
                found=f"no `files`, and none of the built-in datasets is this one of source {entry.source}",  # pyright: ignore
                expected="`path`, a copy of your own, or `files` with urls and hashes",
            )
        _refuse_absent(own.name, own, where)
        return own
    if own is None:
        if not file.urls and stored(file) is None:
            raise by_hand(file, where)
        return fetched(file)
    _refuse_absent(file.name, own, where)
    verify(own, file)
    return own


def _refuse_absent(name: str, own: Path, where: str) -> None:
    if not own.is_file():
        raise DataError(
            "a file of the dataset was not found",
            where=where,
            found=own,
            expected=f"{name}, as the entry's `path` says",
            fix="paths are relative to the registry file; without `path` it is downloaded",
        )


def not_downloaded(entry: DownloadedDataset, where: str) -> DataError:
    """The error for a dataset that one gets and unpacks oneself."""
    return DataError(
        "this dataset is not downloaded",
        where=where,
        found=entry.by_hand or "no checksum of it is published",
        expected="a copy of your own, unpacked",
        fix=f"get it from {entry.homepage or 'its homepage'} and name its folder in a registry with `path`",
    )


def by_hand(file: FileEntry, where: str) -> DataError:
    """The error for a missing file that can only be downloaded with a login."""
    return DataError(
        "a file of the dataset cannot be downloaded without a login",
        where=where,
        found=f"no {data_folder() / file.name}",
        expected=f"{file.name}, {remote(file).promise()}",
        fix="get it from the dataset's homepage, then put it there or name it in the registry with `path`",
    )


def verify(own: Path, file: FileEntry) -> str:
    """The first digits of the hash of a user's own copy, which must be that of the file or of another release.

    Raises HashMismatchError where it is neither.
    """
    if file.sha256 == UNKNOWN:
        return sha256_of(own)[:8]
    if file.sha256 is None:
        objection = remote(file).objection(own, "")
        if objection is None:
            return (file.md5 or "")[:8]
        raise HashMismatchError(
            "a file does not have the expected checksum",
            where=own,
            found=objection,
            expected=remote(file).promise(),
            fix="get the file again, or write the new hash into the registry if the change is meant",
        )
    found = sha256_of(own) if file.also else None
    other = next((known for known in file.also if found and download.hash_matches(found, known)), None)
    return download.verify(own, other or file.sha256)[:8]


def refuse_other_member(entry: DownloadedDataset, role: str, name: str, path: Path, content: bytes) -> None:
    """Raise HashMismatchError where the unpacked copy of a file in an archive is not the one that the archive holds.

    Where nobody noted what the archive's files are, a copy is taken as it is.
    """
    file = entry.files.get(role)
    promised = file.members.get(name) if file else None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if promised is not None and found != promised:
        raise HashMismatchError(
            "a file does not have the expected checksum",
            where=path,
            found=f"md5 {found}, {len(content):,} bytes",
            expected=f"md5 {promised}, as in {entry.files[role].name}",
            fix="unpack the archive again; images of your own are a dataset of source npy or folder",
        )


def unpacked(entry: DownloadedDataset, role: str, where: str) -> Path:
    """The folder that an archive of the entry was unpacked to: in the cache, the first time that it is requested."""
    if entry.path is not None:
        return unpacked_own(entry, role, where)
    archive = place(entry, role, None, where)
    return unpack(archive, unpacked_folder(entry.files[role]))


def unpacked_own(entry: DownloadedDataset, role: str, where: str) -> Path:
    """The same for an archive of the user's own, which must be the promised one."""
    assert entry.path is not None
    if role not in entry.files:
        raise DataError(
            "unknown archive",
            where=where,
            found=entry.path,
            expected="the folder that it unpacks to, or `files` with its sha256",
            fix="unpack it, and name the folder",
        )
    _refuse_absent(entry.files[role].name, entry.path, where)
    digits = verify(entry.path, entry.files[role])
    return unpack(entry.path, unpacked_folder(entry.files[role], digits))


def unpacked_folder(file: FileEntry, digits: str | None = None) -> Path:
    """Where an archive is unpacked to, by the first digits of its hash, which are the promised ones unless told."""
    digits = digits or (file.sha256 or file.md5 or "")[:8]  # "unknown" is a name as good as any: no other is let in
    stem = file.name.partition(".tar")[0].removesuffix(".zip")
    return data_folder() / "unpacked" / f"{stem}-{digits}"


def place_in(entry: DownloadedDataset, role: str, where: str) -> Path:
    """The same for a file by its role in the entry, whose own place is a folder with files of the official names."""
    own = entry.path / entry.files[role].name if entry.path and role in entry.files else None
    return place(entry, role, own, where)


def checksum_of_files(entry: DownloadedDataset) -> str:
    """A fingerprint of all files of an entry whose own place is a folder; OSError where one is not there."""
    folder = data_folder() if entry.path is None else entry.path
    return stat_checksum(folder / entry.files[role].name for role in entry.roles)


def state_of_download(entry: DownloadedDataset) -> State:
    """Whether a downloaded dataset, or the user's own copy of it, is on this disk."""
    if entry.path is not None:
        return state_of_files([entry.path])
    if not entry.files:
        return State(False, "get it by hand", f"{entry.homepage or 'its homepage'}, then path: in the registry")
    absent = [file for file in entry.needed_files() if stored(file) is None]
    source = ", ".join(file.name for file in entry.needed_files())
    locked = [file.name for file in absent if not file.urls]
    if locked:
        return State(False, "needs a login", f"{', '.join(locked)} in {data_folder()}, or path: in the registry")
    size = size_words(sum(file.size or 0 for file in absent))
    return State(True, f"to download{size}", source) if absent else State.ready(source)
