"""Classifier × images, batch by batch → top-k predictions. Pixels are moved as uint8; arithmetic is on the device."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from evalshift.errors import ModelError, first_line
from evalshift.evaluate.collection import TOP_K, Collection
from evalshift.evaluate.devices import LAYOUTS, Execution, is_out_of_memory, release_memory, synchronize
from evalshift.evaluate.feeding import Batch, DeviceBatch, fed_to
from evalshift.evaluate.streams import side_by_side
from evalshift.shapes import Images, Prob, Top
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.outputs import find_scores, read_unsettled, settle
from evalshift.testbed.preprocessing import apply_arithmetic
from evalshift.testbed.views import View

__all__ = ["TOP_K", "InHalves", "InferenceResult", "forward", "place", "predict_batches", "settle_outputs"]

# On which it shows that a network gives logits; more are looked at only where they might be probabilities.
_FEW_IMAGES = 8


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """Outputs of a network: the top k classes, the probability of the first, and the logits where they are kept.

    images_per_second   once the first batch is through, for which memory is taken and kernels are chosen
    batch_size          at the end: smaller than at the beginning where memory was full
    """

    top: Top
    prob: Prob
    logits: np.ndarray | None
    seconds: float
    images_per_second: float
    batch_size: int


def place(classifier: Classifier, execution: Execution) -> None:
    """Move a network to its device and into its memory layout."""
    layout = LAYOUTS[execution.memory_format]
    classifier.module.to(execution.device, memory_format=layout)  # pyright: ignore
    if layout is torch.contiguous_format:
        for tensor in (*classifier.module.parameters(), *classifier.module.buffers()):
            tensor.data = _plainly_contiguous(tensor.data)


def _plainly_contiguous(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers with the strides of contiguous memory.

    Where there is one channel, or height and width are 1, torch takes both layouts for contiguous and leaves the
    strides of the other; convolutions then give their results in that layout, on which many a `view` fails.
    """
    if tensor.ndim != 4 or not tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def settle_outputs(classifier: Classifier, sample: Images, execution: Execution) -> Classifier:
    """The classifier with what its outputs are decided, once for all of its datasets, on real images.

    Most networks show on a few images that they give logits; only what looks like probabilities is looked at on all.
    Raises what `forward` raises.
    """
    if classifier.settled is not None:
        return classifier
    place(classifier, execution)
    step = min(_FEW_IMAGES, execution.batch_size)
    parts = [sample[start : start + step] for start in range(0, len(sample), step)]
    return settle(classifier, (_run(classifier, part, execution) for part in parts), len(parts[0]))


def forward(classifier: Classifier, batch: Images | DeviceBatch, execution: Execution) -> torch.Tensor:
    """Logits of one batch by a network that `place` put there: float32, shape (n, classes), on the device.

    Where it was settled that the network gives probabilities, they are these. Raises ModelError where the network gives
    anything else than one number per class, or raises itself.
    """
    with torch.no_grad():
        returned = _run(classifier, batch, execution)
        if classifier.settled is None:
            scores = read_unsettled(classifier, returned, len(batch))
        else:
            scores = find_scores(classifier, returned, len(batch))[1]
        return scores.detach().float()  # networks that adapt themselves compute gradients all the same


def _run(classifier: Classifier, batch: Images | DeviceBatch, execution: Execution) -> Any:
    """What the network returns for one batch, in whatever form."""
    layout = LAYOUTS[execution.memory_format]
    with torch.no_grad():  # inference mode would make some networks fail that run so, for 1 % of the time
        pixels = batch if isinstance(batch, torch.Tensor) else torch.from_numpy(batch)
        pixels = pixels.to(execution.device, non_blocking=True)
        try:
            values = apply_arithmetic(pixels, classifier.preprocess)
            values = values.to(execution.dtype, memory_format=layout)
            if layout is torch.contiguous_format:
                values = _plainly_contiguous(values)
        except ValueError as error:
            gray = pixels.shape[-1] == 3 and classifier.preprocess.channel_count == 1
            raise ModelError(
                "the preprocessing does not fit the images",
                where=f"model {classifier.name}",
                found=str(error),
                fix="channels: gray in the preprocessing makes one channel of three" if gray else None,
            ) from error
        try:
            with execution.autocast():
                return classifier.module(values)
        except Exception as error:
            _refuse_channels(classifier, values, execution, error)
            raise


def _refuse_channels(classifier: Classifier, values: torch.Tensor, execution: Execution, error: Exception) -> None:
    """Raise ModelError where a network failed for the number of channels alone: with the other, it runs."""
    given, first = values.shape[1], values[:1]
    if given not in (1, 3) or isinstance(error, ModelError) or is_out_of_memory(error):
        return
    other = first[:, :1] if given == 3 else first.expand(-1, 3, -1, -1)

    def runs(image: torch.Tensor) -> bool:
        try:
            with execution.autocast():
                classifier.module(image.contiguous())
        except Exception:  # someone else's network
            return False
        return True

    if runs(first) or not runs(other):
        return
    wanted, channels = ("one channel", "gray") if given == 3 else ("three channels", "rgb")
    raise ModelError(
        f"the network takes images of {wanted}",
        where=f"model {classifier.name}",
        found=f"images of {'three channels' if given == 3 else 'one channel'}: {first_line(error)}",
        expected=f"images of {wanted}",
        fix=f"say channels: {channels} in the preprocessing, and they are converted",
    ) from error


def predict_batches(
    classifier: Classifier,
    batches: Iterable[Batch],
    execution: Execution,
    *,
    keep_logits: bool = False,
    ids: Sequence[str] | None = None,
    view: View | None = None,
    halve: bool = True,
    advance: Callable[[int], None] = lambda _: None,
) -> InferenceResult:
    """Run all batches; `advance(n)` is called after every n images, on a GPU of those that it was given.

    ids     names of the images for error messages; their positions if None
    view    how the dataset has predictions read; the logits that are kept are all of them, as they came
    halve   whether a batch for which memory is full is run in halves, as are then all others
    Ties go to the lower class number, so that equal logits give equal predictions on every device. Of a network that
    gives probabilities, the logits that are kept are their logarithms. On a GPU nothing waits for a batch: faulty
    logits are noticed some thousands of images later.
    Raises ModelError for not-a-number logits, and for probabilities that are none.
    """
    place(classifier, execution)
    collection = Collection(classifier, execution.device, keep_logits=keep_logits, ids=ids, view=view)
    run = InHalves(execution) if halve else partial(forward, execution=execution)
    done = first = 0
    start = first_through = time.perf_counter()
    streams = side_by_side(classifier, execution.streams, execution.threads)
    with streams as run_all, fed_to(execution.device, batches) as fed:
        for batch, scores in run_all(run, fed):
            collection.add(scores)
            if done == 0:
                synchronize(execution.device)
                first, first_through = len(batch), time.perf_counter()
            done += len(batch)
            advance(len(batch))
        outputs = collection.finish()
    end = time.perf_counter()
    return InferenceResult(
        outputs.top,
        outputs.prob,
        outputs.logits,
        end - start,
        (done - first) / (end - first_through) if done > first else done / (end - start),
        run.size if isinstance(run, InHalves) else execution.batch_size,
    )


class InHalves:
    """`forward` that runs a batch in halves where memory is full, and from then on all of them in parts of that size.

    size   images that are run at once
    """

    def __init__(self, execution: Execution) -> None:
        self._execution, self.size = execution, execution.batch_size

    def __call__(self, classifier: Classifier, batch: Batch | DeviceBatch) -> torch.Tensor:
        while True:
            size = self.size
            try:
                parts = [
                    forward(classifier, batch[start : start + size], self._execution)
                    for start in range(0, len(batch), size)
                ]
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            # Here, where the exception and all that it holds in memory is gone.
            release_memory(self._execution.device)
            self.size = min(self.size, max(1, min(size, len(batch)) // 2))
