"""Programs that torch.export wrote (.pt2). They carry their own graph: no code of the network is needed."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError, first_line
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entries import ExportedModel
from evalshift.testbed.models.batches import InBatchesOf
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.weights import find_weights

# Operations that do something else in training -> which argument says so.
_TRAINING = {"aten.batch_norm.default": 5, "aten.dropout.default": 2, "aten.dropout_.default": 2}


def build(entry: ExportedModel, space: ClassSpace, where: str) -> Built:
    """The program as a network that torch can call."""
    weights = find_weights(entry)
    program = _load(weights.path, where)
    _refuse_training(program, f"{where}, {weights.path}")
    module: nn.Module = ExportedNetwork(program.module())
    size = _fixed_batch(program)
    return Built(InBatchesOf(module, size) if size is not None else module, None, weights.sha256, {})


bare = build


class ExportedNetwork(nn.Module):
    """The module of an exported program, which is what it is: torch refuses to put it into eval mode."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def train(self, mode: bool = True) -> "ExportedNetwork":
        self.training = mode
        return self

    def forward(self, x: torch.Tensor) -> Any:
        return self.module(x)


def _load(path: Path, where: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = [name for name in archive.namelist() if "custom_obj" in name]
        if not pickled:
            return torch.export.load(path)
    except Exception as error:  # torch raises what it likes for damaged files
        raise ModelError(
            "the exported program cannot be read",
            where=f"{where}, {path}",
            found=first_line(error),
            expected="a .pt2 file that torch.export.save wrote",
            remedy="a file of an older torch must be exported again",
        ) from error
    raise ModelError(
        "the exported program carries objects that are no tensors",
        where=f"{where}, {path}",
        found=", ".join(pickled[:3]),
        expected="operations and tensors: nothing is unpickled",
    )


def _refuse_training(program: Any, where: str) -> None:
    """A network exported in training mode answers for an image by what else is in the batch, or by chance."""
    for node in program.graph.nodes:
        place = _TRAINING.get(str(node.target))
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise ModelError(
                "the network was exported in training mode",
                where=where,
                found=f"{node.target} that trains",
                expected="a network in eval mode",
                remedy="call module.eval() before torch.export.export",
            )


def _fixed_batch(program: Any) -> int | None:
    """How many images the program takes at once; None when it takes any number."""
    inputs = set(program.graph_signature.user_inputs)
    shapes = [
        node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
    ]
    size = shapes[0][0] if len(shapes) == 1 and len(shapes[0]) else None
    return size if isinstance(size, int) else None
