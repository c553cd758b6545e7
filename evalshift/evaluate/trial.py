"""Trying a form of a network on real images: whether its logits hold, and the batch size and layout that suit it."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType

import numpy as np
import torch

from evalshift.evaluate.devices import Execution, search, synchronize
from evalshift.evaluate.inference import forward, place
from evalshift.evaluate.streams import side_by_side
from evalshift.shapes import Images
from evalshift.testbed.models import Classifier

# Timed calls of a form that is compared with another.
_PACED = 3

# For each batch, which image of the sample each row is, shape (n,), and its logits, shape (n, classes).
Outputs = list[tuple[np.ndarray, torch.Tensor]]


class Trial:
    """Batches of a few sample images through a network, as many at once as `execution` has streams.

    check      is given the outputs of each call, off the clock; what it raises counts as a failure of that call
    failures   "layout, batch size" → the first exception there, of this trial so far
    Used as a context, in which the threads of the streams live.
    """

    def __init__(
        self,
        classifier: Classifier,
        sample: Images,
        execution: Execution,
        check: Callable[[Outputs], None] = lambda _: None,
    ) -> None:
        self._classifier, self._sample, self._execution, self._check = classifier, sample, execution, check
        self._placed = ""
        self._batches: tuple[int, list[np.ndarray], list[torch.Tensor]] = (0, [], [])
        self.failures: dict[str, Exception] = {}

    def __enter__(self) -> "Trial":
        with ExitStack() as stack:
            self._run_all = stack.enter_context(
                side_by_side(self._classifier, self._execution.streams, self._execution.threads)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def try_once(self, size: int) -> None:
        """One batch of so many images in each stream, in the layout of the execution. Raises what goes wrong."""
        self._check(self._run(size, self._execution.memory_format))

    def pace(self) -> float:
        """Seconds per image as the execution says, the best of three calls after a first. Raises what goes wrong."""
        size = self._execution.batch_size
        self.try_once(size)
        taken = []
        for _ in range(_PACED):
            synchronize(self._execution.device)
            start = time.perf_counter()
            self._run(size, self._execution.memory_format)
            synchronize(self._execution.device)
            taken.append(time.perf_counter() - start)
        return min(taken) / (size * self._execution.streams)

    def search(self, images: int, usual: int) -> tuple[int, str]:
        """The quickest batch size and layout of those that do not fail; see evalshift.evaluate.devices.search.

        images   how many are to be run in all
        """
        return search(
            self._run_noting_failures,
            self._execution.device,
            max(1, images // self._execution.streams),
            usual,
            check=self._check_noting_failures,
        )

    def _run_noting_failures(self, size: int, layout: str) -> tuple[str, Outputs]:
        where = f"{layout}, batches of {size}"
        try:
            return where, self._run(size, layout)
        except Exception as error:
            self.failures.setdefault(where, error)
            raise

    def _check_noting_failures(self, done: tuple[str, Outputs]) -> None:
        where, outputs = done
        try:
            self._check(outputs)
        except Exception as error:
            self.failures.setdefault(where, error)
            raise

    def _run(self, size: int, layout: str) -> Outputs:
        execution = replace(self._execution, batch_size=size, memory_format=layout)
        if layout != self._placed:
            self._placed = ""  # a move that fails may leave some tensors moved
            place(self._classifier, execution)
            self._placed = layout
        positions, batches = self._batches_of(size)
        logits = (given for _, given in self._run_all(partial(forward, execution=execution), batches))
        return list(zip(positions, logits, strict=True))

    def _batches_of(self, size: int) -> tuple[list[np.ndarray], list[torch.Tensor]]:
        """A batch for each stream, each beginning with another image, so that batches that are mixed up are noticed."""
        if self._batches[0] != size:
            order = np.arange(size)
            positions = [(order + stream) % len(self._sample) for stream in range(self._execution.streams)]
            # On the device already: in a run they are copied there while the network works on others.
            batches = [torch.from_numpy(self._sample[rows]).to(self._execution.device) for rows in positions]
            self._batches = (size, positions, batches)
        return self._batches[1:]
