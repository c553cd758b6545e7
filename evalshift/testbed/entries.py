"""The entries of a registry: what all of them share.

An entry is frozen, knows no key that is not its own, and opens nothing.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PACKAGE = "package:"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def is_url(place: str) -> bool:
    """Whether a place is on the net rather than on this disk."""
    return _URL.match(place) is not None


def expand(text: str) -> str:
    """Fill in ${VAR}; a variable that is not set is a mistake, not an empty string."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set; set it, or write the path out")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def file_path(text: object, info: Any) -> Path:
    """A path as it is meant: ${VAR} filled in, ~ the home folder, anything else from the registry's folder."""
    if not isinstance(text, str | Path):
        raise ValueError("a path must be text")
    path = Path(expand(str(text)))
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {path.parts[0]} is not known; write the path out") from error
    return (info.context or {}).get("folder", Path()) / path


def _location(text: str | Path, info: Any) -> str:
    """A URL or a package: resource as it is, anything else as a path from the registry's folder."""
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
    """The digits of a hash, all or the first ones; ValueError for anything else."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", text):
        raise ValueError("write 64 hexadecimal digits in lower case, or at least the first 8")
    return text


def _md5(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError("write 32 hexadecimal digits in lower case")
    return text


def _file_name(text: str) -> str:
    if not re.fullmatch(r"[^/\\.\x00-\x1f][^/\\\x00-\x1f]*", text):
        raise ValueError("a file name has no folders and does not begin with a dot")
    return text


def checked_title(title: object) -> str:
    """A title as given; ValueError unless it is one line of 1 to 120 printable characters."""
    if not isinstance(title, str) or not title.strip() or len(title) > 120 or not title.isprintable():
        raise ValueError("one line of 1 to 120 printable characters (quote a number)")
    return title


FilePath = Annotated[Path, BeforeValidator(file_path)]
Locations = Annotated[str | tuple[str, ...], BeforeValidator(_locations)]
Sha256 = Annotated[str, AfterValidator(checked_sha256)]
Title = Annotated[str, BeforeValidator(checked_title)]


class Entry(BaseModel):
    """What all entries share: frozen, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Entry):
    """A file to download: tried at each URL in turn, hashed before it is opened.

    urls     none where only a login gives it: then it is to be put into the cache, or named by `path`
    md5      where nobody published a better hash
    also     sha256 of other releases or packings of the same content, which are as good in a copy of one's own
    members  md5 of files inside an archive, by their names without folders: for a copy that was unpacked by hand
    """

    name: Annotated[str, AfterValidator(_file_name)]
    urls: tuple[str, ...] = ()
    sha256: Sha256 | None = None
    md5: Annotated[str, AfterValidator(_md5)] | None = None
    size: int | None = Field(default=None, ge=0)
    also: tuple[Sha256, ...] = ()
    members: dict[str, Annotated[str, AfterValidator(_md5)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_hash(self) -> "FileEntry":
        if self.sha256 is None and self.md5 is None:
            raise ValueError("a file needs its sha256, or its md5 where nobody published one")
        return self


class About(Entry):
    """Facts for the reader; none of them changes a prediction.

    title  what figures, tables and the page call it; its name without one
    """

    title: Title | None = None
    paper: str | None = None
    licence: str | None = None
    homepage: str | None = None
    note: str | None = None
