"""The outputs of all batches of a dataset, ranked and checked on the device, and rarely copied to the host.

Reading a value from a GPU synchronizes with all queued work, after which the GPU idles until the next batch. Outputs
are therefore collected on the device and copied in the background, many batches at once; a faulty row is found when
they arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from evalshift.errors import ModelError
from evalshift.evaluate.ranking import Ranking
from evalshift.shapes import Prob, Top
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.classifier import Settled
from evalshift.testbed.models.outputs import are_improbable
from evalshift.testbed.views import View

TOP_K = 5
# Images after which outputs are fetched from a GPU. Logits of 1,000 classes take 4 kB each.
_FETCHED_TOGETHER = 16_384


class _Part(NamedTuple):
    """Outputs of some images, on one device.

    top, prob  as in InferenceResult
    faulty     whether a row is invalid as predictions, shape (n,)
    evidence   scores of the first faulty row, shape (1, classes); of any row if none is faulty
    logits     None if they are not kept
    """

    top: torch.Tensor
    prob: torch.Tensor
    faulty: torch.Tensor
    evidence: torch.Tensor
    logits: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a network on a dataset: the top k classes, the probability of the first, and the logits if kept."""

    top: Top
    prob: Prob
    logits: np.ndarray | None


class Collection:
    """Collects the scores of all batches, in dataset order.

    ids   names of the images for error messages; their positions if None
    view  the view in which the dataset reads predictions

    For a network that outputs probabilities, the stored logits are their logarithms.
    """

    def __init__(
        self,
        classifier: Classifier,
        device: torch.device,
        *,
        keep_logits: bool = False,
        ids: Sequence[str] | None = None,
        view: View | None = None,
    ) -> None:
        self._classifier, self._settled = classifier, classifier.settled or Settled()
        self._keep_logits, self._ids, self._view = keep_logits, ids, view
        self._rank = Ranking(len(classifier.classes), TOP_K, self._settled.probabilities, view, device)
        self._together = _FETCHED_TOGETHER if device.type == "cuda" else 1
        self._gathered: list[_Part] = []
        self._count = 0
        self._on_the_way: _Fetch | None = None
        self._fetched: list[_Part] = []
        self._checked = 0

    def add(self, scores: torch.Tensor) -> None:
        """Scores of the next images, float32 (n, classes). Raises ModelError for faulty rows of these or earlier ones.

        Logits that are not finite and values that are not probabilities are faulty.
        """
        self._gathered.append(self._part(scores))
        self._count += len(scores)
        if self._count >= self._together:
            self._fetch()

    def finish(self) -> Outputs:
        """The outputs of all images. Raises ModelError as `add` does."""
        self._fetch()
        self._receive()
        parts = self._fetched
        return Outputs(
            np.concatenate([part.top.numpy() for part in parts]),
            np.concatenate([part.prob.numpy() for part in parts]),
            np.concatenate([part.logits.numpy() for part in parts if part.logits is not None])
            if self._keep_logits
            else None,
        )

    def _part(self, scores: torch.Tensor) -> _Part:
        probabilities = self._settled.probabilities
        improbable = are_improbable(scores, self._settled.exact) if probabilities else None
        usable = scores.clamp(min=0) if probabilities else scores  # rounding can make 1 − p negative
        top, prob = self._rank(usable)
        # A single NaN or infinite logit makes the probability of its row NaN.
        faulty = prob.isnan() if improbable is None else prob.isnan() | improbable
        evidence = scores.index_select(0, faulty.to(torch.uint8).argmax().view(1))
        logits = (usable.log() if probabilities else usable) if self._keep_logits else None
        return _Part(top, prob, faulty, evidence, logits)

    def _fetch(self) -> None:
        """Start copying the collected outputs to the host, and receive those of the previous copy."""
        if not self._gathered:
            return
        begun = _Fetch(self._gathered)
        self._gathered, self._count = [], 0
        self._receive()
        self._on_the_way = begun
        if self._together == 1:
            self._receive()

    def _receive(self) -> None:
        if self._on_the_way is None:
            return
        parts = self._on_the_way.wait()
        self._on_the_way = None
        for part in parts:
            self._check(part)
        self._fetched += parts

    def _check(self, part: _Part) -> None:
        """Raise ModelError for outputs with a faulty row, with the reason from its scores."""
        if bool(part.faulty.any()):
            position = self._checked + int(part.faulty.to(torch.uint8).argmax())
            image = self._ids[position] if self._ids else f"{position:,}"
            _refuse(self._classifier, part.evidence, image, self._settled, self._view)
        self._checked += len(part.top)


class _Fetch:
    """Parts being copied to the host: each column in one copy, in the background on a GPU."""

    def __init__(self, parts: list[_Part]) -> None:
        self._sizes = [len(part.top) for part in parts]
        top, prob, faulty, evidence, logits = zip(*parts, strict=True)
        self._always = [_to_host(torch.cat(column)) for column in (top, prob, faulty)]
        self._evidence = _to_host(torch.cat(evidence))
        self._logits = None if logits[0] is None else _to_host(torch.cat(logits))
        device = parts[0].top.device
        self._copied = torch.cuda.Event() if device.type == "cuda" else None
        if self._copied is not None:
            self._copied.record(torch.cuda.current_stream(device))

    def wait(self) -> list[_Part]:
        """The parts on the host, once they have arrived."""
        if self._copied is not None:
            self._copied.synchronize()
        columns = (
            *(column.split(self._sizes) for column in self._always),
            self._evidence.split(1),
            [None] * len(self._sizes) if self._logits is None else self._logits.split(self._sizes),
        )
        return [_Part(*part) for part in zip(*columns, strict=True)]


def _to_host(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the host; on CUDA it is valid once earlier work is done, so the caller waits for an event."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def _refuse(classifier: Classifier, evidence: torch.Tensor, image: str, settled: Settled, view: View | None) -> None:
    """Raise ModelError with what is wrong in the scores of an image, shape (1, classes)."""
    where = f"model {classifier.name}, image {image}"
    scores = evidence[0].numpy()
    finite = bool(np.isfinite(scores).all())
    if settled.probabilities and finite and bool(are_improbable(evidence, settled.exact)):
        raise ModelError(
            "the outputs are not probabilities",
            where=where,
            found=f"a row with a lowest number of {scores.min():.4g} and a sum of {float(evidence.sum()):.4g}",
            expected="numbers of at least 0 that sum to 1, as on the first images"
            if settled.exact
            else "numbers of at least 0",
            fix="say logits: {probabilities: false} where the network gives logits",
        )
    if settled.probabilities and finite:
        raise ModelError(
            "the network gives probability 0 to every class of the view",
            where=where,
            found="0 for each of " + (f"the {len(view.labels):,} classes of {view.name}" if view else "its classes"),
            expected="a number above 0 for one of them at least",
            fix="run the network without the softmax at its end",
        )
    first = int(np.argmax(np.isnan(scores) | np.isposinf(scores)))
    raise ModelError(
        "the network gives logits that are not finite",
        where=where,
        found=f"{scores[first]} for class {first} ({classifier.classes.names[first]})",
        expected="finite numbers",
        fix="check the checkpoint and the preprocessing; fp16 overflows in some networks",
    )
