"""Programs that torch.export wrote (.pt2). They carry their own graph: no code of the network is needed."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.file_faults import file_fault
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.batches import InBatchesOf
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.exported_archive import NotPlainError, plain_archive
from evalshift.testbed.own_model_entries import ExportedModel
from evalshift.testbed.weights import Weights, find_weights, verified_content

# Operations that do something else in training -> which argument says so.
_TRAINING = {"aten.batch_norm.default": 5, "aten.dropout.default": 2, "aten.dropout_.default": 2}


def build(entry: ExportedModel, space: ClassSpace, where: str) -> Built:
    """The program as a network that torch can call."""
    weights = find_weights(entry)
    program = _load(weights, where)
    _refuse_training(program, f"{where}, {weights.path}")
    constants, named = _constants(program, f"{where}, {weights.path}")
    module: nn.Module = ExportedNetwork(program.module(), constants, named)
    size = _fixed_batch(program)
    return Built(InBatchesOf(module, size) if size is not None else module, None, weights.sha256, {})


bare = build


class ExportedNetwork(nn.Module):
    """The module of an exported program, which is what it is: torch refuses to put it into eval mode.

    constants, named  what the program was exported with beside images, such as None for a mask
    """

    def __init__(self, module: nn.Module, constants: tuple[Any, ...] = (), named: Mapping[str, Any] | None = None):
        super().__init__()
        self.module = module
        self.constants = constants
        self.named = dict(named or {})

    def train(self, mode: bool = True) -> "ExportedNetwork":
        self.training = mode
        return self

    def forward(self, x: torch.Tensor) -> Any:
        return self.module(x, *self.constants, **self.named)


def _load(weights: Weights, where: str) -> Any:
    """The program, out of the bytes that were hashed: what is checked is what torch reads."""
    try:
        content = verified_content(weights, where)
        archive = plain_archive(content)
        del content
        with quiet("torch.export", "torch._export"):
            return torch.export.load(io.BytesIO(archive))
    except NotPlainError as error:
        raise ModelError(
            "the exported program holds more than operations and tensors",
            where=f"{where}, {weights.path}",
            found=error,
            expected="what torch.export.save writes of a network: nothing is unpickled, evaluated or imported",
            fix="export the network again, without objects, compiled code or operations of its own",
        ) from error
    except ModelError:
        raise
    except Exception as error:  # torch raises what it likes for damaged files
        raise ModelError(
            "the exported program cannot be read",
            where=f"{where}, {weights.path}",
            found=file_fault(error),
            expected="a .pt2 file that torch.export.save wrote",
            fix="a file of an older torch must be exported again",
        ) from error


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Silence these loggers: evalshift reports files that cannot be read itself."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _constants(program: Any, where: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the program takes after its images, all of which must be constants."""
    positional, named = program.example_inputs or ((), {})
    tensors = [one for one in (*positional[1:], *named.values()) if isinstance(one, torch.Tensor)]
    if tensors:
        raise ModelError(
            "the program does not take images alone",
            where=where,
            found=f"{', '.join(program.graph_signature.user_inputs)}",
            expected="one input that is a tensor, by position",
        )
    return tuple(positional[1:]), named


def _refuse_training(program: Any, where: str) -> None:
    """A network exported in training mode predicts by what else is in the batch, or at random."""
    for node in program.graph.nodes:
        place = _TRAINING.get(str(node.target))
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise ModelError(
                "the network was exported in training mode",
                where=where,
                found=f"{node.target} that trains",
                expected="a network in eval mode",
                fix="call module.eval() before torch.export.export",
            )


def _fixed_batch(program: Any) -> int | None:
    """How many images the program takes at once; None when it takes any number."""
    inputs = set(program.graph_signature.user_inputs)
    shapes = [
        node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
    ]
    size = shapes[0][0] if len(shapes) == 1 and len(shapes[0]) else None
    return size if isinstance(size, int) else None
