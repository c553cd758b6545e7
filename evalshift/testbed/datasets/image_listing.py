"""The image files in a folder and all folders below it, and what else lies there: counted, never dropped in silence."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from evalshift.errors import DataError
from evalshift.testbed.image_files import SUFFIXES

# What operating systems and archivers leave in folders of images, beside everything that begins with a dot.
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_SYSTEM_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information", "@eadir"})
_EXAMPLES = 3


class Unread:
    """Files that were not read, by kind."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, kind: str, name: str) -> None:
        """Count a file. `kind` says what it is, with {files} in it: "{files} with suffix .heic"."""
        self._names.setdefault(kind, []).append(name)

    def update(self, other: "Unread") -> None:
        """Count what another one counted, too."""
        for kind, names in other._names.items():
            self._names.setdefault(kind, []).extend(names)

    def sentences(self) -> tuple[str, ...]:
        """One sentence per kind: "10 files with suffix .heic were not read: a/1.heic, a/2.heic, a/3.heic, …"."""
        return tuple(_sentence(kind, sorted(self._names[kind])) for kind in sorted(self._names))


def _sentence(kind: str, names: list[str]) -> str:
    files, were = ("file", "was") if len(names) == 1 else ("files", "were")
    more = ", …" if len(names) > _EXAMPLES else ""
    return f"{len(names):,} {kind.replace('{files}', files)} {were} not read: {', '.join(names[:_EXAMPLES])}{more}"


def is_hidden(name: str) -> bool:
    """Whether a folder or file of this name is one of the system's, and no image of the dataset."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES | _SYSTEM_FOLDERS


def images_below(folder: Path, root: Path, unread: Unread, where: str) -> list[Path]:
    """The image files in `folder` and below it, sorted by their path; what else lies there is added to `unread`.

    Names in `unread` are relative to `root`. Raises DataError for a link that leads nowhere or back into its own
    folders, and for an image file without content.
    """
    found = [path for path in _files(folder, root, unread, where) if _is_image(path, root, unread)]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _files(folder: Path, root: Path, unread: Unread, where: str) -> Iterator[Path]:
    """All files below, hidden ones left out and counted."""
    for path, entry, leads_back in _walk(folder):
        if leads_back:
            raise _circle(path, where)
        if is_hidden(entry.name):
            unread.add("hidden or system {files}", path.relative_to(root).as_posix())
            continue
        refuse_dangling(path, entry.is_symlink(), where)
        if entry.is_file():
            if path.suffix.lower() in SUFFIXES and entry.stat().st_size == 0:
                raise _empty(path, where)
            yield path


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, links followed, hidden ones too, sorted; OSError where the folder does not exist."""
    return sorted(path for path, entry, _ in _walk(folder, hidden=True) if not _is_folder(entry) and path.is_file())


def stats_below(folder: Path) -> list[tuple[str, os.stat_result]]:
    """All files below a folder, links followed, hidden ones too: relative path and status, sorted by folder and name.

    OSError where the folder does not exist. No Path is made of a name, which for 100,000 would take seconds.
    """
    root = len(str(folder).rstrip("/")) + 1
    found = []
    for path, entry, _ in _walk_names(str(folder), hidden=True):
        if not _is_folder(entry):
            with suppress(OSError):  # a link that leads nowhere
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    found.append((tuple(path[root:].split("/")), status))
    return [("/".join(parts), status) for parts, status in sorted(found, key=lambda one: one[0])]


def refuse_special_below(folder: Path, where: str) -> None:
    """Raise DataError for a pipe, a socket or a device in a folder or below it, for which a library would wait."""
    for path, entry, _ in _walk_names(str(folder), hidden=True):
        if not _is_folder(entry) and not _is_file(entry) and Path(path).exists():  # else a link that leads nowhere
            raise DataError(
                "this is not a file", where=f"{where}, {path}", found="a pipe or a device", expected="files and folders"
            )


def _walk(folder: Path, hidden: bool = False) -> Iterator[tuple[Path, os.DirEntry[str], bool]]:
    """As `_walk_names`, with paths."""
    for path, entry, leads_back in _walk_names(str(folder), hidden):
        yield Path(path), entry, leads_back


def _walk_names(folder: str, hidden: bool = False) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Everything below, links followed, and of each folder whether it is a link back to one that it lies in.

    Hidden folders are named and not entered, unless `hidden` says so.
    """
    start = Path(os.path.realpath(folder))
    waiting = [(folder.rstrip("/"), frozenset(map(str, (start, *start.parents))))]
    while waiting:
        here, above = waiting.pop()
        with os.scandir(here or "/") as entries:
            for entry in entries:
                path, real = f"{here}/{entry.name}", None
                if _is_folder(entry) and (hidden or not is_hidden(entry.name)):
                    real = os.path.realpath(path)
                    if real not in above:
                        waiting.append((path, above | {real}))
                yield path, entry, real is not None and real in above


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # links that lead to each other in a circle
        return entry.is_dir()
    return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_file()
    return False


def _is_image(path: Path, root: Path, unread: Unread) -> bool:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    kind = f"{{files}} with suffix {suffix}" if suffix else "{files} without a suffix"
    unread.add(kind, path.relative_to(root).as_posix())
    return False


def refuse_dangling(path: Path, is_link: bool, where: str) -> None:
    """Raise DataError for a link that leads nowhere: an image that is left out would change the accuracy."""
    if is_link and not path.exists():
        raise DataError(
            "a link leads nowhere",
            where=f"{where}, {path}",
            found=f"{path} → {path.readlink()}, which does not exist",
            expected="an image or a folder of images",
            fix="mount the disk or fetch the file that it leads to (git annex get, dvc pull), or remove the link",
        )


def _circle(path: Path, where: str) -> DataError:
    return DataError(
        "a link leads back to a folder that it lies in",
        where=f"{where}, {path}",
        found=f"{path} → {os.path.realpath(path)}",
        expected="folders that end",
        fix="remove the link",
    )


def _empty(path: Path, where: str) -> DataError:
    return DataError(
        "an image file is empty",
        where=f"{where}, {path}",
        found="0 bytes",
        expected="an image",
        fix="copy it again, or remove it from the folder",
    )


def alike_but_for_case(names: Iterable[str]) -> tuple[str, ...]:
    """A sentence where names differ in upper and lower case alone, as after copying one image under two suffixes."""
    seen: dict[str, str] = {}
    pairs = [(seen[low], name) for name in names if seen.setdefault(low := name.lower(), name) != name]
    if not pairs:
        return ()
    shown = ", ".join(f"{one} and {other}" for one, other in pairs[:_EXAMPLES])
    more = ", …" if len(pairs) > _EXAMPLES else ""
    return (f"images whose names differ in case alone, all of which were read: {shown}{more}",)
