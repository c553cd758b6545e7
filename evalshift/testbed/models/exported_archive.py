"""An archive of torch.export.save (.pt2), taken apart, checked and put together anew, so that loading it runs nothing.

torch.export.load unpickles sample inputs and what a configuration says to unpickle, evaluates texts as Python, imports
what outputs are named by, calls any attribute of torch, and runs compiled libraries. So torch is only ever given an
archive that was written here: members of known names, raw numbers as they are, and programs and configurations as far
as exported_schema describes them. What was checked is what is loaded.
"""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from evalshift.testbed.models.exported_schema import CallSignature, Payloads, Program, TensorMeta
from evalshift.testbed.torch_files import load_torch

_PROGRAM = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_CONFIGURATIONS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_PICKLED = ("data/weights/model.pt", "data/constants/model.pt")
_RAW = re.compile(r"data/(weights/weight|constants/tensor)_[0-9]{1,9}")
_FACTS = {
    "archive_format": re.compile(rb"pt2"),
    "archive_version": re.compile(rb"[0-9]{1,4}"),
    "byteorder": re.compile(rb"little"),
    "version": re.compile(rb"[0-9]{1,4}(\.[0-9]{1,4})*\n?"),
    ".data/version": re.compile(rb"[0-9]{1,4}\n?"),
    ".data/serialization_id": re.compile(rb"[0-9]{1,60}"),
    ".format_version": re.compile(rb"[0-9]{1,4}\n?"),
    ".storage_alignment": re.compile(rb"[0-9]{1,6}\n?"),
}
# Before torch 2.8, an archive had no folder, and pickled state dicts.
_OLD_PROGRAM = "serialized_exported_program.json"
_OLD_SAMPLES = "serialized_example_inputs.pt"
_OLD_PICKLED = ("serialized_state_dict.pt", "serialized_constants.pt")
# What torch would ignore or do without.
_LEFT_OUT = re.compile(r"extra/.*|extra_files/.*")
# What it would run.
_RUN = {
    "custom_obj": "objects that are no tensors",
    "opaque_obj": "objects that are no tensors",
    "aotinductor": "compiled code",
    "executorch": "a program for ExecuTorch",
    ".so": "compiled code",
}
# torch's numbers of its types.
_TYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}


# Bytes of one number of each, and of complex and other types that no image has.
_BYTES = {number: one.itemsize for number, one in _TYPES.items()} | {9: 4, 10: 8, 11: 16, 28: 2}


class NotPlainError(ValueError):
    """An archive that holds more than operations and tensors; its text says what."""


def plain_archive(content: bytes) -> bytes:
    """The archive with all that is known and harmless, for torch.export.load.

    Sample inputs are left out, and zeros of their shapes stand in for them; so are files beside the program.
    Raises NotPlainError naming the first thing that could run code or that is not known; ValueError and zipfile's
    errors for a damaged archive.
    """
    members = _members(content)
    old = _OLD_PROGRAM in members
    kept: dict[str, bytes] = {}
    program = None
    lists: dict[str, Payloads] = {}
    for name, body in members.items():
        if name in (_SAMPLES, _OLD_SAMPLES) or _LEFT_OUT.fullmatch(name):
            continue
        if name == (_OLD_PROGRAM if old else _PROGRAM):
            program = _checked(Program, body, name)
            kept[name] = _as_json(program)
        elif name in _CONFIGURATIONS and not old:
            lists[name] = _checked(Payloads, body, name)
            kept[name] = _as_json(lists[name])
        elif name in (_OLD_PICKLED if old else _PICKLED):
            kept[name] = _state_saved_anew(body, name)
        elif (name in _FACTS and _FACTS[name].fullmatch(body)) or (_RAW.fullmatch(name) and not old):
            kept[name] = body
        else:
            raise NotPlainError(_what(name))
    if program is None:
        raise ValueError("no program called model in it")
    for name, payloads in lists.items():
        _refuse_other_sizes(payloads, name, members)
    kept[_OLD_SAMPLES if old else _SAMPLES] = _samples(program)
    return _archive(kept, "" if old else "archive/")


def _members(content: bytes) -> dict[str, bytes]:
    """Each member under its name without the folder that all of them share."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [one.filename for one in archive.infolist()]
        if len(set(names)) < len(names):
            (duplicate, _), *_ = Counter(names).most_common(1)
            raise NotPlainError(f"two members called {duplicate[:80]!r}")
        for one in archive.infolist():
            if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1:
                raise NotPlainError(f"{one.filename[:80]!r} is compressed or encrypted")
        if sum(one.file_size for one in archive.infolist()) > len(content):
            raise NotPlainError("its members overlap: together they are larger than the file")
        root = names[0].split("/")[0] + "/" if names and "/" in names[0] else ""
        if _OLD_PROGRAM in names:
            root = ""
        strange = [name for name in names if not name.startswith(root)]
        if strange:
            raise NotPlainError(f"{strange[0][:80]!r} lies outside {root[:80]!r}")
        return {name.removeprefix(root): archive.read(name) for name in names}


def _what(name: str) -> str:
    kind = next((said for part, said in _RUN.items() if part in name), None)
    return f"{name[:80]!r}: {kind}" if kind else f"{name[:80]!r}, which is no part of a program called model"


def _checked(kind: type[BaseModel], body: bytes, name: str) -> Any:
    try:
        return kind.model_validate(json.loads(body))
    except ValidationError as error:
        raise NotPlainError(f"{name}, {_first_fault(error)}") from error
    except RecursionError as error:
        raise NotPlainError(f"{name}: nested too deep") from error


def _first_fault(error: ValidationError) -> str:
    """Where and what; that something is pickled before all else."""
    faults = error.errors(include_url=False)
    pickled = [fault for fault in faults if fault["loc"] and fault["loc"][-1] == "use_pickle"]
    fault = (pickled or faults)[0]
    said = "a key that is not known" if fault["type"] == "extra_forbidden" else fault["msg"]
    place = ".".join(map(str, fault["loc"][-4:]))
    return f"{place[:120]}: {'it is pickled' if pickled else said.removeprefix('Value error, ')}"


def _refuse_other_sizes(payloads: Payloads, name: str, members: Mapping[str, bytes]) -> None:
    """NotPlainError for numbers that are not all there, in whose place torch may read zeros."""
    folder = name.rpartition("/")[0]
    for payload in payloads.config.values():
        member = f"{folder}/{payload.path_name}"
        found, needed = len(members.get(member, b"")), _bytes_of(payload.tensor_meta, name)
        if found < needed:
            raise NotPlainError(f"{member!r}: {found:,} bytes for a tensor of {needed:,}")


def _bytes_of(meta: TensorMeta, name: str) -> int:
    """Bytes of memory up to the last number of a tensor."""
    sizes, strides, (offset,) = (
        [one.as_int for one in part] for part in (meta.sizes, meta.strides, [meta.storage_offset])
    )
    numbers = [one for one in (*sizes, *strides, offset) if one is not None and one >= 0]
    if len(sizes) != len(strides) or len(numbers) <= 2 * len(sizes):
        raise NotPlainError(f"{name}: a tensor whose place in memory is not given in whole numbers")
    if 0 in sizes:
        return 0
    shape, steps, start = numbers[: len(sizes)], numbers[len(sizes) : -1], numbers[-1]
    last = start + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    return (last + 1) * _BYTES.get(meta.dtype, 1)


def _as_json(part: BaseModel) -> bytes:
    return json.dumps(part.model_dump(exclude_unset=True), allow_nan=False).encode()


def _state_saved_anew(body: bytes, name: str) -> bytes:
    """A pickled state dict, read as weights_only allows, saved again: torch itself would then read it in earnest."""
    if not body:
        return body
    try:
        state: Any = load_torch(body)
    except Exception as error:
        raise NotPlainError(f"{name!r}: pickled objects that are no tensors") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and type(value) in (torch.Tensor, torch.nn.Parameter) for key, value in state.items()
    ):
        raise NotPlainError(f"{name!r}: not a mapping from names to tensors")
    saved = io.BytesIO()
    torch.save(dict(state), saved)
    return saved.getvalue()


def _samples(program: Program) -> bytes:
    """Inputs of the shapes that the program was exported with, for torch to check later ones by; else nothing."""
    entry = next(iter(program.graph_module.module_call_graph), None)
    leaves = _leaves(program)
    if entry is None or entry.signature is None or leaves is None:
        return b""
    inputs = _unflattened(entry.signature, leaves)
    if inputs is None:
        return b""
    saved = io.BytesIO()
    torch.save(inputs, saved)
    return saved.getvalue()


def _leaves(program: Program) -> list[Any] | None:
    shapes, leaves = program.graph_module.graph.tensor_values, []
    for spec in program.graph_module.signature.input_specs:
        if spec.constant_input is not None:
            value = spec.constant_input.value.model_dump(exclude_unset=True)
            leaves.append(None if "as_none" in value else next(iter(value.values())))
        elif spec.user_input is not None:
            tensor = spec.user_input.arg.as_tensor
            if tensor is None or tensor.name not in shapes or shapes[tensor.name].dtype not in _TYPES:
                return None
            leaves.append(_zeros(shapes[tensor.name]))
    return leaves


def _zeros(meta: TensorMeta) -> torch.Tensor:
    """Of any shape in the memory of one number."""
    sizes = [
        size.as_int
        if size.as_int is not None
        else (size.as_expr.hint.as_int if size.as_expr and size.as_expr.hint else None)
        for size in meta.sizes
    ]
    return torch.zeros(1, dtype=_TYPES[meta.dtype]).expand([2 if size is None else size for size in sizes])


def _unflattened(signature: CallSignature, leaves: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """(positional, by name) of a program whose inputs are not nested themselves."""
    _, tree = json.loads(signature.in_spec)
    if tree["type"] != "builtins.tuple" or len(tree["children_spec"]) != 2:
        return None
    positional, named = tree["children_spec"]
    flat = all(child["type"] is None for part in (positional, named) for child in part["children_spec"])
    count = len(positional["children_spec"])
    if not flat or named["type"] != "builtins.dict" or count + len(named["children_spec"]) != len(leaves):
        return None
    return tuple(leaves[:count]), dict(zip(json.loads(named["context"]), leaves[count:], strict=True))


def _archive(members: dict[str, bytes], root: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(root + name), body)
    return written.getvalue()
