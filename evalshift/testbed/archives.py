"""Files out of tar and zip archives: single ones into memory, or all of them into a folder, and never outside it."""

import glob
import lzma
import re
import secrets
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalshift.errors import DataError, did_you_mean
from evalshift.file_faults import file_fault
from evalshift.files import refuse_special
from evalshift.testbed.transfer import Progress, shown, web_page

# What zipfile raises for damaged files. NotImplementedError, for versions and compressions that it does not know, is a
# RuntimeError, as that where a password is wanted.
DAMAGED_ZIP = (zipfile.BadZipFile, RuntimeError, UnicodeDecodeError, struct.error, zlib.error, EOFError)
UNREADABLE_ARCHIVE = (OSError, ValueError, LookupError, tarfile.TarError, lzma.LZMAError, *DAMAGED_ZIP)
# Photographs hardly shrink, arrays of pixels by less than half, and even arrays of labels not so far.
MOST_EXPANSION = 200
# An archive of a few bytes may well hold a few thousand.
ALWAYS_ALLOWED = 1 << 20
_PIECE = 1 << 20
# A header of a tar archive may hold a long name, or a few facts.
_LONGEST_HEADER = 1 << 20
# What file systems take in one name, and far more folders in one another than sets of images have.
_LONGEST_PART = 255
_DEEPEST = 100
_ENCRYPTED = 0x1  # of the flags of a file in a zip archive
_ANY_ARCHIVE = "a tar archive, plain or compressed with gzip, bzip2 or xz, or a zip archive"


class _PlainHeader(tarfile.TarInfo):
    """A header of a tar archive, of which no field can fill the memory: tarfile itself reads names of any length."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: Any, errors: Any) -> Any:
        found = super().frombuf(buf, encoding, errors)
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise _HeaderError("a sparse file, as tar --sparse writes it")
        if not (found.isfile() or found.isdir() or found.islnk() or found.issym()) and found.size > _LONGEST_HEADER:
            raise _HeaderError(f"a header of {found.size:,} bytes")
        return found

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise _HeaderError("a sparse file, as tar --sparse writes it")


class _HeaderError(tarfile.TarError):
    """What tarfile would read, and nothing of ours needs. Not a HeaderError, which it takes for the archive's end."""


@contextmanager
def open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    """A tar archive, whose compression is found out from its content, to be read in order.

    Raises OSError, EOFError, lzma.LZMAError, zlib.error and tarfile.TarError for a damaged or forged one.
    """
    refuse_special(archive)
    with tarfile.open(archive, "r:*", tarinfo=_PlainHeader) as opened:
        yield opened


def extract_member(archive: Path, member: str) -> bytes:
    """The content of one file in a tar archive; see `extract_members`."""
    return extract_members(archive, [member])[member]


def extract_members(archive: Path, members: Iterable[str]) -> dict[str, bytes]:
    """The contents of files in a tar archive by their names there, read in one pass.

    The compression is found out from the content: several official .tar.gz files are plain tar.
    Raises DataError when the archive is missing, cannot be read or lacks one of the files. That is no check of the
    content: plain tar has no checksums, and gzip's stands at the very end. The archive's sha256 is there for that.
    """
    missing = set(members)
    seen: list[str] = []
    contents: dict[str, bytes] = {}
    with _readable(archive), open_tar(archive) as opened:
        for entry in opened:
            name = entry.name.removeprefix("./")
            seen.append(name)
            refuse_expansion(archive, name, entry.offset)  # to pass by costs time, too
            if name in missing and entry.isfile() and (stream := opened.extractfile(entry)):
                refuse_expansion(archive, name, entry.size)
                contents[name] = stream.read()
                missing.remove(name)
            if not missing:
                return contents
    first = min(missing)
    raise DataError(
        f"an archive lacks the file {first}",
        where=archive,
        found=f"{len(seen):,} entries" + (f", first {seen[0]}" if seen else ""),
        fix=did_you_mean(first, seen) or "use the official archive",
    )


def unpack(archive: Path, folder: Path, progress: Progress | None = None) -> Path:
    """Unpack a tar or zip archive into `folder`, which is then there as a whole, or not at all; gives the folder.

    A folder that is there already is left as it is. Two processes may ask at once. What takes over two seconds shows
    its progress on the standard error stream, unless `progress(bytes, total)` is given.

    Raises DataError, with nothing left behind, for an archive that cannot be read, and for one that holds what archives
    of images do not: absolute paths or ".." in names, links, devices, a name twice, or more than MOST_EXPANSION times
    its own size, which would fill the disk.
    """
    from filelock import FileLock

    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():  # another process may have been faster
                for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.unpacking"):
                    shutil.rmtree(left, ignore_errors=True)  # whoever was killed here held the lock that we hold
                staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.unpacking")
                try:
                    _unpack_all(archive, staging, progress)
                    staging.rename(folder)
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise _not_writable(archive, folder, error) from error
    return folder


def differing(archive: Path, folder: Path) -> Iterator[str]:
    """The names of the files in an archive whose unpacked copies in `folder` are missing or differ."""
    with _readable(archive, _ANY_ARCHIVE):
        for entry in _entries(archive):
            if entry.is_folder:
                continue
            path = folder / entry.name
            same = path.is_file() and path.stat().st_size == entry.size
            with entry.open() as stream:
                if not same or path.read_bytes() != stream.read():
                    yield entry.name


def each_file(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in a tar or zip archive, its name and content, in the archive's order.

    Raises DataError as `unpack` does. To choose by name is the caller's part: reading on costs no more than passing by.
    """
    done = 0
    with _readable(archive, _ANY_ARCHIVE):
        for entry in _entries(archive):
            if not entry.is_folder:
                done += entry.size
                refuse_expansion(archive, entry.name, done)
                with entry.open() as stream:
                    yield entry.name, stream.read()


@dataclass(frozen=True)
class _Member:
    """One thing in an archive. `name` is relative, as `_plain_name` lets it be."""

    name: str
    size: int
    is_folder: bool
    open: Callable[[], Any]


def _unpack_all(archive: Path, staging: Path, progress: Progress | None) -> None:
    staging.mkdir()
    done = 0
    with _readable(archive, _ANY_ARCHIVE), shown(f"unpacking {archive.name}", progress) as show:
        for entry in _entries(archive):
            target = staging / entry.name
            if entry.is_folder:
                target.mkdir(parents=True, exist_ok=True)
                continue
            refuse_expansion(archive, entry.name, done + entry.size)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as written, entry.open() as stream:
                    shutil.copyfileobj(stream, written, _PIECE)
            except (FileExistsError, NotADirectoryError):
                raise _refused(archive, "an archive holds a name twice", entry.name) from None
            except OSError as error:
                if error.errno is None:  # the archive's fault, not the disk's
                    raise
                raise _not_writable(archive, staging, error) from error
            done += entry.size
            show(done, None)


def is_zip(path: Path) -> bool:
    """Whether a file begins as zip archives do. OSError for one that cannot be read."""
    refuse_special(path)
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"  # zipfile.is_zipfile would look at the end, where a tar may hold a zip


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, compressed or not, as far as its beginning tells."""
    try:
        refuse_special(path)
        return tarfile.is_tarfile(path)
    except UNREADABLE_ARCHIVE:  # such as a compressed file that ends early
        return False


def _entries(archive: Path) -> Iterator[_Member]:
    """What an archive holds, in its order; DataError for the first thing that has no place in one."""
    if is_zip(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, "an archive holds a link or a device", info.filename)
                if info.flag_bits & _ENCRYPTED:
                    raise _locked(archive, info.filename)
                name = _plain_name(archive, info.filename)
                is_folder = info.filename.endswith("/")  # info.is_dir() fails for an empty name
                yield _Member(name, info.file_size, is_folder, lambda info=info: opened.open(info))
        return
    with open_tar(archive) as opened:
        for entry in opened:
            if not (entry.isfile() or entry.isdir()):
                found = f"{entry.name} → {entry.linkname}" if entry.linkname else entry.name
                raise _refused(archive, "an archive holds a link or a device", found)
            name = _plain_name(archive, entry.name)
            yield _Member(name, entry.size, entry.isdir(), lambda entry=entry: opened.extractfile(entry))


def _locked(archive: Path, name: str) -> DataError:
    return DataError(
        "an archive is protected by a password",
        where=archive,
        found=name,
        expected="an archive without a password",
        fix="unpack it with the password of its homepage, and name the folder with `path`",
    )


# Not tarfile.data_filter: it turns "/etc/x" into "etc/x" instead of refusing it, lets links in, and knows no zip.
def _plain_name(archive: Path, name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or re.search(r"[\\\x00]|^[A-Za-z]:", name):
        raise _refused(archive, "an archive would write outside its folder", name)
    longest = max((len(part.encode(errors="replace")) for part in parts), default=0)
    if longest > _LONGEST_PART or len(parts) > _DEEPEST:
        found = f"{len(parts):,} folders deep, {longest:,} bytes in one name: {name[:60]}…"
        raise _refused(archive, "an archive holds a name that is too long", found)
    return "/".join(parts)


def refuse_expansion(archive: Path, name: str, size: int) -> None:
    """Raise DataError where an archive grows to `size` bytes, with the file `name`, far beyond what it holds."""
    packed = archive.stat().st_size
    if size > max(ALWAYS_ALLOWED, MOST_EXPANSION * packed):
        found = f"{size:,} bytes by {name}, out of {packed:,}"
        raise _refused(archive, "an archive would grow beyond all measure", found)


def _refused(archive: Path, problem: str, found: str) -> DataError:
    return DataError(
        problem,
        where=archive,
        found=found,
        expected="files and folders with plain names, as in an archive of images",
        fix="nothing was unpacked; get the official archive",
    )


def _not_writable(archive: Path, folder: Path, error: OSError) -> DataError:
    return DataError(
        "an archive could not be unpacked",
        where=folder.parent,
        found=error.strerror or str(error),
        expected=f"a writable folder with room for what is in {archive.name}",
        fix="free some space, or set EVALSHIFT_DATA to another folder",
    )


@contextmanager
def _readable(
    archive: Path, expected: str = "a tar archive, plain or compressed with gzip, bzip2 or xz"
) -> Iterator[None]:
    try:
        yield
    except UNREADABLE_ARCHIVE as error:
        raise DataError(
            "an archive cannot be read",
            where=archive,
            found=_kind(archive) or file_fault(error),
            expected=expected,
            fix="delete it and fetch it again" if archive.is_file() else "check the path",
        ) from error


def _kind(archive: Path) -> str | None:
    """What a file is if it is plainly not an archive, such as a web page."""
    if not archive.exists():
        return "no such file"
    if not archive.is_file():
        return None
    with suppress(OSError), archive.open("rb") as stream:
        beginning = stream.read(1 << 16)
        return web_page(beginning) if beginning else "an empty file"
    return None
