"""Remote files: mirrors in order, sha256, and only then into the cache under their own name.

In the folder, for a file NAME:

    NAME                  complete, and its sha256 is the promised one; a download has this name only then
    .NAME.sha256          the hash that was found, with NAME's size and time of change, so that it is not hashed again
    .NAME.download/       an unfinished download: what has arrived (.part), and pooch's temporary files
    .NAME.lock            held by the process that downloads NAME

The lock lets one process at a time write to `.part`, so that a download which was killed can be taken up by any later
one; the others wait, then find the file there. The operating system frees the lock of a process that dies.
"""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalshift.errors import DataError, DownloadError, HashMismatchError, StoreError, UsageError
from evalshift.files import md5_of, stat_checksum, write_atomic
from evalshift.files import sha256_of as file_sha256
from evalshift.publishing import public
from evalshift.testbed.archives import extract_member, extract_members
from evalshift.testbed.data_access import DATA_VARIABLE, refuse_offline
from evalshift.testbed.transfer import PATIENCE, Patience, Progress, receive, shown, size_of, web_page

__all__ = [
    "PATIENCE",
    "Patience",
    "Progress",
    "RemoteFile",
    "addresses",
    "as_first_seen",
    "cache_dir",
    "extract_member",
    "extract_members",
    "fetch",
    "file_sha256",
    "hash_matches",
    "is_fetched",
    "refuse_web_page",
    "verify",
]

MIRROR_VARIABLE = "EVALSHIFT_MIRROR"

# Seconds of waiting for another process before it is said.
_SAY_AFTER = 2.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file by its content: any address that gives these bytes will do.

    name    its name in the cache, without folders
    urls    where it may be had, best first; empty when it can only be put into the cache by hand
    sha256  64 hexadecimal digits, or the first 8 or more where no more is known (torch.hub names files by them)
    size    in bytes, None when not known for sure: a file of another size is refused without being downloaded
    check   in place of a hash that nobody published: takes a path, raises DataError unless the content is the right one
    md5     32 hexadecimal digits, where that is the only hash that was published

    Raises UsageError when made with a name or hash that cannot be one.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    size: int | None = None
    check: Callable[[Path], None] | None = None
    md5: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^/\\.\x00-\x1f][^/\\\x00-\x1f]*", self.name):
            raise UsageError(
                "a remote file needs a plain name",
                found=repr(self.name),
                expected="a file name without folders that does not begin with a dot",
            )
        if not re.fullmatch(r"[0-9a-fA-F]{8,64}", self.sha256 or "") and not (
            self.sha256 is None and (self.check or re.fullmatch(r"[0-9a-f]{32}", self.md5 or ""))
        ):
            raise UsageError(
                "a remote file needs its sha256",
                where=self.name,
                found=repr(self.sha256),
                expected="64 hexadecimal digits, or at least the first 8",
            )

    @property
    def whole_hash(self) -> str | None:
        """The sha256 when all of it is known."""
        return self.sha256.lower() if self.sha256 and len(self.sha256) == 64 else None

    def objection(self, path: Path, sha256: str) -> str | None:
        """Why the file at `path`, whose hash is `sha256`, is not this one; None when it is."""
        if self.sha256 is not None:
            return None if hash_matches(sha256, self.sha256) else _content(sha256, path)
        if self.md5 is not None:
            found = md5_of(path)
            return None if found == self.md5 else f"md5 {found}, {size_of(path):,} bytes"
        try:
            if self.check is not None:
                self.check(path)
        except DataError as error:
            return f"{error.problem} ({error.found})"
        return None

    def promise(self) -> str:
        """What the content must be, in words."""
        size = "" if self.size is None else f", {self.size:,} bytes"
        if self.md5 is not None and self.sha256 is None:
            return f"md5 {self.md5}{size}"
        if self.sha256 is None:
            return "the published content; its hash is not known"
        beginning = "" if self.whole_hash else "beginning with "
        return f"sha256 {beginning}{self.sha256.lower()}{size}"


def cache_dir() -> Path:
    """Where downloads are kept: the folder EVALSHIFT_DATA, or else the user's cache folder for evalshift."""
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("evalshift", appauthor=False)


def hash_matches(found: str, promised: str) -> bool:
    """Whether a whole hash is the promised one, of which only the first digits may be known.

    >>> hash_matches("4118986f0df73003d572b0e397f0ac7b3f60af1f31aff3d2da164536e36f6ec8", "4118986f")
    True
    """
    return bool(promised) and found.lower().startswith(promised.lower())


def addresses(file: RemoteFile) -> tuple[str, ...]:
    """Where a file is looked for, in order: first EVALSHIFT_MIRROR, a base URL, when it is set."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    return ((f"{mirror.rstrip('/')}/{quote(file.name)}",) if mirror else ()) + file.urls


def fetch(
    file: RemoteFile, folder: Path | None = None, *, progress: Progress | None = None, patience: Patience = PATIENCE
) -> Path:
    """The path of `file` in `folder` (default: the cache), downloaded if it is not there.

    A file that is there is hashed once, and again only when its size or time of change differ; then there is no
    traffic. One with other content is left as it is and refused: someone may have put it there by hand.

    Otherwise each address is tried in order. An interrupted download, of this process or an earlier one, is resumed.
    `progress(done, total)` is called with the bytes that are there and those expected (None when the server does not
    say); by default a download longer than two seconds is shown on the standard error stream.

    Raises HashMismatchError when the file that is there, or what every address gave, is not the promised one, and
    DownloadError when no address gave the file, it cannot be written, or nothing may be fetched (EVALSHIFT_OFFLINE).
    """
    path = _place(file, folder)
    if is_fetched(file, folder):
        return path
    refuse_offline(file.name, path)
    with _writing(path, file):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not is_fetched(file, folder):  # another process may have been faster
                _download(file, path, progress, patience)
    return path


def is_fetched(file: RemoteFile, folder: Path | None = None) -> bool:
    """Whether `file` is in `folder` (default: the cache); HashMismatchError when another one has its name."""
    path = _place(file, folder)
    if not path.is_file():
        return False
    objection = file.objection(path, _sha256_once(path))
    if objection is None:
        return True
    raise HashMismatchError(
        "a file has the expected name, but not the expected checksum",
        where=path,
        found=objection,
        expected=file.promise(),
        fix="delete it and it will be downloaded, or put the right one in its place",
    )


def verify(path: Path, promised: str) -> str:
    """The sha256 of a local file that must begin with `promised`; raises HashMismatchError where it does not."""
    found = file_sha256(path)
    if not hash_matches(found, promised):
        raise HashMismatchError(
            "a file does not have the expected checksum",
            where=path,
            found=_content(found, path),
            expected=f"sha256 {promised}",
            fix="get the file again, or write the new hash into the registry if the change is meant",
        )
    return found


def refuse_web_page(path: Path) -> None:
    """Raise DataError for a web page, which busy hosts send instead of a file: the check where no hash is known."""
    with path.open("rb") as stream:
        page = web_page(stream.read(1 << 12))
    if page:
        raise DataError("this is a web page, not the file", where=path, found=page)


def as_first_seen(path: Path) -> str:
    """The sha256 of a downloaded file of which nothing was known beforehand: what it was the first time, it stays.

    Raises HashMismatchError if it has changed since.
    """
    note = path.with_name(f".{path.name}.first-seen")
    if note.is_file():
        return verify(path, note.read_text().strip())
    sha256 = file_sha256(path)
    write_atomic(note, f"{sha256}\n".encode())
    return sha256


def _place(file: RemoteFile, folder: Path | None) -> Path:
    return (cache_dir() if folder is None else folder).absolute() / file.name


def _content(sha256: str, path: Path) -> str:
    return f"sha256 {sha256}, {size_of(path):,} bytes"


def _sha256_once(path: Path, known: str | None = None) -> str:
    """The hash of a file, from the note beside it when the file has not been touched since; `known` spares hashing."""
    note, now = path.with_name(f".{path.name}.sha256"), stat_checksum([path], path.parent)
    with suppress(OSError, ValueError):
        then, noted = note.read_text().split()
        if then == now:
            return noted
    found = known or file_sha256(path)
    with suppress(StoreError):  # a shared cache may be read-only; then it is hashed each time
        write_atomic(note, f"{now} {found}\n".encode())
    return found


@contextmanager
def _writing(path: Path, file: RemoteFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        size = "" if file.size is None else f" with {file.size:,} bytes free"
        raise DownloadError(
            "a download could not be written",
            where=path,
            found=error.strerror or str(error),
            expected=f"a writable folder{size}",
            fix=f"free some space, or set {DATA_VARIABLE} to another folder; what has arrived is kept",
        ) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=_SAY_AFTER)
    except Timeout:
        _LOG.warning("%s is being downloaded by another process; waiting for it", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(file: RemoteFile, path: Path, progress: Progress | None, patience: Patience) -> None:
    staging = path.with_name(f".{path.name}.download")
    part = staging / ".part"  # no name of a file begins with a dot
    staging.mkdir(exist_ok=True)
    failures: list[DownloadError] = []
    with shown(file.name, progress) as show:
        for url in addresses(file):
            if failures:
                _LOG.warning("%s; trying the next address", _line(failures[-1]))
            try:
                _retrieve(url, file, staging, _Downloader(file, part, show, patience)).replace(path)
            except DownloadError as failure:
                failures.append(failure)
                continue
            shutil.rmtree(staging, ignore_errors=True)
            _sha256_once(path, file.whole_hash)
            return
    arrived = size_of(part)
    if not arrived:
        shutil.rmtree(staging, ignore_errors=True)
    raise _no_address(file, path, failures, arrived)


@dataclass(frozen=True)
class _Downloader:
    """A downloader for pooch that keeps what arrives in `part` until all is there and its hash is right."""

    file: RemoteFile
    part: Path
    progress: Progress
    patience: Patience

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        inherited = size_of(self.part) > 0
        try:
            self._get(url)
        except HashMismatchError:
            if not inherited:
                raise
            self._get(url)  # bytes from an earlier run or another address may have been to blame
        self.part.replace(output_file)

    def _get(self, url: str) -> None:
        hashed = self.file.sha256 is not None or self.file.md5 is not None
        receive(url, self.part, self.file.size, self.progress, self.patience, hashed=hashed)
        objection = self.file.objection(self.part, file_sha256(self.part))
        if objection is not None:
            self.part.unlink()
            raise HashMismatchError("wrong content", where=public(url), found=objection, expected=self.file.promise())


def _retrieve(url: str, file: RemoteFile, staging: Path, downloader: Any) -> Path:
    """pooch's part: hash what the downloader gives, and let it have its name only then."""
    import pooch

    known = f"sha256:{file.whole_hash}" if file.whole_hash else None
    if known is None:
        # pooch compares whole hashes only: what is known of this one is compared by the downloader, so that must run.
        (staging / file.name).unlink(missing_ok=True)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # it would tell of each file on the standard error stream
    try:
        return Path(pooch.retrieve(url, known, file.name, staging, downloader=downloader))
    except ValueError as error:
        raise HashMismatchError("the file changed on the disk between two checks", where=public(url)) from error
    finally:
        logger.setLevel(level)


def _no_address(file: RemoteFile, path: Path, failures: list[DownloadError], arrived: int) -> DownloadError:
    wrong = bool(failures) and all(isinstance(failure, HashMismatchError) for failure in failures)
    again = f"run it again to go on after the {arrived:,} bytes that have arrived; or " if arrived else ""
    error = (HashMismatchError if wrong else DownloadError)(
        f"{file.name} was found, but not with the expected checksum" if wrong else f"{file.name} cannot be downloaded",
        where=path,
        found="\n".join(map(_line, failures)) or "no address is known for it",
        expected=file.promise(),
        fix=f"{again}get it another way and put it there under that name; or name your copy in the registry, with "
        f"path: for data and weights: for a checkpoint; or set {MIRROR_VARIABLE} to the base URL of a mirror",
    )
    error.__cause__ = ExceptionGroup("each address failed", failures) if failures else None
    return error


def _line(failure: DownloadError) -> str:
    found = "" if failure.found is None else f", {failure.found}"
    return f"{failure.where}: {failure.problem}{found}"
