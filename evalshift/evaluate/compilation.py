"""`--compile`: a network as a CUDA graph, or compiled by torch, where the time that it saves repays what it takes.

Each form is checked against the plain network and timed beside the form that runs without it; the quickest is kept.
"""

import dataclasses
import time
from collections.abc import Callable

import torch
from torch import nn

from evalshift.errors import type_and_message
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.repeatability import NotApplied
from evalshift.testbed.models import Classifier

Pace = Callable[[Classifier, Execution], float]

# The least work, in seconds, for which a form is tried. torch.compile takes half a minute to minutes and saves up to a
# third; a CUDA graph takes some batches, and saves what Python takes to begin the kernels of a small network.
_WORTHWHILE_SECONDS = {"cuda graph": 2.0, "torch.compile": 180.0}
# What is quicker by less may be the clock's noise.
_NOISE = 1.03


def compile_if_quicker(
    classifier: Classifier, execution: Execution, plain: Classifier, images: int, pace: Pace
) -> tuple[Classifier, Execution, dict[str, str]]:
    """The quickest of a classifier as it is and its compiled forms; how it runs; why the others are not used.

    plain    the same network without joined operations: torch joins more of them by itself
    images   how many are to be run in all
    pace     seconds per image of a form; raises where it fails or gives other logits
    """
    chosen, how, best = classifier, execution, pace(classifier, execution)
    work, skipped = best * images, {}
    for name, make in _FORMS.items():
        if name == "cuda graph" and execution.device.type != "cuda":
            continue
        if work < _WORTHWHILE_SECONDS[name]:
            skipped[name] = f"{work:,.1f} s of work do not justify it"
            continue
        wanted = dataclasses.replace(execution, streams=1, fused=False, compiled=name)
        try:
            start = time.perf_counter()
            form = dataclasses.replace(plain, module=make(plain.module))
            taken = pace(form, wanted)
            spent = time.perf_counter() - start
        except Exception as error:  # someone else's network, and compilers that may be missing
            skipped[name] = str(error) if isinstance(error, NotApplied) else type_and_message(error)
            continue
        if taken * _NOISE > best:
            skipped[name] = f"no faster: {1 / taken:,.0f} images/s beside {1 / best:,.0f}, after {spent:,.0f} s"
            continue
        chosen, how, best = form, wanted, taken
    return chosen, how, skipped


class _OfOneShape(nn.Module):
    """A network in a form made for the first shape of its input; others, such as a last batch, run as before.

    Its tensors are hidden from `to`: a graph reads them where they lay when it was made.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._plain = (module,)
        self._shape: tuple[object, ...] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (x.shape, x.stride(), x.dtype)
        if self._shape is None:
            self.make(x)
            self._shape = shape
        return self.run(x) if shape == self._shape else self._plain[0](x)

    def make(self, x: torch.Tensor) -> None:
        raise NotImplementedError

    def run(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class _Graph(_OfOneShape):
    """All kernels of the network begun at once, by a CUDA graph.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs (warm-up on another stream, then capture).
    """

    def make(self, x: torch.Tensor) -> None:
        self._input = torch.empty_like(x).copy_(x)
        beside = torch.cuda.Stream(x.device)
        beside.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(beside):
            for _ in range(3):
                self._plain[0](self._input)
        torch.cuda.current_stream(x.device).wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = self._plain[0](self._input)

    def run(self, x: torch.Tensor) -> torch.Tensor:
        self._input.copy_(x)
        self._graph.replay()
        return self._output.clone()  # which the next batch writes over


class _Compiled(_OfOneShape):
    """The network compiled by torch for one shape."""

    def make(self, x: torch.Tensor) -> None:
        torch.compiler.reset()  # models of one class share its code, of which torch keeps only so many forms
        mode = "reduce-overhead" if x.device.type == "cuda" else "default"
        self._run = (torch.compile(self._plain[0], mode=mode, dynamic=False),)

    def run(self, x: torch.Tensor) -> torch.Tensor:
        return self._run[0](x).clone()


_FORMS: dict[str, Callable[[nn.Module], nn.Module]] = {"cuda graph": _Graph, "torch.compile": _Compiled}
