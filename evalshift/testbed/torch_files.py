"""What torch.save wrote, read without running anything in it, and without believing what it says of itself.

`weights_only` keeps code out. It does not keep out a few bytes that stand for gigabytes, keys that take years to hash,
or mappings and tensors whose methods somebody replaced by attributes of the same names.
"""

import io
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from evalshift.files import refuse_special
from evalshift.testbed.archives import DAMAGED_ZIP, MOST_EXPANSION
from evalshift.testbed.pickle_costs import CostlyError, refuse_costly

# Tensors that repeat their numbers, such as expanded ones, may well be larger than their file.
_ALWAYS_ALLOWED_BYTES = 1 << 30
_ALWAYS_UNPACKED_BYTES = 16 << 20
_ALWAYS_ALLOWED_PARTS = 1_000_000
# torch's form before 1.6: what it is, its version, the machine, the content, and the names of storages.
_PICKLES_OF_OLD_FILES = 5


def load_torch(source: Path | bytes) -> Any:
    """What torch.save wrote to a file, or as bytes: tensors, numbers and text, in plain mappings, lists and tuples.

    Tensors lose what attributes they had, and mappings all but the versions that torch notes of modules.
    Raises CostlyError for what would fill the memory or never end, and whatever torch raises for a damaged file.
    """
    if isinstance(source, bytes):
        stream: Any = io.BytesIO(source)
        _refuse_bombs(stream, len(source))
        return _plain(torch.load(io.BytesIO(source), map_location="cpu", weights_only=True), len(source))
    refuse_special(source)
    size = source.stat().st_size
    with source.open("rb") as stream:
        _refuse_bombs(stream, size)
    return _plain(torch.load(source, map_location="cpu", weights_only=True), size)


def _refuse_bombs(stream: IO[bytes], size: int) -> None:
    if stream.read(2) != b"PK":
        stream.seek(0)
        for _ in range(_PICKLES_OF_OLD_FILES):
            refuse_costly(stream)
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            _refuse_costly_members(archive, size)
    except (OSError, ValueError, LookupError, *DAMAGED_ZIP):  # torch says what is wrong
        return


def _refuse_costly_members(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    whole = sum(member.file_size for member in members)
    if whole > max(_ALWAYS_UNPACKED_BYTES, MOST_EXPANSION * size):
        raise CostlyError(f"{whole:,} bytes packed into {size:,}")
    for member in members:
        if member.filename.endswith("data.pkl"):
            with archive.open(member) as inside:
                refuse_costly(inside)


def _plain(content: Any, size: int) -> Any:
    """A copy whose mappings are plain and whose tensors are bare; what it refers to repeatedly, the copy does too."""
    copies: dict[int, Any] = {}
    parts: dict[int, int] = {}
    numbers = 0
    for one in _inside_out(content):
        if isinstance(one, dict):
            items = list(dict.items(one))
            kind = OrderedDict if isinstance(one, OrderedDict) else dict
            copies[id(one)] = kind((key, copies.get(id(value), value)) for key, value in items)
            _keep_versions(one, copies[id(one)])
            values: list[Any] = [value for _, value in items]
        elif isinstance(one, list | tuple):
            values = list(one)
            inside = [copies.get(id(value), value) for value in values]
            copies[id(one)] = inside if isinstance(one, list) else tuple(inside)
        else:
            copies[id(one)] = _bare(one)
            numbers += _size(copies[id(one)])
            if numbers > max(_ALWAYS_ALLOWED_BYTES, MOST_EXPANSION * size):
                raise CostlyError(f"{numbers:,} bytes of tensors in {size:,}")
            continue
        parts[id(one)] = 1 + sum(parts.get(id(value), 1) for value in values)
        if parts[id(one)] > max(_ALWAYS_ALLOWED_PARTS, MOST_EXPANSION * size):
            raise CostlyError("it repeats lists in lists beyond all measure")
    return copies.get(id(content), content)


def _inside_out(content: Any) -> Iterator[Any]:
    """Each mapping, list, tuple and tensor once, after what is in it; CostlyError for what contains itself."""
    waiting: list[tuple[Any, bool]] = [(content, False)]
    begun: set[int] = set()
    done: set[int] = set()
    while waiting:
        one, is_last = waiting.pop()
        if is_last:
            done.add(id(one))
            yield one
        elif not isinstance(one, dict | list | tuple | torch.Tensor) or id(one) in done:
            continue
        elif id(one) in begun:
            raise CostlyError("it contains itself")
        else:
            begun.add(id(one))
            waiting.append((one, True))
            inside = dict.values(one) if isinstance(one, dict) else one if isinstance(one, list | tuple) else ()
            waiting.extend((value, False) for value in inside if id(value) not in done)


def _keep_versions(mapping: dict[Any, Any], copy: Any) -> None:
    """The versions of modules that torch keeps beside a state dict, by which it reads old ones."""
    versions = mapping.__dict__.get("_metadata") if isinstance(mapping, OrderedDict) else None
    if isinstance(versions, dict) and all(isinstance(version, dict) for version in dict.values(versions)):
        copy._metadata = OrderedDict((name, dict(dict.items(version))) for name, version in dict.items(versions))


def _bare(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without attributes that somebody gave it; one of a class of its own as it is."""
    if type(tensor) is torch.nn.Parameter:
        return torch.nn.Parameter(torch.Tensor.detach(tensor), tensor.requires_grad)
    return torch.Tensor.detach(tensor) if type(tensor) is torch.Tensor else tensor


def _size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's numbers, as many as its shape says."""
    return 0 if tensor.is_nested or tensor.is_sparse else tensor.numel() * tensor.element_size()
