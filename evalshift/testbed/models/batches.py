"""Programs that take a fixed number of images at a time, whatever the number that comes."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree


class InBatchesOf(nn.Module):
    """A network that only takes `size` images at once, for any number of them: float (n, c, h, w) → logits (n, d).

    The last images are filled up with black ones, whose outputs are dropped. A network that returns several tensors, in
    a tuple or a dict, gives them so; those that do not have a row per image are left out (None).
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        super().__init__()
        self.module = module
        self.size = size

    def forward(self, x: torch.Tensor) -> Any:
        missing = -len(x) % self.size
        filled = F.pad(x, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else x
        returned = [pytree.tree_flatten(self.module(part)) for part in filled.split(self.size)]
        leaves = zip(*(parts for parts, _ in returned), strict=True)
        return pytree.tree_unflatten([self._joined(parts, len(x)) for parts in leaves], returned[0][1])

    def _joined(self, parts: tuple[Any, ...], images: int) -> torch.Tensor | None:
        rows = all(isinstance(part, torch.Tensor) and part.ndim and len(part) == self.size for part in parts)
        return torch.cat(parts)[:images] if rows else None
