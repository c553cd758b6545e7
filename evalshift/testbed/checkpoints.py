"""Checkpoints: the weights of an entry, in one or several files, into networks that they fit exactly."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.checkpoint_fit import COUNTER, does_not_fit, misfit
from evalshift.testbed.model_entry import OwnWeights, StateDictFile, Weighted, WeightsPart
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.state_names import State, prepared
from evalshift.testbed.weights import Weights, read_index


def read_shards(index: Path, shards: Mapping[str, Path], where: str) -> State:
    """The tensors of several files as one state dict, each out of the file that the index says.

    shards  the name of each file in the index -> where it lies
    """
    wanted, found = read_index(index), {}
    for name, path in shards.items():
        for tensor, value in read_state(path, None, where).items():
            if wanted.get(tensor) != name:
                raise ModelError(
                    "a file of the weights does not hold what the index says",
                    where=f"{where}, {path}",
                    found=tensor,
                    expected=f"{sum(file == name for file in wanted.values())} tensors that {index.name} names",
                )
            found[tensor] = value
    missing = [tensor for tensor in wanted if tensor not in found]
    if missing:
        raise ModelError(
            "a file of the weights does not hold what the index says",
            where=f"{where}, {shards[wanted[missing[0]]]}",
            found=f"{len(missing)} missing: {', '.join(missing[:3])}",
            expected=f"all {len(wanted)} tensors that {index.name} names",
        )
    return found


def read_weights(
    entry: Weighted, weights: Weights, own: Collection[str], where: str, averaged_first: bool = False
) -> tuple[State, tuple[str, ...]]:
    """The tensors of an entry's weights under the network's names, and the names of those that it leaves out.

    own  the network's names, if known; for the rest see read_state and prepared
    """
    if entry.separate_parts:
        return _of_parts(entry.separate_parts, weights.parts, where)
    reading = entry.reading
    if weights.shards:
        state = read_shards(weights.path, weights.shards, where)
    else:
        state = read_state(weights.path, reading.key, where, averaged_first)
    weights.refuse_changed(where)
    return prepared(state, reading, own, f"{where}, {weights.path}")


def _of_parts(
    entries: tuple[WeightsPart, ...], parts: tuple[Weights, ...], where: str
) -> tuple[State, tuple[str, ...]]:
    whole: State = {}
    left_out: tuple[str, ...] = ()
    for entry, part in zip(entries, parts, strict=True):
        state, ignored = read_weights(entry, part, (), where)
        duplicates = [name for name in state if name in whole]
        if duplicates:
            raise ModelError(
                "two parts of the weights hold the same tensor",
                where=f"{where}, {part.path}",
                found=f"{len(duplicates)}, such as {duplicates[0]}",
                expected="each tensor in one part",
                fix='leave it out of one with ignore:, or rename one: {weights: head.pth, rename: {"": head.}}',
            )
        whole |= state
        left_out += ignored
    return whole, left_out


def load_weights(module: nn.Module, entry: OwnWeights, weights: Weights, where: str) -> tuple[str, ...]:
    """Fill a network with an entry's weights; gives the names of the tensors that the entry leaves out.

    Raises ModelError where the rest is not exactly the network's.
    """
    state, left_out = read_weights(entry, weights, module.state_dict(), where)  # pyright: ignore[reportArgumentType]
    fill(module, state, f"{where}, {', '.join(str(one.path) for one in weights.parts or (weights,))}", _several(entry))
    return left_out


def _several(entry: OwnWeights) -> str | None:
    """What to do where a file holds a part of a network only; None where nothing says that there are others."""
    there = [place for place in entry.weights_files() if Path(place).is_file()]
    if len(there) > 1:
        names = ", ".join(Path(place).name for place in there)
        return (
            f"weights are copies of one file, and the first is read; if these belong together, write parts: [{names}]"
        )
    if there and re.search(r"-[0-9]{5}-of-[0-9]{5}", there[0]):
        return "this is one of several files: give their index (*.index.json) as weights, or list them as parts:"
    return None


def load_state(
    module: nn.Module, path: Path, key: str | None, where: str, rename: Mapping[str, str] | None = None
) -> None:
    """Fill a network from a checkpoint. ModelError lists the names and shapes that differ; none is let pass."""
    reading = StateDictFile(key=key, rename=dict(rename or {}))
    state, _ = prepared(read_state(path, key, where), reading, module.state_dict(), f"{where}, {path}")
    fill(module, state, f"{where}, {path}")


def fill(module: nn.Module, state: State, where: str, fix: str | None = None) -> None:
    """Fill a network with these tensors, which must be its own by name and shape; ModelError lists what differs."""
    own = module.state_dict()
    for name in own:
        if name.endswith(COUNTER):
            state.setdefault(name, own[name])
    differences = misfit(state, own)
    if differences:
        raise does_not_fit(state, own, type(module).__name__, where, fix)
    _refuse_whole_numbers(state, own, where)
    module.load_state_dict(state, strict=True)


def _refuse_whole_numbers(state: State, own: State, where: str) -> None:
    """Raise ModelError for integers instead of floating-point weights: manually quantized weights lack their scales."""
    whole = [
        name
        for name, tensor in state.items()
        if own[name].is_floating_point() and not (tensor.is_floating_point() or tensor.is_complex()) and tensor.ndim
    ]
    if whole:
        raise ModelError(
            "the checkpoint has whole numbers for weights",
            where=where,
            found=f"{len(whole)}: {', '.join(f'{name} ({_dtype(state[name])})' for name in whole[:3])}",
            expected=f"fractions, such as {_dtype(own[whole[0]])}",
            fix="quantized weights need their scales: save those of the network before it was quantized, or the whole "
            "program with source: onnx or torchscript",
        )


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
