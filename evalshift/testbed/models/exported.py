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
from evalshift.testbed.models.exported_guards import guard
from evalshift.testbed.own_model_entries import ExportedModel
from evalshift.testbed.weights import Weights, find_weights, verified_content

# Arguments by which operations do something else in training, and None is as good as True.
_TRAINING = ("train", "training")
# Statistics of a batch that is one image: what instance normalization is taken apart to.
_OF_ONE_IMAGE = ("_native_batch_norm_legit.no_stats",)


def build(entry: ExportedModel, space: ClassSpace, where: str) -> Built:
    """The program as a network that torch can call."""
    weights = find_weights(entry)
    program = _load(weights, where)
    _refuse_training(program, f"{where}, {weights.path}")
    constants, named = _constants(program, f"{where}, {weights.path}")
    module: nn.Module = ExportedNetwork(program.module(), constants, named)
    guard(module, f"{where}, {weights.path}")
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
    for part in program.graph_module.modules():  # such as one without gradients, beside the whole
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            fault = _what_trains(node) if isinstance(node.target, torch._ops.OpOverload) else None
            if fault is not None:
                raise ModelError(
                    "the network was exported in training mode",
                    where=where,
                    found=f"{node.target} that {fault}",
                    expected="a network in eval mode",
                    fix="call module.eval() before torch.export.export",
                )


def _what_trains(node: torch.fx.Node) -> str | None:
    """What an operation does that depends on other images, or on chance; None for all others."""
    target: Any = node.target
    arguments = target._schema.arguments
    given = {one.name: one.default_value for one in arguments if one.has_default_value()}
    given |= dict(zip((one.name for one in arguments), node.args, strict=False)) | node.kwargs
    modes = [given[name] for name in _TRAINING if name in given]
    if any(mode in (True, None) for mode in modes) and not str(target).endswith(_OF_ONE_IMAGE):
        return "trains"
    if isinstance(chance := given.get("dropout_p", 0.0), int | float) and chance > 0:
        return "trains"
    seeded = torch.Tag.nondeterministic_seeded in target.tags
    return "draws random numbers" if seeded and not modes and "dropout_p" not in given else None


def _fixed_batch(program: Any) -> int | None:
    """How many images the program takes at once; None when it takes any number."""
    inputs = set(program.graph_signature.user_inputs)
    shapes = [
        node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
    ]
    size = shapes[0][0] if len(shapes) == 1 and len(shapes[0]) else None
    return size if isinstance(size, int) else None
