"""Descriptors of patches on a dense grid: the pixels, SIFT, and local colour statistics.

Each takes float images (n, c, h, w), the size of a patch and the distance of neighbouring ones in pixels, and gives
(n, rows, columns, values). SIFT and colour statistics describe 4 × 4 cells of a patch, whose size is a multiple of 4.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

# Cells along each side of a patch, and directions of gradients.
CELLS, DIRECTIONS = 4, 8
# Of red, green and blue in a grey value, ITU-R BT.601.
_GREY = (0.299, 0.587, 0.114)
# Lowe 2004: a single strong gradient counts at most so much.
_MOST = 0.2


def patches(x: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """The pixels of each patch: c · size² values."""
    return _on_grid(x, F.unfold(x, size, stride=stride), size, stride)


def sift(x: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """Gradients of the grey image by 8 directions in each cell, of length one, cut off at 0.2, of length one again.

    A gradient is shared between the two nearest directions; cells are not weighted or blurred, as in the fast variant
    of VLFeat's dense SIFT. Source: Lowe 2004, Distinctive Image Features from Scale-Invariant Keypoints, section 6.
    """
    grey = x if x.shape[1] == 1 else (x * x.new_tensor(_GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    turn = torch.atan2(down, across) * (DIRECTIONS / (2 * torch.pi))
    directions = torch.arange(DIRECTIONS, device=x.device, dtype=x.dtype).view(1, -1, 1, 1)
    apart = (turn - directions).remainder(DIRECTIONS)
    share = (1 - torch.minimum(apart, DIRECTIONS - apart)).clamp(min=0)
    values = _on_grid(x, _cells(share * torch.hypot(across, down), size, stride), size, stride)
    return F.normalize(F.normalize(values, dim=-1).clamp(max=_MOST), dim=-1)


def colour(x: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """Mean and standard deviation of each channel in each cell: 2 · c · 16 values.

    Source: Clinchant, Csurka, Perronnin, Renders 2007, XRCE's Participation to ImagEval.
    """
    means, squares = _cells(x, size, stride), _cells(x.square(), size, stride)
    deviations = (squares - means.square()).clamp(min=0).sqrt()
    return _on_grid(x, torch.cat([means, deviations], dim=1), size, stride)


def _cells(maps: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """The average of each map over the cells of each patch on the grid: (n, maps · 16, patches)."""
    cell = size // CELLS
    return F.unfold(F.avg_pool2d(maps, cell, stride=1), CELLS, dilation=cell, stride=stride)


def _on_grid(x: torch.Tensor, values: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    """Values (n, v, patches) by row and column of their patch."""
    rows, columns = ((length - size) // stride + 1 for length in x.shape[2:])
    return values.transpose(1, 2).unflatten(1, (rows, columns))


DESCRIPTORS: dict[str, Callable[[torch.Tensor, int, int], torch.Tensor]] = {
    "patches": patches,
    "sift": sift,
    "colour": colour,
}
# How many values each has of a patch of some size of an image in three colours.
LENGTHS: dict[str, Callable[[int], int]] = {
    "patches": lambda size: 3 * size**2,
    "sift": lambda size: DIRECTIONS * CELLS**2,
    "colour": lambda size: 2 * 3 * CELLS**2,
}
