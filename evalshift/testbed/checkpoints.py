"""Checkpoints: state dicts out of files, without running anything in them, into networks that they fit exactly."""

import argparse
import itertools
import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from evalshift.errors import ModelError, first_line
from evalshift.testbed.transfer import web_page

# Training scripts (timm, DeiT, MAE) keep their options beside the weights; a Namespace holds values and runs nothing.
torch.serialization.add_safe_globals([argparse.Namespace])

Named = TypeVar("Named")
_COUNTER = "num_batches_tracked"
# Averaged weights come first: where they were kept, they are what was measured and published.
_PLACES = ("state_dict_ema", "state_dict", "model", "model_state_dict", "net")


def read_state(path: Path, key: str | None, where: str) -> dict[str, torch.Tensor]:
    """The state dict in a file: .safetensors, or a torch file read with weights_only, so that nothing in it can run.

    key   where in the file it stands; None looks for the whole file, then for the usual places
    Raises ModelError where there is none, or where reading it would mean running code.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for damaged files
        raise ModelError(
            "the checkpoint cannot be read",
            where=f"{where}, {path}",
            found=_what_it_is(path, error),
            expected="a state dict: .safetensors, or a torch file that holds tensors only",
            remedy="download it again; or load it where it comes from, and save model.state_dict() with safetensors",
        ) from error
    state = _state_in(content, key)
    if state is None:
        raise ModelError(
            "there is no state dict in the checkpoint",
            where=f"{where}, {path}",
            found=f"keys {', '.join(map(str, list(content)[:6]))}"
            if isinstance(content, dict) and content
            else type(content).__name__,
            expected=f'a mapping from names to tensors under "{key}"' if key else "a mapping from names to tensors",
            remedy="name the place with key:",
        )
    return state


def _what_it_is(path: Path, error: Exception) -> str:
    """Why a file could not be read, without torch's advice to run what is in it."""
    if isinstance(error, OSError):
        return first_line(error)
    with path.open("rb") as stream:
        beginning = stream.read(1 << 12)
    if not beginning:
        return "an empty file"
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked:
        return f"it asks for {asked.group(1)}, which tensors do not need"
    other = "a pickle of something else" if isinstance(error, pickle.UnpicklingError) else first_line(error)
    return web_page(beginning) or other


def _state_in(content: Any, key: str | None) -> dict[str, torch.Tensor] | None:
    places = [content.get(key)] if key and isinstance(content, dict) else [content]
    if key is None and isinstance(content, dict):
        places += [content.get(name) for name in _PLACES]
    for state in places:
        if isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
    return None


def strip_wrappers(state: dict[str, torch.Tensor], own: Collection[str]) -> None:
    """Give names as the bare network has them: wrappers for several GPUs and for compilation put theirs before each.

    own   the network's names, if known; where they carry the prefix themselves, it is left
    """
    wrappers = ("module.", "_orig_mod.")
    while prefix := next((one for one in wrappers if all(name.startswith(one) for name in state)), None):
        if own and all(name.startswith(prefix) for name in own):
            return
        consume_prefix_in_state_dict_if_present(state, prefix)


def rename_beginnings(state: Mapping[str, Named], rename: Mapping[str, str]) -> dict[str, Named]:
    """The same tensors, names that begin with a key of `rename` beginning with its value instead; the longest decides.

    >>> list(rename_beginnings({"head.fc.bias": torch.zeros(1)}, {"head.": "", "head.fc": "classifier"}))
    ['classifier.bias']
    """

    def renamed(name: str) -> str:
        begins = max((key for key in rename if name.startswith(key)), key=len, default=None)
        return name if begins is None else rename[begins] + name[len(begins) :]

    return {renamed(name): tensor for name, tensor in state.items()}


def load_state(
    module: nn.Module, path: Path, key: str | None, where: str, rename: Mapping[str, str] | None = None
) -> None:
    """Fill a network from a checkpoint. ModelError lists the names and shapes that differ; none is let pass."""
    state = read_state(path, key, where)
    own = module.state_dict()
    strip_wrappers(state, own)
    state = rename_beginnings(state, rename or {})
    for name in own:  # batch counters came with PyTorch 0.4.1 and steer training alone
        if name.endswith(_COUNTER):
            state.setdefault(name, own[name])
    missing = [name for name in own if name not in state]
    surplus = [name for name in state if name not in own]
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    differences = [
        f"{len(names)} {kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for kind, names in (("missing", missing), ("not in the network", surplus), ("of another shape", reshaped))
        if names
    ]
    if differences:
        raise ModelError(
            "the checkpoint does not fit the network",
            where=f"{where}, {path}",
            found="; ".join(differences),
            expected=f"the {len(own)} tensors of {type(module).__name__}",
            remedy=_rename_that_fits(state, own)
            or "check builder: and arguments: (depth, width, number of classes), or key:",
        )
    module.load_state_dict(state, strict=True)


def _rename_that_fits(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str | None:
    """The advice to rename the first part of all names, where that alone makes a checkpoint fit; else None."""
    (found, wanted), empty = (_shapes_without_counters(tensors) for tensors in (state, own)), '""'
    beginnings = [{"", *(name[: name.find(".") + 1] for name in names)} for names in (found, wanted)]
    for there, here in itertools.product(*map(sorted, beginnings)):
        if rename_beginnings(found, {there: here}) == wanted:
            return f"write rename: {{{there or empty}: {here or empty}}}, with which all names and shapes fit"
    return None


def _shapes_without_counters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items() if not name.endswith(_COUNTER)}
