"""Names of tensors: as files and as networks have them, what wrappers add, and what entries rename or ignore."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import torch
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from evalshift.errors import ModelError, did_you_mean
from evalshift.testbed.model_entry import StateDictFile

Named = TypeVar("Named")
State = dict[str, torch.Tensor]
_WRAPPERS = ("module.", "_orig_mod.")
# What torch.compile, FSDP and activation checkpointing put into names, wherever the part that they wrap stands.
_INNER = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# The counter of torch.optim.swa_utils.AveragedModel.
AVERAGES = "n_averaged"


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
    others = [name for name in state if name != AVERAGES]
    if len(others) == len(state) or AVERAGES in own:
        return
    if others and all(name.startswith(_WRAPPERS) for name in others):
        del state[AVERAGES]


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
