"""Functions from arrays to scores: models that are no networks."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import find_function
from evalshift.testbed.own_model_entries import NumpyModel


def build(entry: NumpyModel, space: ClassSpace, where: str) -> Built:
    """The function as a network that torch can call."""
    return Built(NumpyFunction(partial(find_function(entry.function, where), **entry.arguments), where))


bare = build


class NumpyFunction(nn.Module):
    """float32 images (n, h, w, c), preprocessed, to scores (n, d), for torch: float (n, c, h, w) in, (n, d) out.

    A tuple or a dict of arrays becomes one of tensors.
    """

    def __init__(self, function: Callable[[np.ndarray], Any], where: str) -> None:
        super().__init__()
        self.function = function
        self.where = where

    def forward(self, x: torch.Tensor) -> Any:
        returned = self.function(x.permute(0, 2, 3, 1).contiguous().cpu().numpy())
        if isinstance(returned, Mapping):
            return {name: self._tensor(part, x) for name, part in returned.items()}
        if isinstance(returned, tuple):
            return tuple(self._tensor(part, x) for part in returned)
        return self._tensor(returned, x, alone=True)

    def _tensor(self, returned: Any, x: torch.Tensor, alone: bool = False) -> torch.Tensor:
        scores = np.asarray(returned)
        labels = alone and scores.ndim == 1 and scores.dtype.kind in "iu"
        if scores.dtype.kind not in "fiu" or not scores.ndim or labels:
            raise ModelError(
                "the function does not return scores",
                where=self.where,
                found=f"{scores.dtype}, shape {scores.shape}",
                expected=f"numbers, shape ({len(x)}, classes): higher is likelier",
            )
        return torch.from_numpy(np.array(scores, dtype=np.float32)).to(x.device)
