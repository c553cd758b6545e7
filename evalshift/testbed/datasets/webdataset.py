"""Tar files of WebDataset's form: members of one name, and a suffix for the image, the label and what else there is.

Headers are read in order; an image is read from its place in the tar file when a model asks for it, and nothing is
unpacked.
"""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, stat_checksum
from evalshift.testbed.archives import open_tar, refuse_expansion
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.image_listing import Unread
from evalshift.testbed.datasets.shards import existing_shards, shard_paths, state_of_shards
from evalshift.testbed.image_files import SUFFIXES, BytesImage, StoredImage
from evalshift.testbed.label_text import labels_of_text
from evalshift.testbed.own_dataset_entries import WebDataset
from evalshift.testbed.readiness import State

# Fields of a json member that hold a label, where there is no cls.
LABEL_FIELDS = ("label", "cls", "class", "target", "class_id", "y")
# A label or a description is text of a line or two, whatever a header says.
_MOST_TEXT = 1 << 20


@dataclass(frozen=True)
class TarImage:
    """One encoded image at its place in a tar file."""

    path: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        """The bytes of the image file."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            content = stream.read(self.size)
        if len(content) != self.size:
            raise OSError(f"the tar file ends after {len(content):,} of {self.size:,} bytes")
        return content

    def __str__(self) -> str:
        return f"{self.path}, {self.name}"


@dataclass
class Sample:
    """The members of one name.

    key     the name, as WebDataset's __key__
    texts   what cls and json hold, by suffix
    """

    key: str
    shard: Path
    image: StoredImage | None
    texts: dict[str, str]


def read(entry: WebDataset, space: ClassSpace, where: str) -> Parts:
    """All samples that have an image, one file after another; an id is the name of its members."""
    unread = Unread()
    shards = existing_shards(entry.path, ".tar", where)
    samples = [sample for shard in shards for sample in _samples(shard, unread, where)]
    with_image = [sample for sample in samples if sample.image is not None]
    for sample in samples:
        if sample.image is None:
            unread.add("{files} of a name without an image", f"{sample.shard.name}/{sample.key}")
    if not with_image:
        raise DataError(
            "no image in the tar files",
            where=f"{where}, {shards[0]}",
            found="; ".join(unread.sentences()) or "no files",
            expected="members such as 000123.jpg and 000123.cls",
        )
    texts = [_label(sample, entry, where) for sample in with_image]
    keys = [sample.key for sample in with_image]
    ids = keys if len(set(keys)) == len(keys) else [f"{sample.shard.stem}/{sample.key}" for sample in with_image]
    images = tuple(sample.image for sample in with_image)
    return Parts(ids, images, labels_of_text(texts, space, f"{where}, {entry.path}"), unread.sentences())


def _samples(shard: Path, unread: Unread, where: str) -> Iterator[Sample]:
    """Consecutive members of one name; what is neither image nor label is counted."""
    try:
        with open_tar(shard) as opened:
            plain = _is_plain(shard)
            for key, members in groupby(_files(shard, opened, plain, unread), lambda member: _split(member.name)[0]):
                sample = Sample(key, shard, None, {})
                for member in members:
                    _take(sample, member, opened, plain, unread)
                yield sample
        if plain:
            _refuse_cut(shard, opened.offset)
    except (OSError, EOFError, ValueError, LookupError, zlib.error, lzma.LZMAError, tarfile.TarError) as error:
        raise DataError(
            "a tar file cannot be read",
            where=f"{where}, {shard}",
            found=file_fault(error),
            expected="a whole tar file",
            fix="download it again",
        ) from error


def _files(shard: Path, opened: tarfile.TarFile, plain: bool, unread: Unread) -> Iterator[tarfile.TarInfo]:
    """The members that are files; links and devices are counted."""
    for member in opened:
        refuse_expansion(shard, member.name, member.offset + (0 if plain else member.size))
        if member.isfile():
            yield member
        elif not member.isdir():
            unread.add("{files} that are links or devices", f"{shard.name}/{member.name}")


def _refuse_cut(shard: Path, end: int) -> None:
    """Raise TarError where the end-of-archive marker is missing: tarfile takes a truncated file for a short one."""
    with shard.open("rb") as stream:
        stream.seek(end)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.TarError("it has no end-of-archive marker, as after an incomplete download")


def _is_plain(shard: Path) -> bool:
    """Whether the places of members are those in the file: it is not compressed."""
    with shard.open("rb") as stream:
        return not stream.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))


def _split(name: str) -> tuple[str, str]:
    """The key and the suffix of a member: all before and after the first dot of its last part, as WebDataset does."""
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _take(sample: Sample, member: tarfile.TarInfo, opened: tarfile.TarFile, plain: bool, unread: Unread) -> None:
    suffix = _split(member.name)[1]
    if f".{suffix.rpartition('.')[2]}" in SUFFIXES:
        if sample.image is not None:
            raise tarfile.TarError(f"{sample.key} has two images, one of them {member.name}")
        sample.image = (
            TarImage(sample.shard, member.name, member.offset_data, member.size)
            if plain
            else BytesImage(f"{sample.shard}, {member.name}", _content(opened, member))
        )
    elif suffix in ("cls", "json", "txt", "cls.txt", "index"):
        if member.size <= _MOST_TEXT:
            sample.texts[suffix] = _content(opened, member).decode("utf-8", "replace").strip()
    else:
        kind = f"{{files}} with suffix .{suffix}" if suffix else "{files} without a suffix"
        unread.add(kind, f"{sample.shard.name}/{member.name}")


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = opened.extractfile(member)
    assert stream is not None  # a file, which was asked before
    return stream.read()


def _label(sample: Sample, entry: WebDataset, where: str) -> str:
    """The label of a sample as text: what the entry names, else cls, else the field of json that is called so."""
    named = (entry.label or "").partition(".")
    if entry.label is None and "cls" in sample.texts:
        return sample.texts["cls"]
    if entry.label is not None and named[0] != "json":
        found: Any = sample.texts.get(entry.label)
    else:
        record = _record(sample)
        fields = [named[2]] if named[2] else [name for name in LABEL_FIELDS if name in record]
        found = record.get(fields[0]) if len(fields) == 1 else None
    if found is None or isinstance(found, dict | list):
        raise DataError(
            "a sample without a label",
            where=f"{where}, {sample.shard}",
            found=f"{sample.key} with {', '.join(sorted(sample.texts)) or 'an image alone'}",
            expected=f"{sample.key}.cls, or a field of {sample.key}.json called {entry.label or 'label'}",
            fix="name what holds the label with `label`, such as label: json.label",
        )
    return str(found)


def _record(sample: Sample) -> dict[str, Any]:
    try:
        record = json_content(sample.texts.get("json", "{}"))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def source_checksum(entry: WebDataset) -> str:
    """A fingerprint of all files; OSError where one does not exist."""
    return stat_checksum(shard_paths(entry.path, ".tar") or [entry.path])


def state(entry: WebDataset) -> State:
    """Whether all files exist."""
    return state_of_shards(entry.path, ".tar")
