"""What all entries of a registry share.

An entry is frozen, refuses unknown keys, and opens no file.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PACKAGE = "package:"
# A hash that nobody published.
UNKNOWN = "unknown"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# Bytes that Linux and macOS allow: a longer path would be no path that is not there, but an error of the system.
_LONGEST_NAME, _LONGEST_PATH = 255, 4_000
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def is_url(place: str) -> bool:
    """Whether a location is a URL rather than a path."""
    return _URL.match(place) is not None


def expand(text: str) -> str:
    """Expand ${VAR}; an unset variable is an error, not an empty string."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write the path out")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def path_of_text(text: str) -> Path:
    """The path with ${VAR} and ~ expanded; ValueError for one that no file can have."""
    path = Path(expand(text))
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {path.parts[0]} is not known; write the path out") from error
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > _LONGEST_NAME or len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"a path has up to {_LONGEST_PATH:,} bytes, and {_LONGEST_NAME} in a name")
    if "\0" in str(path):
        raise ValueError("a path has no zero bytes")
    return path


def file_path(text: object, info: Any) -> Path:
    """The path with ${VAR} and ~ expanded; a relative path is relative to the registry's folder."""
    if not isinstance(text, str | Path):
        raise ValueError("a path must be text")
    return (info.context or {}).get("folder", Path()) / path_of_text(str(text))


def _location(text: str | Path, info: Any) -> str:
    """A URL or a package: resource unchanged; anything else as a path relative to the registry's folder."""
    if isinstance(text, str) and (is_url(text) or text.startswith(PACKAGE)):
        return expand(text)
    return str(file_path(text, info))


def _locations(places: object, info: Any) -> str | tuple[str, ...]:
    listed = places if isinstance(places, list | tuple) else [places]
    found = tuple(_location(place, info) for place in listed if isinstance(place, str | Path))
    if not found or len(found) != len(listed):
        raise ValueError("weights must be a path, a URL or a list of them, best first")
    return found if isinstance(places, list | tuple) else found[0]


def checked_sha256(text: str) -> str:
    """Return a sha256 or its first digits; ValueError for anything else."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", text):
        raise ValueError("write 64 hexadecimal digits in lower case, or at least the first 8")
    return text


def _md5(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError("write 32 hexadecimal digits in lower case")
    return text


def _package(text: str) -> str:
    if not text.startswith(PACKAGE):
        raise ValueError(f'write "{PACKAGE}some.package/file"')
    return text


def _file_name(text: str) -> str:
    if not re.fullmatch(r"[^/\\.\x00-\x1f][^/\\\x00-\x1f]*", text):
        raise ValueError("a file name has no folders and does not begin with a dot")
    return text


def checked_title(title: object) -> str:
    """Return the title; ValueError unless it is one line of 1 to 120 printable characters."""
    if not isinstance(title, str) or not title.strip() or len(title) > 120 or not title.isprintable():
        raise ValueError("one line of 1 to 120 printable characters (quote a number)")
    return title


def _known(text: str) -> str:
    return text if text == UNKNOWN else checked_sha256(text)


FilePath = Annotated[Path, BeforeValidator(file_path)]
Locations = Annotated[str | tuple[str, ...], BeforeValidator(_locations)]
Sha256 = Annotated[str, AfterValidator(checked_sha256)]
KnownSha256 = Annotated[str, AfterValidator(_known)]
Title = Annotated[str, BeforeValidator(checked_title)]


class Entry(BaseModel):
    """Base of all entries: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Entry):
    """A file to download: each URL is tried in turn, and the file is hashed before it is opened.

    name     the name of the file in the cache
    urls     mirrors, in order of preference; empty if a login is needed: put the file into the cache, or use `path`
    sha256   the checksum of the file. "unknown" if none is published: later copies must then equal the first download
    md5      instead of sha256, if no better checksum is published
    size     in bytes
    also     sha256 of other releases or archives with the same content, accepted for your own copy
    members  md5 of files in the archive, by name without folders, for checking an unpacked copy
    copies   `package:` resources that have the same content: used instead of a download if the package is installed
    """

    name: Annotated[str, AfterValidator(_file_name)]
    urls: tuple[str, ...] = ()
    sha256: KnownSha256 | None = None
    md5: Annotated[str, AfterValidator(_md5)] | None = None
    size: int | None = Field(default=None, ge=0)
    also: tuple[Sha256, ...] = ()
    members: dict[str, Annotated[str, AfterValidator(_md5)]] = Field(default_factory=dict)
    copies: tuple[Annotated[str, AfterValidator(_package)], ...] = ()

    @property
    def published_sha256(self) -> str | None:
        """The sha256 that was published; None if there is none."""
        return None if self.sha256 == UNKNOWN else self.sha256

    @model_validator(mode="after")
    def _has_a_hash(self) -> "FileEntry":
        if self.sha256 is None and self.md5 is None:
            raise ValueError("a file needs its sha256, or its md5 where nobody published one")
        return self


def _path_or_file(value: object, info: Any) -> object:
    return FileEntry.model_validate(value) if isinstance(value, dict) else file_path(value, info)


# A file of labels or other facts: a path, or what to download.
FactsFile = Annotated[Path | FileEntry, BeforeValidator(_path_or_file)]


class About(Entry):
    """Information for readers, which never changes a prediction.

    title     shown in figures, tables and on the page; the default is the name
    paper     the publication
    licence   of the data or weights
    homepage  where it is described or distributed
    note      anything else a user should know
    """

    title: Title | None = None
    paper: str | None = None
    licence: str | None = None
    homepage: str | None = None
    note: str | None = None
