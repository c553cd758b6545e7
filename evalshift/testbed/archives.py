"""Single files out of tar archives, without unpacking anything to the disk."""

import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evalshift.errors import DataError, did_you_mean
from evalshift.testbed.transfer import web_page


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
    with _readable(archive), tarfile.open(archive, "r:*") as opened:
        for entry in opened:
            name = entry.name.removeprefix("./")
            seen.append(name)
            if name in missing and entry.isfile() and (stream := opened.extractfile(entry)):
                contents[name] = stream.read()
                missing.remove(name)
            if not missing:
                return contents
    first = min(missing)
    raise DataError(
        f"an archive lacks the file {first}",
        where=archive,
        found=f"{len(seen):,} entries" + (f", first {seen[0]}" if seen else ""),
        remedy=did_you_mean(first, seen) or "use the official archive",
    )


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            "an archive cannot be read",
            where=archive,
            found=_kind(archive) or str(error),
            expected="a tar archive, plain or compressed with gzip, bzip2 or xz",
            remedy="delete it and fetch it again" if archive.is_file() else "check the path",
        ) from error


def _kind(archive: Path) -> str | None:
    """What stands in place of an archive, where that is plain to see."""
    if not archive.exists():
        return "no such file"
    with suppress(OSError), archive.open("rb") as stream:
        beginning = stream.read(1 << 16)
        return web_page(beginning) if beginning else "an empty file"
    return None
