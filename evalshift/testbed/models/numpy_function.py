"""Functions from arrays to scores: models that are no networks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entries import NumpyModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import find_function


def build(entry: NumpyModel, space: ClassSpace, where: str) -> Built:
    """The function as a network that torch can call."""
    return Built(NumpyFunction(partial(find_function(entry.function, where), **entry.arguments), where))


bare = build


class NumpyFunction(nn.Module):
    """float32 images (n, h, w, c), preprocessed, to scores (n, d), for torch: float (n, c, h, w) in, (n, d) out."""

    def __init__(self, function: Callable[[np.ndarray], Any], where: str) -> None:
        super().__init__()
        self.function = function
        self.where = where

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = np.asarray(self.function(x.permute(0, 2, 3, 1).contiguous().cpu().numpy()))
        if scores.ndim != 2 or len(scores) != len(x) or scores.dtype.kind not in "fiu":
            raise ModelError(
                "the function does not give scores",
                where=self.where,
                found=f"{scores.dtype}, shape {scores.shape}",
                expected=f"numbers, shape ({len(x)}, classes): higher is likelier",
            )
        return torch.from_numpy(np.array(scores, dtype=np.float32)).to(x.device)
