"""The state dict in a file of weights, wherever it stands there, read without running anything."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.near_names import near_match
from evalshift.testbed.checkpoint_files import read_content
from evalshift.testbed.state_names import AVERAGES, State, bare_names

_PLACES = ("state_dict", "model", "model_state_dict", "net", "network", "module", "model_state", "weights", "params")
# Averaged weights, as timm, torchvision, DeiT and others call them.
_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "ema_model", "swa_model", "averaged_model")
_NOT_WEIGHTS = ("optim", "lr_sched", "sched", "scaler", "amp", "rng", "grad")
_DEEPEST = 5
_SIMILAR = 0.5  # share of equal shapes from which two places hold the same network


def read_state(path: Path, key: str | None, where: str, averaged_first: bool = False) -> State:
    """The state dict in a file: safetensors, or a torch file read with weights_only, so that nothing in it can run.

    key             where in the file it stands; None looks for the whole file, then for the one place that has it
    averaged_first  as the library has it whose file this is; without, two sets of weights of one network are refused

    Raises ModelError where there is none, where there are two, or where reading it would mean running code.
    """
    content = read_content(path, where)
    if key is not None:
        found = _at_key(content, key, f"{where}, {path}")
        _refuse_unusable(found, path, where)
        return found
    if _is_state(content):
        _refuse_unusable(content, path, where)
        return content
    if _is_optimizer(content):
        raise ModelError(
            "the checkpoint holds the state of an optimizer alone",
            where=f"{where}, {path}",
            found=", ".join(content),
            expected="a state dict: names and tensors of a network",
            fix="name the file that model.state_dict() was saved in",
        )
    places = [place for place in _places(content) if not place[0].startswith(_NOT_WEIGHTS)] or list(_places(content))
    if not any(_has_names(state) for _, state in places):
        raise _no_state(content, None, f"{where}, {path}")
    for _, state in places:
        _refuse_unusable(state, path, where)
    return _the_one(places, averaged_first, f"{where}, {path}")


def _refuse_unusable(state: State, path: Path, where: str) -> None:
    """Raise ModelError for tensors that a network cannot be filled with."""
    for name, tensor in state.items():
        kind = _unusable(tensor)
        if kind is not None:
            raise ModelError(
                "the checkpoint holds a tensor that is not plain",
                where=f"{where}, {path}",
                found=f"{name[:200]}, {kind}",
                expected="dense tensors of numbers",
                fix="save the state dict of the network in float32, on the CPU",
            )


def _unusable(tensor: torch.Tensor) -> str | None:
    if type(tensor) not in (torch.Tensor, nn.Parameter):
        return f"a {type(tensor).__name__}"
    if tensor.is_nested:
        return "a nested tensor"
    if tensor.layout is not torch.strided:
        return f"in the layout {tensor.layout}"
    return "quantized" if tensor.is_quantized else "without numbers (meta)" if tensor.is_meta else None


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(value, torch.Tensor) for value in content.values())
    )


def _has_names(state: State) -> bool:
    """Whether a place has a state dict, or only a list of tensors."""
    return not next(iter(state)).startswith("[")


def _places(
    content: Any, above: str = "", depth: int = 0, seen: set[tuple[int, int]] | None = None
) -> Iterator[tuple[str, State]]:
    """Each state dict, and each list of tensors, in nested mappings and lists, under the first key that names it."""
    seen = set() if seen is None else seen
    if (id(content), depth) in seen:  # a few bytes can refer to one mapping a million times
        return
    seen.add((id(content), depth))
    if _is_state(content) and above:
        yield above, content
    elif isinstance(content, list | tuple) and len(content) > 1 and all(isinstance(x, torch.Tensor) for x in content):
        yield (
            above,
            {f"[{number}]": one for number, one in enumerate(content)},
        )  # averages without names, as torch_ema's
    elif isinstance(content, dict | list | tuple) and depth < _DEEPEST:
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for name, value in items:
            if isinstance(name, str | int) and isinstance(value, dict | list | tuple):
                yield from _places(value, f"{above}.{name}" if above else str(name), depth + 1, seen)


def _at_key(content: Any, key: str, where: str) -> State:
    for found in _under(content, key):
        if _is_state(found):
            return found
    raise _no_state(content, key, where)


def _under(content: Any, key: str) -> Iterator[Any]:
    """What stands under a key: the whole name first, for a name may have dots itself, then part by part."""
    if isinstance(content, list | tuple):
        head, _, rest = key.partition(".")
        if head.isdecimal() and int(head) < len(content):
            yield from _under(content[int(head)], rest) if rest else [content[int(head)]]
        return
    if not isinstance(content, dict):
        return
    if key in content:
        yield content[key]
    parts = key.split(".")
    for length in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:length])
        if head in content:
            yield from _under(content[head], ".".join(parts[length:]))


def _no_state(content: Any, key: str | None, where: str) -> ModelError:
    places = [place for place, state in itertools.islice(_places(content), 20) if _has_names(state)][:6]
    if isinstance(content, dict) and content:
        found = f"keys {', '.join(map(str, list(content)[:6]))}"
    else:
        found = type(content).__name__
    nearest = near_match(key, places) if key else None
    if key is None and _holds_arrays(content):
        return ModelError(
            "the checkpoint holds NumPy arrays instead of tensors",
            where=where,
            found=found,
            expected="a mapping from names to tensors",
            fix="save it as tensors where it comes from: {name: torch.tensor(array) for name, array in state.items()}",
        )
    return ModelError(
        "the checkpoint has no state dict",
        where=where,
        found=found,
        expected=f'a mapping from names to tensors under "{key}"' if key else "a mapping from names to tensors",
        fix=f"write key: {nearest or ', or key: '.join(places)}" if places else "name the place with key:",
    )


def _holds_arrays(content: Any) -> bool:
    """Whether an object, or an object inside of it, has names for arrays: those of NumPy are placeholders here."""
    if not isinstance(content, dict) or not content:
        return False
    plain = torch.Tensor | dict | list | tuple | str | int | float | None
    skipped = sum(not isinstance(value, plain) for value in content.values())
    return (skipped > 1 and skipped > len(content) / 2) or any(map(_holds_arrays, content.values()))


def _is_optimizer(content: Any) -> bool:
    """Whether this is what Optimizer.state_dict gives, alone."""
    return isinstance(content, dict) and "param_groups" in content and set(content) <= {"state", "param_groups"}


def _the_one(places: list[tuple[str, State]], averaged_first: bool, where: str) -> State:
    """The only set of weights among these, or the one in the usual place where no other is of the same network."""
    by_rank = sorted(places, key=lambda place: (not _has_names(place[1]), _rank(place[0])))
    if averaged_first:
        averaged = [place for place in by_rank if place[0].rpartition(".")[2] in _AVERAGED]
        by_rank = averaged[:1] or by_rank
    first, *others = by_rank
    twins = [
        other
        for other in others
        if (_similar(first[1], other[1]) or other[0].rpartition(".")[2] in _AVERAGED) and not _equal(first[1], other[1])
    ]
    if averaged_first or not (twins or (others and _rank(first[0])[0] == len(_PLACES))):
        return first[1]
    listed = twins or others
    raise ModelError(
        "the checkpoint holds more than one set of weights",
        where=where,
        found="; ".join([_described(*first, None), *(_described(*other, first) for other in listed[:4])]),
        expected="the choice of one: averaged weights (EMA, SWA) give other predictions than raw ones",
        fix=f"write {' or '.join(f'key: {place}' for place, state in (first, *listed[:4]) if _has_names(state))}",
    )


def _rank(place: str) -> tuple[int, int]:
    name = place.rpartition(".")[2]
    return (_PLACES.index(name) if name in _PLACES else len(_PLACES), place.count("."))


def _similar(state: State, other: State) -> bool:
    ours, theirs = (Counter(tuple(one.shape) for one in each.values() if one.ndim) for each in (state, other))
    return (ours & theirs).total() >= _SIMILAR * max(ours.total(), theirs.total(), 1)


def _equal(state: State, other: State) -> bool:
    ours, theirs = (bare_names(each) if _has_names(each) else each for each in (state, other))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def _described(place: str, state: State, beside: tuple[str, State] | None) -> str:
    """A place, how much is in it, and by how much it differs from the first."""
    said = f"{place} ({len(state)} tensors{'' if _has_names(state) else ' in a list, without names'}"
    counted = state.get(AVERAGES)
    if counted is not None and counted.numel() == 1:
        said += f", averaged over {int(counted):,} updates"
    if beside is None:
        return f"{said})"
    if not _has_names(state):
        return f"{said})"
    ours, theirs = bare_names(beside[1]), bare_names(state)
    differences = {
        name: _relative(ours[name], theirs[name])
        for name in ours
        if name in theirs and ours[name].shape == theirs[name].shape and ours[name].is_floating_point()
    }
    if not differences:
        return f"{said}, under other names than in {beside[0]})"
    most = max(differences, key=lambda name: differences[name])
    whole = sum(differences.values()) / len(differences)
    return (
        f"{said}; differs from {beside[0]} by {100 * whole:.3g} % of a tensor's norm on average, "
        f"at most {100 * differences[most]:.3g} %, in {most})"
    )


def _relative(one: torch.Tensor, other: torch.Tensor) -> float:
    one, other = one.double(), other.double()
    return float((one - other).norm() / max(float(one.norm()), 1e-12))
