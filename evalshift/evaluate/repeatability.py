"""Whether a network gives an image the same logits each time, whatever else is in the batch.

The first images run twice and then among other images, before anything is optimised. What comes out is the
reference that each quicker form of the network (joined operations, another layout, batches at once) must reproduce.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from evalshift.shapes import Images
from evalshift.testbed.models import Classifier

CHANGES_FROM_CALL_TO_CALL = (
    "Predictions on the same images change from call to call, so the accuracy does not repeat exactly; "
    "dropout or other randomness may still be on in evaluation mode"
)
DEPENDS_ON_THE_BATCH = (
    "The prediction for an image depends on the other images in its batch, so the accuracy changes with the "
    "batch size; batch norm may use statistics of the batch in evaluation mode"
)
# Largest difference that rounding makes, as a part of the largest logit: 1e-6 or so in fp32, where 1e-4 is another
# network; in 8 bits of mantissa the layers of a deep network add up to some per cent.
_ROUNDING = {"fp32": 1e-4, "tf32": 0.02, "fp16": 0.02, "bf16": 0.1}
# The same for two calls on the same batch, which are mostly equal to the bit, and for a look at it in float64.
_OF_EQUAL_CALLS = {"fp32": 1e-4, "tf32": 0.002, "fp16": 0.002, "bf16": 0.005}
_WORTH_A_LOOK = {"fp32": 1e-4, "tf32": 0.005, "fp16": 0.005, "bf16": 0.02}
_IN_FLOAT64 = 1e-5  # logits come back as float32
# The last bits of an input, as a part of it, and how much more rounding in each layer may do than rounding there.
_LAST_BITS = {"fp32": 2.0**-22, "tf32": 2.0**-10, "fp16": 2.0**-10, "bf16": 2.0**-7}
_MARGIN = 10.0

Run = Callable[[Classifier, Images], torch.Tensor]


class NotApplied(Exception):
    """An optimisation is not used; the message says why."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What the plain network gives for the first images.

    logits      float32, shape (n, classes), on the CPU
    tolerance   largest absolute difference that rounding may make; 0 or more
    """

    logits: torch.Tensor
    tolerance: float

    def check(self, logits: torch.Tensor, positions: np.ndarray | None = None) -> None:
        """Raise NotApplied unless `logits`, shape (m, classes), are those of the plain network up to rounding.

        positions   which image each row is, shape (m,); those beyond the first n are not looked at. None: the first m
        """
        positions = np.arange(len(logits)) if positions is None else positions
        rows = np.flatnonzero(positions < len(self.logits))
        found, expected = logits[torch.from_numpy(rows)].cpu(), self.logits[torch.from_numpy(positions[rows])]
        if found.shape != expected.shape:
            raise NotApplied(f"its logits have another shape than the plain network's: {tuple(logits.shape)}")
        difference = largest_difference(found, expected)
        if not difference <= self.tolerance:
            raise NotApplied(f"its logits differ from the plain network's by up to {difference:.2g}")


def in_batches(classifier: Classifier, images: Images, run: Run, size: int) -> torch.Tensor:
    """Logits of all images on the CPU, `size` images per batch, the last batch with what is left."""
    starts = range(0, len(images), size)
    return torch.cat([run(classifier, images[start : start + size]).cpu() for start in starts])


def take_reference(
    classifier: Classifier,
    sample: Images,
    run: Run,
    first: torch.Tensor,
    second: torch.Tensor,
    precision: str,
    batch_size: int | None = None,
) -> tuple[Reference, str | None]:
    """What other forms of the network are compared with, and a warning where its predictions do not repeat.

    sample          the first few images of the dataset, uint8 (m, h, w, c)
    run             one batch through a classifier → logits
    first, second   logits of two calls on the first n images of the sample, n ≤ m, shape (n, classes)
    batch_size      images per batch in these calls; None: all n
    The warning is None for a network that repeats. More than the usual rounding is looked at in float64, where rounding
    goes away and a dependence on the batch does not.
    """
    first, second = first.cpu(), second.cpu()
    images, size = sample[: len(first)], batch_size or len(first)
    scale = _scale(first)
    usual = _ROUNDING[precision] * scale
    if largest_difference(second, first) > _OF_EQUAL_CALLS[precision] * scale:
        return Reference(first, usual), CHANGES_FROM_CALL_TO_CALL
    others = _among_other_images(classifier, sample, len(first), size, run)
    difference = 0.0 if others is None else largest_difference(others, first)
    if difference <= _WORTH_A_LOOK[precision] * scale:
        return Reference(first, usual), None
    depends = _depends_in_float64(classifier, sample, len(first), size, run)
    if depends is None:  # its operations know no float64
        nudged = replace(classifier, module=_Nudged(classifier.module, _LAST_BITS[precision]))
        depends = difference > _MARGIN * largest_difference(in_batches(nudged, images, run, size), first)
    return Reference(first, max(usual, 3 * difference)), DEPENDS_ON_THE_BATCH if depends else None


def _depends_in_float64(classifier: Classifier, sample: Images, n: int, size: int, run: Run) -> bool | None:
    """Whether logits depend on the batch where 52 bits of mantissa leave no rounding; None where it does not run so."""
    try:
        exact = replace(classifier, module=_InFloat64(copy.deepcopy(classifier.module).double()))
        usual, others = in_batches(exact, sample[:n], run, size), _among_other_images(exact, sample, n, size, run)
    except Exception:  # someone else's network
        return None
    return None if others is None else largest_difference(usual, others) > _IN_FLOAT64 * _scale(usual)


def largest_difference(logits: torch.Tensor, others: torch.Tensor) -> float:
    """Largest absolute difference of two tensors of equal shape; infinite where one alone is not a number.

    >>> largest_difference(torch.tensor([1.0, -torch.inf]), torch.tensor([1.5, -torch.inf]))
    0.5
    """
    same = (logits == others) | (logits.isnan() & others.isnan())
    differences = (logits - others).abs().masked_fill(same, 0).nan_to_num(nan=torch.inf, posinf=torch.inf)
    return float(differences.max()) if differences.numel() else 0.0


def _scale(logits: torch.Tensor) -> float:
    """The largest logit, without classes that are the same for all images, as those masked with -10,000 are."""
    vary = ~(logits == logits[:1]).all(dim=0)
    some = logits[:, vary] if bool(vary.any()) else logits
    return float(some.nan_to_num(nan=0, posinf=0, neginf=0).abs().max())


def _among_other_images(classifier: Classifier, sample: Images, n: int, size: int, run: Run) -> torch.Tensor | None:
    """Logits of the first `n` images in batches of other sizes; None for one image, or a network for one size alone."""
    for batches in _other_batches(n, size, len(sample)):
        try:
            logits = torch.cat([run(classifier, sample[start:stop]).cpu() for start, stop in batches])
        except Exception:  # someone else's network; its run will say so where the batch size does not fit
            continue
        return logits[:n]
    return None


def _other_batches(n: int, size: int, available: int) -> Iterator[list[tuple[int, int]]]:
    """Ways to run the first `n` images in other batches than of `size`, as (start, stop) of each, the cheapest first.

    Some networks take no batch of one image, or only multiples of four, so there are several.
    """
    # Unequal: batch norms that split a batch into equal parts would meet the same parts again.
    middle = 3 * n // 8 or 1
    if n > 2 or n == 2 <= size:
        yield [(0, middle), (middle, n)]
    if size < n:
        yield [(0, n)]
    for more in (2 * n + 1, 2 * n):
        if n < min(more, available):
            yield [(0, min(more, available))]
    if n > 3 and n // 2 != size:
        yield [(0, n // 2), (n // 2, n)]


class _Nudged(nn.Module):
    """A network that sees its input with other last bits."""

    def __init__(self, module: nn.Module, share: float) -> None:
        super().__init__()
        self.module = module
        self.share = share

    def forward(self, x: torch.Tensor) -> object:
        signs = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)).to(x.device) * 2 - 1
        return self.module(x + x * signs * self.share)


class _InFloat64(nn.Module):
    """A network in float64, for images in float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> object:
        return self.module(x.double())
