"""Files and folders that the arguments of a builder name, by their content.

A builder gets its arguments as they are written, and may do with a text what it likes. So each text is read in all ways
in which builders read paths: as a whole, after "local-dir:" or "ckpt=", as a URL of a file, as words of a command, with
~ and $VAR, with wildcards, as the beginning of file names; from the working folder and from that of the code.
"""

import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from evalshift.file_dependencies import depends_on
from evalshift.files import sha256_of_text
from evalshift.publishing import publishable
from evalshift.testbed.folder_hashes import NOT_HASHED, UnhashedError, hash_of_file, hash_of_folder

# A longer text is a text and no list of paths.
_LONGEST_TEXT = 20_000
_BETWEEN_WORDS = re.compile(r"[\s,;|]+")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'")
_AROUND_WORDS = "\"'`()[]<>"
_BEFORE_PATHS = re.compile(r"[:=](?!//)")
# What builders fill in: wildcards, Python's and C's numbers.
_FILLED_IN = re.compile(r"(?<!\$)\{[^/{}]*\}|%\d*[ds]")
_WILDCARD = re.compile(rf"[*?\[]|{_FILLED_IN.pattern}")
# In bytes: no file has a longer one.
_LONGEST_NAME = 255


def hashes_of_arguments(arguments: Mapping[str, Any], folder: Path | None) -> dict[str, str]:
    """The files and folders that arguments name, from the working folder or from that of the code, by their content.

    A file counts under its name, a folder under its name with a slash; what cannot be hashed, such as a folder of too
    many files, has a text that begins with NOT_HASHED. Texts that name nothing, and of which `publishable` leaves out a
    part, such as paths of files to come, count as one checksum, called "paths".
    """
    found: dict[str, str] = {}
    cut = []
    for text in _texts(arguments):
        named = dict(_named(text, folder))
        for name, checksum in named.items():
            if found.get(name, checksum) != checksum:  # another one of this name
                name = f"{name} {len(found) + 1}"
            found[name] = checksum
        if not named and publishable(text) != text:
            cut.append(text)
    return found | ({"paths": sha256_of_text("\n".join(cut))} if cut else {})


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str | os.PathLike):
        yield os.fsdecode(value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one)
            if isinstance(key, str) and "/" in key:
                yield key
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)


def _named(text: str, folder: Path | None) -> Iterator[tuple[str, str]]:
    """Each file and folder that a text names, as (name, checksum)."""
    seen: set[str] = set()
    for reading, alone in _readings(text):
        for place in _places(reading, folder):
            real = os.path.realpath(place)
            for name, checksum in () if real in seen else _content(reading, place, alone):
                seen.add(real)
                yield (name, checksum) if len(seen) == 1 else (f"{name} {len(seen)}", checksum)


def _readings(text: str) -> Iterator[tuple[str, bool]]:
    """What of a text may be a path, and whether it is one alone: a word within a sentence names a folder by chance."""
    if len(text) > _LONGEST_TEXT or "\0" in text or re.search("[\ud800-\udfff]", text):
        return
    alone = [text, *_after_prefixes(text)]
    yield from ((one, True) for one in dict.fromkeys(alone))
    words = [word.strip(_AROUND_WORDS) for word in _BETWEEN_WORDS.split(text)]
    words += [one or other for one, other in _QUOTED.findall(text)]  # with spaces within
    if len(words) > 1 or words[0] != text:
        several = (one for word in words for one in (word, *_after_prefixes(word)))
        yield from ((one, False) for one in dict.fromkeys(several) if one not in alone)


def _after_prefixes(text: str) -> Iterator[str]:
    if text.lower().startswith("file:"):
        yield unquote(urlsplit(text).path)
    for match in _BEFORE_PATHS.finditer(text):
        yield text[match.end() :]


def _places(reading: str, folder: Path | None) -> Iterator[Path]:
    """Where that may lie."""
    if not reading.strip("/") or any(len(part.encode()) > _LONGEST_NAME for part in reading.split("/")):
        return  # "/" is a separator, and what is too long no path
    expanded = os.path.expandvars(os.path.expanduser(reading))  # noqa: PTH111 - an unknown user is no error here
    for path in dict.fromkeys((reading, expanded)):
        yield Path(path)
        if folder is not None:
            yield folder / path


def _content(reading: str, place: Path, alone: bool) -> Iterator[tuple[str, str]]:
    """The file or folder at a place, or the files that are meant by the beginning of their names or by wildcards."""
    name = PurePath(reading).name or "."
    depends_on(place)
    try:
        if place.is_file():
            yield name, hash_of_file(place)
        elif place.is_dir():
            if alone or "/" in reading:
                yield f"{name}/", hash_of_folder(place)
        elif checksum := _hash_of_matching(reading, place):
            yield name, checksum
    except UnhashedError as error:
        yield f"{name}/", f"{NOT_HASHED}{error}"
    except (OSError, ValueError):  # text that is not a path
        return


def _hash_of_matching(reading: str, place: Path) -> str | None:
    """A checksum of what a pattern stands for, such as shard-*.pt, or of files whose names begin so; None of nothing.

    Where a folder is a pattern, as in */w.pt, all of the one above it counts.
    """
    parts = PurePath(reading).parts
    wild = [number for number, part in enumerate(parts) if _WILDCARD.search(part)]
    if re.search(r"\s", "/".join(parts[wild[0] :])) if wild else "/" not in reading:  # a sentence, or a word
        return None
    if wild and wild[0] < len(parts) - 1:
        above = place.parents[len(parts) - wild[0] - 1]
        return hash_of_folder(above) if above.is_dir() else None
    depends_on(place.parent)
    if not place.parent.is_dir():
        return None
    pattern = _FILLED_IN.sub("*", place.name) if wild else f"{place.name}[._-]*"
    files = sorted(one for one in place.parent.iterdir() if fnmatchcase(one.name, pattern))
    listed = [
        f"{one.name} {hash_of_folder(one) if one.is_dir() else hash_of_file(one)}"
        for one in files
        if wild or not one.is_dir()
    ]
    return sha256_of_text("\n".join(listed)) if listed else None
