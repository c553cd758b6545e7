"""Outputs that are the classes, out of a network that has others too or has them in another order."""

from typing import Any, no_type_check

import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entries import Logits


class ChosenOutputs(nn.Module):
    """A network's outputs `chosen`, in that order: float (n, c, h, w) in, logits (n, chosen) out.

    outputs   how many the network has in all; None where that does not matter
    """

    def __init__(self, module: nn.Module, chosen: list[int], outputs: int | None) -> None:
        super().__init__()
        self.module = module
        self.outputs = outputs
        self.chosen: torch.Tensor
        self.register_buffer("chosen", torch.tensor(chosen), persistent=False)

    # Types are not checked, also while tests run: tracing a network sends stand-ins for tensors through it.
    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: Any = self.module(x)
        if not hasattr(logits, "index_select"):  # Hugging Face wraps them
            logits = logits.logits
        if self.outputs is not None:
            torch._assert(logits.shape[1] == self.outputs, f"logits.drop is for a network with {self.outputs} outputs")
        return logits.index_select(1, self.chosen)


def choose_outputs(module: nn.Module, logits: Logits, space: ClassSpace, where: str) -> ChosenOutputs:
    """The network with the outputs that an entry's `logits` names; ModelError where they cannot be the classes."""
    if logits.subset:
        if len(logits.subset) != len(space):
            raise ModelError(
                "logits.subset does not name an output for each class",
                where=where,
                found=f"{len(logits.subset):,} outputs",
                expected=f"{len(space):,}, one a class of {space.name}, in its order",
            )
        return ChosenOutputs(module, list(logits.subset), None)
    outputs = len(space) + len(logits.drop)
    if max(logits.drop) >= outputs:
        raise ModelError(
            "logits.drop names an output that is not there",
            where=where,
            found=max(logits.drop),
            expected=f"0 to {outputs - 1:,}: {len(space):,} classes of {space.name} and {len(logits.drop)} to drop",
        )
    return ChosenOutputs(module, [output for output in range(outputs) if output not in logits.drop], outputs)
