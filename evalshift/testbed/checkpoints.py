"""Checkpoints: state dicts out of files, without running anything in them, into networks that they fit exactly."""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from evalshift.errors import ModelError, did_you_mean
from evalshift.near_names import near_match
from evalshift.testbed.checkpoint_files import read_content
from evalshift.testbed.model_entry import OwnWeights, StateDictFile, Weighted, WeightsPart
from evalshift.testbed.weights import Weights, read_index

Named = TypeVar("Named")
State = dict[str, torch.Tensor]
_WRAPPERS = ("module.", "_orig_mod.")
# What torch.compile, FSDP and activation checkpointing put into names, wherever the part that they wrap stands.
_INNER = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_AVERAGES = "n_averaged"
_COUNTER = "num_batches_tracked"
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
    return ModelError(
        "the checkpoint has no state dict",
        where=where,
        found=found,
        expected=f'a mapping from names to tensors under "{key}"' if key else "a mapping from names to tensors",
        fix=f"write key: {nearest or ', or key: '.join(places)}" if places else "name the place with key:",
    )


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
    counted = state.get(_AVERAGES)
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


def bare_names(state: State) -> State:
    """A copy without what wrappers put before each name, and without the counter of torch's AveragedModel."""
    bare = dict(state)
    strip_wrappers(bare, ())
    return bare


def strip_wrappers(state: State, own: Collection[str]) -> None:
    """Give names as the bare network has them: wrappers for several GPUs, compilation and averages put theirs before.

    own   the network's names, if known; where they carry the prefix themselves, it is left
    """
    _forget_count(state, own)
    _without_inner(state, own)
    while prefix := next((one for one in _WRAPPERS if all(name.startswith(one) for name in state)), None):
        if own and all(name.startswith(prefix) for name in own):
            return
        consume_prefix_in_state_dict_if_present(state, prefix)


def _without_inner(state: State, own: Collection[str]) -> None:
    """Rename what parts were wrapped in, in place and in order, unless the network has such names itself."""
    names = {name: _INNER.sub("", name) for name in state}
    if len(set(names.values())) < len(names) or any(_INNER.search(name) for name in own):
        return
    if any(name != bare for name, bare in names.items()):
        tensors = list(state.items())
        state.clear()
        state.update((names[name], tensor) for name, tensor in tensors)


def _forget_count(state: State, own: Collection[str]) -> None:
    """Drop how many updates torch.optim.swa_utils.AveragedModel took; it calls the network itself module."""
    others = [name for name in state if name != _AVERAGES]
    if len(others) == len(state) or _AVERAGES in own:
        return
    if others and all(name.startswith(_WRAPPERS) for name in others):
        del state[_AVERAGES]


def rename_beginnings(state: Mapping[str, Named], rename: Mapping[str, str]) -> dict[str, Named]:
    """The same tensors, names that begin with a key of `rename` beginning with its value instead; the longest decides.

    >>> list(rename_beginnings({"head.fc.bias": torch.zeros(1)}, {"head.": "", "head.fc": "classifier"}))
    ['classifier.bias']
    """

    def renamed(name: str) -> str:
        begins = max((key for key in rename if name.startswith(key)), key=len, default=None)
        return name if begins is None else rename[begins] + name[len(begins) :]

    return {renamed(name): tensor for name, tensor in state.items()}


def prepared(state: State, reading: StateDictFile, own: Collection[str], where: str) -> tuple[State, tuple[str, ...]]:
    """The tensors under the network's names, and the names of those that the entry leaves out.

    Names are matched as the file has them, then without wrappers. Raises ModelError for a pattern that leaves out
    nothing, and for two tensors that would get one name.
    """
    state, left_out = _without_ignored(state, reading.ignore, where)
    named = {begins: instead for begins, instead in reading.rename.items() if begins}
    if any(name.startswith(begins) for name in state for begins in named):
        _forget_count(state, own)
        renamed = _renamed(state, named, where)
        strip_wrappers(renamed, own)
        return renamed, left_out
    strip_wrappers(state, own)
    return (_renamed(state, reading.rename, where) if reading.rename else state), left_out


def _renamed(state: State, rename: Mapping[str, str], where: str) -> State:
    renamed = rename_beginnings(state, rename)
    if len(renamed) < len(state):
        names = Counter(name for one in state for name in rename_beginnings({one: None}, rename))
        raise ModelError(
            "rename gives two tensors the same name",
            where=where,
            found=next(name for name, count in names.items() if count > 1),
            fix="leave the others out with ignore:, or rename by a longer beginning",
        )
    return renamed


def _without_ignored(state: State, patterns: tuple[str, ...], where: str) -> tuple[State, tuple[str, ...]]:
    if not patterns:
        return state, ()
    bare = {name: name for name in state}
    stripped: Any = dict(state)
    strip_wrappers(stripped, ())
    if len(stripped) == len(state):
        bare = dict(zip(state, stripped, strict=True))
    for pattern in patterns:
        if not any(_matches(pattern, name, bare[name]) for name in state):
            raise ModelError(
                f'ignore leaves out nothing by "{pattern}"',
                where=where,
                found=f"{', '.join(list(state)[:3])}{', …' if len(state) > 3 else ''}",
                expected="the name of a tensor in the file, with * for any text, such as criterion.*",
                fix=did_you_mean(pattern, state),
            )
    left_out = tuple(name for name in state if any(_matches(one, name, bare[name]) for one in patterns))
    kept = state.copy()
    for name in left_out:
        del kept[name]
    return kept, left_out


def _matches(pattern: str, *names: str) -> bool:
    return any(fnmatchcase(name, pattern) or (pattern.endswith(".") and name.startswith(pattern)) for name in names)


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
    for name in own:  # batch counters came with PyTorch 0.4.1 and steer training alone
        if name.endswith(_COUNTER):
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


def misfit(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str:
    """What of a checkpoint is missing, surplus, or of another shape than in a network, in words; "" where it fits."""
    missing = [name for name in own if name not in state]
    surplus = [name for name in state if name not in own]
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for kind, names in (("missing", missing), ("not in the network", surplus), ("of another shape", reshaped))
        if names
    )


def does_not_fit(
    state: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    network: str,
    where: str,
    fix: str | None = None,
) -> ModelError:
    """The error for a checkpoint of another network, with the rename or ignore that would make it fit."""
    return ModelError(
        "the checkpoint does not fit the network",
        where=where,
        found=misfit(state, own),
        expected=f"the {len(own)} tensors of {network}",
        fix=_advice(state, own) or fix or "check builder: and arguments: (depth, width, number of classes), or key:",
    )


def _advice(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> str | None:
    """The rename and ignore with which a checkpoint fits, where a change of beginnings alone does it; else None.

    Where the file holds the network several times (raw and averaged, student and teacher), all of them are named.
    """
    ways = list(itertools.islice(_ways_to_fit(state, own), 4))
    if not ways:
        return None
    if len(ways) == 1:
        return f"write {ways[0]}, with which all names and shapes fit"
    return (
        f"the file holds this network {len(ways)} times, such as raw and averaged, which give other predictions: "
        f"choose with {', or '.join(ways)}"
    )


def _ways_to_fit(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> Iterator[str]:
    """Each rename and ignore that make a checkpoint fit, of ways that take the same tensors only the first."""
    found, wanted = (_shapes_without_counters(tensors) for tensors in (state, own))
    if not found or not wanted:
        return
    taken: set[str] = set()
    for rename in _renames(found, wanted):
        renamed = rename_beginnings(found, rename)
        kept = {name: shape for name, shape in renamed.items() if name in wanted}
        if kept != wanted or len(renamed) < len(found):
            continue
        surplus = [name for name in found if next(iter(rename_beginnings({name: 0}, rename))) not in wanted]
        used = frozenset(found) - set(surplus)
        if words := _words_of(rename, surplus, found):
            if used & taken:
                continue
            taken |= used
            yield words


def _words_of(rename: Mapping[str, str], surplus: list[str], found: Collection[str]) -> str:
    words = []
    if any(begins != instead for begins, instead in rename.items()):
        pairs = (f"{begins or _EMPTY}: {instead or _EMPTY}" for begins, instead in rename.items())
        words.append(f"rename: {{{', '.join(pairs)}}}")
    if surplus:
        words.append(f"ignore: [{', '.join(_patterns(surplus, found))}]")
    return " and ".join(words)


_EMPTY = '""'


def _renames(found: Mapping[str, torch.Size], wanted: Mapping[str, torch.Size]) -> Iterator[dict[str, str]]:
    """Possible changes of prefixes: none, one for all, and each first part of a name left out."""
    yield {}
    first = max(wanted, key=len)
    tried = set()
    for name in found:
        if found[name] != wanted[first] or name.rpartition(".")[2] != first.rpartition(".")[2]:
            continue
        ours, theirs = name.split("."), first.split(".")
        same = 0
        while same < min(len(ours), len(theirs)) and ours[-1 - same] == theirs[-1 - same]:
            same += 1
        there, here = (".".join([*parts[: len(parts) - same], ""]) for parts in (ours, theirs))
        if (there, here) not in tried and (here == "" or all(one.startswith(here) for one in wanted)):
            tried.add((there, here))
            yield {there: here}
    firsts = dict.fromkeys(name[: name.find(".") + 1] for name in found)
    if 1 < len(firsts) <= 8 and "" not in firsts:
        yield dict.fromkeys(firsts, "")


def _patterns(surplus: list[str], found: Collection[str]) -> list[str]:
    """Few patterns that match these names and no others."""
    patterns, left = [], list(surplus)
    others = [name for name in found if name not in set(surplus)]
    while left:
        name = left[0]
        options = ["*" + name.rpartition(".")[2], name.partition(".")[0] + ".*", name]
        pattern = next(one for one in options if one == name or not any(fnmatchcase(other, one) for other in others))
        matched = [one for one in left if fnmatchcase(one, pattern)]
        if len(matched) == 1:
            pattern, matched = name, [name]
        patterns.append(f'"{pattern}"' if pattern.startswith("*") else pattern)
        left = [one for one in left if one not in matched]
    return patterns


def _shapes_without_counters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items() if not name.endswith(_COUNTER)}
