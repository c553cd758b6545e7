"""Classifier × images, batch by batch → top-k predictions. Pixels are moved as uint8; arithmetic is on the device."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from evalshift.errors import ModelError, first_line
from evalshift.evaluate.devices import LAYOUTS, Execution
from evalshift.evaluate.streams import Batch, side_by_side
from evalshift.shapes import Images, Prob, Top
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.classifier import Settled
from evalshift.testbed.models.outputs import find_scores, first_improbable, read_unsettled, settle
from evalshift.testbed.preprocessing import apply_arithmetic
from evalshift.testbed.views import View

TOP_K = 5
# On which it shows that a network gives logits; more are looked at only where they might be probabilities.
_FEW_IMAGES = 8


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """Outputs of a network: the top k classes, the probability of the first, and the logits where they are kept.

    images_per_second   once the first batch is through, for which memory is taken and kernels are chosen
    """

    top: Top
    prob: Prob
    logits: np.ndarray | None
    seconds: float
    images_per_second: float


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


def forward(classifier: Classifier, batch: Images, execution: Execution) -> torch.Tensor:
    """Logits of one batch by a network that `place` put there: float32, shape (n, classes), on the device.

    Where it was settled that the network gives probabilities, they are these. Raises ModelError where the network gives
    anything else than one number per class, or raises itself.
    """
    with torch.no_grad():
        returned = _run(classifier, batch, execution)
        if classifier.settled is None:
            return read_unsettled(classifier, returned, len(batch)).float()
        return find_scores(classifier, returned, len(batch))[1].float()


def _run(classifier: Classifier, batch: Images, execution: Execution) -> Any:
    """What the network returns for one batch, in whatever form."""
    layout = LAYOUTS[execution.memory_format]
    with torch.no_grad():  # inference mode would make some networks fail that run so, for 1 % of the time
        pixels = torch.from_numpy(batch).to(execution.device, non_blocking=True)
        try:
            values = apply_arithmetic(pixels, classifier.preprocess).contiguous(memory_format=layout)
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
    if given not in (1, 3) or isinstance(error, ModelError | MemoryError | torch.OutOfMemoryError):
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
    advance: Callable[[int], None] = lambda _: None,
) -> InferenceResult:
    """Run all batches; `advance(n)` is told of every n images done.

    ids   names of the images for error messages; their positions if None
    view  how the dataset has predictions read; the logits that are kept are all of them, as they came
    Ties go to the lower class number, so that equal logits give equal predictions on every device. Of a network that
    gives probabilities, the logits that are kept are their logarithms.
    Raises ModelError for not-a-number logits, and for probabilities that are none.
    """
    place(classifier, execution)
    settled = classifier.settled or Settled()
    k = min(TOP_K, len(classifier.classes if view is None else view.labels))
    tops: list[np.ndarray] = []
    probs: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    done = 0
    start = first_through = time.perf_counter()
    with side_by_side(classifier, execution.streams) as run_all:
        for batch, scores in run_all(partial(forward, execution=execution), batches):
            if settled.probabilities:
                _check_probabilities(classifier, scores, settled, ids, done)
                scores = scores.clamp(min=0)  # 1 − p may fall short of 0 by rounding
            order, chances = _ranked(scores, settled) if view is None else _ranked_in(view, scores, settled)
            prob = chances.cpu().numpy()
            # A single not-a-number logit makes its row's probability one too, and so does an infinite one.
            bad = np.flatnonzero(np.isnan(prob))
            if len(bad):
                first = int(bad[0])
                _refuse(classifier, scores[first].cpu().numpy(), _image(ids, done + first), settled, view)
            tops.append(order[:, :k].to(torch.int32).cpu().numpy())
            probs.append(prob)
            if keep_logits:
                kept.append((scores.log() if settled.probabilities else scores).cpu().numpy())
            if done == 0:
                first_through = time.perf_counter()
            done += len(batch)
            advance(len(batch))
    end = time.perf_counter()
    after_first = done - len(tops[0])
    return InferenceResult(
        np.concatenate(tops),
        np.concatenate(probs),
        np.concatenate(kept) if keep_logits else None,
        end - start,
        after_first / (end - first_through) if after_first else done / (end - start),
    )


def _ranked(scores: torch.Tensor, settled: Settled) -> tuple[torch.Tensor, torch.Tensor]:
    """The classes of each image, best first, shape (n, classes), and the probability of the first, shape (n,)."""
    values, order = scores.sort(dim=1, descending=True, stable=True)
    if settled.probabilities:
        return order, values[:, 0] / scores.sum(dim=1)
    return order, (values[:, 0] - scores.logsumexp(dim=1)).exp()


def _ranked_in(view: View, scores: torch.Tensor, settled: Settled) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for the labels of a view: each as good as its best class, and as likely as all of its classes together.

    Classes that the view leaves out count for nothing, but a logit of theirs that is not a number makes the row one.
    """
    members = [place for place, label in enumerate(view.meaning) if label is not None]
    labels = torch.tensor(view.labels, device=scores.device)
    meaning = torch.tensor([view.meaning[place] for place in members], device=scores.device)
    group = torch.searchsorted(labels, meaning)
    kept = scores[:, members]
    best = kept.new_full((len(kept), len(labels)), -torch.inf)
    best = best.scatter_reduce(1, group.expand(len(kept), -1), kept, "amax")
    order = best.sort(dim=1, descending=True, stable=True).indices
    others = group != order[:, :1]
    if settled.probabilities:
        prob = kept.masked_fill(others, 0).sum(dim=1) / kept.sum(dim=1)
    else:
        prob = (kept.masked_fill(others, -torch.inf).logsumexp(dim=1) - kept.logsumexp(dim=1)).exp()
    return labels[order], prob.masked_fill(scores.isnan().any(dim=1), torch.nan)


def _check_probabilities(
    classifier: Classifier, scores: torch.Tensor, settled: Settled, ids: Sequence[str] | None, done: int
) -> None:
    """Refuse numbers that are no probabilities, where the first images or the entry said that they are."""
    row = first_improbable(scores, settled.exact)
    if row is None or not scores[row].isfinite().all():
        return
    low, total = float(scores[row].min()), float(scores[row].sum())
    raise ModelError(
        "the outputs are not probabilities",
        where=f"model {classifier.name}, image {_image(ids, done + row)}",
        found=f"a row with a lowest number of {low:.4g} and a sum of {total:.4g}",
        expected="numbers of at least 0 that sum to 1, as on the first images"
        if settled.exact
        else "numbers of at least 0",
        fix="say logits: {probabilities: false} where the network gives logits",
    )


def _image(ids: Sequence[str] | None, position: int) -> str:
    return ids[position] if ids else f"{position:,}"


def _refuse(classifier: Classifier, scores: np.ndarray, image: str, settled: Settled, view: View | None) -> None:
    where = f"model {classifier.name}, image {image}"
    if settled.probabilities and np.isfinite(scores).all():
        raise ModelError(
            "the network gives every class that is looked at a probability of 0",
            where=where,
            found="0 for each of " + (f"the {len(view.labels):,} classes of {view.name}" if view else "its classes"),
            expected="a number above 0 for one of them at least",
            fix="run the network without the softmax at its end",
        )
    first = int(np.argmax(np.isnan(scores) | np.isposinf(scores)))
    raise ModelError(
        "the network gives logits that are not numbers",
        where=where,
        found=f"{scores[first]} for class {first} ({classifier.classes.names[first]})",
        expected="finite numbers",
        fix="check the checkpoint and the preprocessing; fp16 overflows in some networks",
    )
