"""Entry points of GitHub repositories, pinned to a commit, through torch.hub."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.testbed.checkpoints import load_weights
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.data_access import refuse_offline
from evalshift.testbed.library_model_entries import HubModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import imports_of
from evalshift.testbed.weights import find_weights


def build(entry: HubModel, space: ClassSpace, where: str) -> Built:
    """The network of that entry point, with the weights of the entry where it names some."""
    weights = find_weights(entry) if entry.has_own_weights else None
    built = bare(entry, space, where)
    left_out = ()
    if weights is not None and isinstance(built.module, nn.Module):
        left_out = load_weights(built.module, entry, weights, where)
    return Built(built.module, sha256=weights.sha256 if weights else None, left_out=left_out)


def bare(entry: HubModel, space: ClassSpace, where: str) -> Built:
    """What the entry point returns."""
    return Built(_call(entry))


def _call(entry: HubModel) -> Any:
    if entry.path is not None:
        with imports_of(entry.path):
            return torch.hub.load(str(entry.path), entry.entry, source="local", **entry.arguments)
    if not _checkout(entry).is_dir():
        refuse_offline(f"the code of {entry.repository}", _checkout(entry))
    with imports_of(Path(torch.hub.get_dir())):
        repository = f"{entry.repository}:{entry.commit}"
        return torch.hub.load(repository, entry.entry, **_PINNED, verbose=False, **entry.arguments)


# torch.hub can only validate the heads of branches; a full commit id is validated by itself.
_PINNED: dict[str, Any] = {"trust_repo": True, "skip_validation": True}


def fetch(entry: HubModel, where: str) -> list[Path]:
    """Download the code of the repository at its commit, and what that downloads itself where it brings the weights."""
    if not entry.has_own_weights:
        _call(entry)
    elif entry.path is None:
        with imports_of(Path(torch.hub.get_dir())):
            torch.hub.list(f"{entry.repository}:{entry.commit}", **_PINNED, verbose=False)
    return [] if entry.path is not None else [_checkout(entry)]


def _checkout(entry: HubModel) -> Path:
    """Where torch.hub keeps the code."""
    return Path(torch.hub.get_dir()) / f"{entry.repository.replace('/', '_')}_{entry.commit}"
