"""Classifier × images, batch by batch → top answers. Bytes cross to the device as uint8; arithmetic happens there."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from evalshift.errors import ModelError
from evalshift.evaluate.devices import LAYOUTS, Execution, search, usual_batch
from evalshift.evaluate.streams import Batch, side_by_side
from evalshift.shapes import Images, Prob, Top
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import apply_arithmetic
from evalshift.testbed.views import View

KEPT_ANSWERS = 5


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network said: the `k` best classes, the probability of the first, and the logits where they are kept.

    images_per_second   once the first batch is through, for which memory is taken and kernels are chosen
    """

    top: Top
    prob: Prob
    logits: np.ndarray | None
    seconds: float
    images_per_second: float


def tune(
    classifier: Classifier, sample: Images, device: torch.device, precision: str, images: int, streams: int = 1
) -> tuple[int, str]:
    """The batch size and memory layout that suit this network on this device, by a short search on real images.

    images    how many are to be run in all
    streams   how many batches are to be run at once; the search runs as many
    """
    placed = ""

    def run(size: int, layout: str) -> None:
        nonlocal placed
        execution = Execution(device, precision, size, layout, streams)
        if layout != placed:
            place(classifier, execution)
            placed = layout
        repeats = -(-size // len(sample))
        batch = np.concatenate([sample] * repeats)[:size] if repeats > 1 else sample[:size]
        for _ in run_all(partial(forward, execution=execution), [batch] * streams):
            pass

    with side_by_side(classifier, streams) as run_all:
        usual = usual_batch(device, sample.shape[1] * sample.shape[2])
        return search(run, device, max(1, images // streams), usual)


def place(classifier: Classifier, execution: Execution) -> None:
    """Move a network to its device and into its memory layout."""
    classifier.module.to(execution.device, memory_format=LAYOUTS[execution.memory_format])  # pyright: ignore


def forward(classifier: Classifier, batch: Images, execution: Execution) -> torch.Tensor:
    """Logits of one batch by a network that `place` put there: float32, shape (n, classes), on the device.

    Raises ModelError where the network gives anything else than one finite number a class, or raises itself.
    """
    layout = LAYOUTS[execution.memory_format]
    where = f"model {classifier.name}"
    with torch.inference_mode():
        pixels = torch.from_numpy(batch).to(execution.device, non_blocking=True)
        try:
            values = apply_arithmetic(pixels, classifier.preprocess).contiguous(memory_format=layout)
        except ValueError as error:
            raise ModelError("the preprocessing does not fit the images", where=where, found=str(error)) from error
        with execution.autocast():
            logits = classifier.module(values)
    logits = getattr(logits, "logits", logits)  # Hugging Face wraps them
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != len(batch):
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(
            "the network does not give logits", where=where, found=found, expected=f"a tensor ({len(batch)}, classes)"
        )
    if logits.shape[1] != len(classifier.classes):
        surplus = logits.shape[1] == len(classifier.classes) + 1
        raise ModelError(
            "wrong number of outputs",
            where=where,
            found=f"{logits.shape[1]:,} outputs",
            expected=f"{len(classifier.classes):,}, one a class of {classifier.classes.name}",
            remedy="one too many is often a background class put first: drop it with logits: {drop: 0}"
            if surplus
            else "check the label space in classes:, and the arguments that make the network",
        )
    return logits.float()


def predict_batches(
    classifier: Classifier,
    batches: Iterable[Batch],
    execution: Execution,
    *,
    keep_logits: bool = False,
    ids: Sequence[str] | None = None,
    view: View | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Run all batches; `advance(n)` is told of every n images done.

    ids   what images are called in complaints; their positions without
    view  how the dataset has answers read; the logits that are kept are all of them, as they came
    Ties go to the lower class number, so that equal logits give equal answers on every device.
    Raises ModelError for not-a-number logits.
    """
    place(classifier, execution)
    k = min(KEPT_ANSWERS, len(classifier.classes if view is None else view.labels))
    tops: list[np.ndarray] = []
    probs: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    done = 0
    start = first_through = time.perf_counter()
    with side_by_side(classifier, execution.streams) as run_all:
        for batch, logits in run_all(partial(forward, execution=execution), batches):
            order, chances = _ranked(logits) if view is None else _ranked_in(view, logits)
            prob = chances.cpu().numpy()
            # A single not-a-number logit makes its row's probability one too, and so does an infinite one.
            bad = np.flatnonzero(np.isnan(prob))
            if len(bad):
                first = int(bad[0])
                _refuse(classifier, logits[first].cpu().numpy(), ids[done + first] if ids else f"{done + first:,}")
            tops.append(order[:, :k].to(torch.int32).cpu().numpy())
            probs.append(prob)
            if keep_logits:
                kept.append(logits.cpu().numpy())
            if done == 0:
                first_through = time.perf_counter()
            done += len(batch)
            advance(len(batch))
    end = time.perf_counter()
    after_first = done - len(tops[0])
    return Answers(
        np.concatenate(tops),
        np.concatenate(probs),
        np.concatenate(kept) if keep_logits else None,
        end - start,
        after_first / (end - first_through) if after_first else done / (end - start),
    )


def _ranked(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The classes of each image, best first, shape (n, classes), and the probability of the first, shape (n,)."""
    values, order = logits.sort(dim=1, descending=True, stable=True)
    return order, (values[:, 0] - values.logsumexp(dim=1)).exp()


def _ranked_in(view: View, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same for the labels of a view: each as good as its best class, and as likely as all of its classes together.

    Classes that the view leaves out count for nothing, but a logit of theirs that is not a number makes the row one.
    """
    members = [place for place, label in enumerate(view.meaning) if label is not None]
    labels = torch.tensor(view.labels, device=logits.device)
    meaning = torch.tensor([view.meaning[place] for place in members], device=logits.device)
    group = torch.searchsorted(labels, meaning)
    kept = logits[:, members]
    best = kept.new_full((len(kept), len(labels)), -torch.inf)
    best = best.scatter_reduce(1, group.expand(len(kept), -1), kept, "amax")
    order = best.sort(dim=1, descending=True, stable=True).indices
    first = kept.masked_fill(group != order[:, :1], -torch.inf)
    prob = (first.logsumexp(dim=1) - kept.logsumexp(dim=1)).exp()
    return labels[order], prob.masked_fill(logits.isnan().any(dim=1), torch.nan)


def _refuse(classifier: Classifier, logits: np.ndarray, image: str) -> None:
    first = int(np.argmax(np.isnan(logits) | np.isposinf(logits)))
    raise ModelError(
        "the network gives logits that are not numbers",
        where=f"model {classifier.name}, image {image}",
        found=f"{logits[first]} for class {first} ({classifier.classes.names[first]})",
        expected="finite numbers",
        remedy="check the checkpoint and the preprocessing; fp16 overflows in some networks",
    )
