"""Files of weights: what a file is by its first bytes, and its content, read without running anything in it."""

import errno
import pickle
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

from evalshift.errors import ModelError, message_of
from evalshift.file_faults import file_fault
from evalshift.files import refuse_special
from evalshift.testbed.archives import DAMAGED_ZIP
from evalshift.testbed.pickle_costs import CostlyError
from evalshift.testbed.safe_types import placeholders
from evalshift.testbed.torch_files import load_torch
from evalshift.testbed.transfer import web_page
from evalshift.testbed.weights import INDEX

_EXPECTED = "a state dict: .safetensors, or a torch file that holds tensors only"
_AGAIN = "download it again; or load it where it comes from, and save model.state_dict() with safetensors"
_CONVERT = "load it with the library that wrote it, and save the tensors with safetensors"

# First bytes -> (what such a file is, what to do).
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file that it stands for", "run git lfs pull"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", _CONVERT),
    (b"\x93NUMPY", "a NumPy array (.npy)", _CONVERT),
    (b"\x1f\x8b", "a file packed with gzip", "unpack it"),
    (b"BZh", "a file packed with bzip2", "unpack it"),
    (b"\xfd7zXZ\x00", "a file packed with xz", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a file packed with zstd", "unpack it"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"GGUF", "a GGUF file, as llama.cpp reads", _CONVERT),
    (b"%PDF", "a PDF document", _AGAIN),
    (b"\x89PNG", "an image", _AGAIN),
    (b"\xff\xd8\xff", "an image", _AGAIN),
    (b"<?xml", "an XML page, as file hosts send with an error", _AGAIN),
)
_SUFFIXES: dict[str, tuple[str, str]] = {
    ".onnx": ("an ONNX file", "write source: onnx, which takes it"),
    ".pb": ("a file of TensorFlow", _CONVERT),
    ".tflite": ("a file of TensorFlow Lite", _CONVERT),
    ".index": ("an index of a TensorFlow checkpoint", _CONVERT),
    ".meta": ("a graph of a TensorFlow checkpoint", _CONVERT),
    ".msgpack": ("a file of Flax", _CONVERT),
    ".params": ("a file of MXNet or PaddlePaddle", _CONVERT),
    ".pdparams": ("a file of PaddlePaddle", _CONVERT),
    ".caffemodel": ("a file of Caffe", _CONVERT),
}
_OTHER_PICKLES = (".pdparams",)  # pickles, but of arrays


def read_content(path: Path, where: str) -> Any:
    """What a file of weights holds: tensors in mappings, and placeholders for what else was saved beside them.

    The bytes decide what it is, not the suffix. Raises ModelError saying what the file is instead, or what it asks for.
    """
    try:
        refuse_special(path)
        with path.open("rb") as stream:
            beginning = stream.read(1 << 12)
    except OSError as error:
        raise _unreadable(path, where, file_fault(error), _AGAIN) from error
    other = _something_else(path, beginning)
    if other is not None:
        raise _unreadable(path, where, *other)
    try:
        if _is_safetensors(beginning) or path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings(), placeholders():
            warnings.simplefilter("ignore")  # of old pickles, and of what else torch would advise
            return load_torch(path)
    except Exception as error:  # torch and safetensors raise a dozen kinds for damaged files
        raise _unreadable(path, where, _why(error, beginning), _AGAIN) from error


def _unreadable(path: Path, where: str, found: str, fix: str) -> ModelError:
    return ModelError(
        "the checkpoint cannot be read", where=f"{where}, {path}", found=found, expected=_EXPECTED, fix=fix
    )


def _is_safetensors(beginning: bytes) -> bool:
    return len(beginning) > 9 and beginning[8:9] == b"{" and 2 <= struct.unpack("<Q", beginning[:8])[0] < 1 << 30


def _something_else(path: Path, beginning: bytes) -> tuple[str, str] | None:
    """(what it is, what to do) of a file that holds no weights for torch; None where it may."""
    if not beginning:
        return "an empty file", _AGAIN
    page = web_page(beginning)
    if page is not None:
        return page, _AGAIN
    for begins, what, fix in _BEGINNINGS:
        if beginning.startswith(begins):
            return what, fix
    if beginning[:4] == b"PK\x03\x04":
        return _other_zip(path)
    if beginning[257:262] == b"ustar":
        return "a tar archive", "unpack it; files of PyTorch before 0.1.10 must be saved again by an old torch"
    if beginning[4:8] == b"TFL3":
        return _SUFFIXES[".tflite"]
    text = beginning.lstrip()
    if text[:1] in (b"{", b"["):
        return _json_text(path, text)
    if ".data-0" in path.name:
        return "a part of a TensorFlow checkpoint", _CONVERT
    if path.suffix in _OTHER_PICKLES:
        return _SUFFIXES[path.suffix]
    return None if _is_safetensors(beginning) or beginning[:1] == b"\x80" else _SUFFIXES.get(path.suffix)


def _json_text(path: Path, text: bytes) -> tuple[str, str]:
    if b'"weight_map"' in text or path.name.endswith(INDEX):
        return (
            f"an index of weights in several files, which is damaged or lies under a name that does not end in {INDEX}",
            "give it its own name, beside its files",
        )
    return f"JSON text that begins {text[:60].decode(errors='replace')!r}", _AGAIN


def _other_zip(path: Path) -> tuple[str, str] | None:
    """What a zip archive is that torch.save did not write; None for one that it may have written."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, LookupError, *DAMAGED_ZIP):
        return None
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return (
            "a TorchScript program",
            "write source: torchscript, which takes it where trust: true says that it may run",
        )
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return "a program that torch.export wrote", "write source: exported, which takes it"
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays (.npz)", _CONVERT
    if "model.weights.h5" in names:
        return "a network of Keras (.keras)", _CONVERT
    if "data.pkl" not in inner:
        return f"a zip archive of {len(names)} files, such as {', '.join(names[:2])}", "unpack it"
    return None


def _why(error: Exception, beginning: bytes) -> str:
    """Why a file could not be read, without torch's advice to run what is in it."""
    said = message_of(error)
    if isinstance(error, CostlyError):
        return said
    asked = re.search(r"GLOBAL (\S+)", said)
    if asked:
        return f"it asks for {asked.group(1)}, which tensors do not need"
    if beginning[:1] == b"\x80" and beginning[1:2] > b"\x02":
        return "a pickle of a newer protocol than torch.save writes"
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in said:
        return "a pickle of something else"
    if (
        isinstance(error, OSError) and error.errno == errno.EINVAL
    ):  # torch seeks before the beginning of a cut zip archive
        return "a damaged file, or one that ends too early"
    return file_fault(error)
