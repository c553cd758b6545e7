"""Whether a checkpoint fits a network, and the rename and ignore with which it would."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

import torch

from evalshift.errors import ModelError
from evalshift.testbed.state_names import rename_beginnings

# Of batch normalisation: came with PyTorch 0.4.1 and steers training alone.
COUNTER = "num_batches_tracked"


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
    return {name: tensor.shape for name, tensor in state.items() if not name.endswith(COUNTER)}
