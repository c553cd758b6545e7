"""Programs that take a fixed number of images at a time, whatever the number that comes."""

import torch
from torch import nn
from torch.nn import functional as F


class InBatchesOf(nn.Module):
    """A network that only takes `size` images at once, for any number of them: float (n, c, h, w) → logits (n, d).

    The last images are filled up with black ones, whose answers are dropped.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        super().__init__()
        self.module = module
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        missing = -len(x) % self.size
        filled = F.pad(x, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else x
        return torch.cat([self.module(part) for part in filled.split(self.size)])[: len(x)]
