"""Several batches at once on a CPU: a thread each, with a core each, instead of all cores on every small operation.

PyTorch splits each operation over all cores and waits for the slowest. On a machine that others use too, that wait is
most of the time: two cores were measured five to ten times slower so than with a batch each, and no quicker when idle.
"""

import copy
import dataclasses
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from evalshift.errors import type_and_message
from evalshift.evaluate.feeding import Batch, DeviceBatch
from evalshift.evaluate.repeatability import NotApplied
from evalshift.testbed.models import Classifier

Forward = Callable[[Classifier, Any], torch.Tensor]
AnyBatch = Batch | DeviceBatch

# Beyond this the threads wait for Python itself more than for each other.
MOST_STREAMS = 8
# A forward pass shorter than this is mostly Python, which runs one thread at a time. torch's own threads gain nothing
# there either: where other work is on the machine, they wait for each other 4 to 20 times as long as one thread takes.
WORTHWHILE_SECONDS = 0.002


def count_streams(classifier: Classifier, batch_seconds: float) -> int:
    """How many batches to run at once on the CPU: one per core, up to MOST_STREAMS.

    batch_seconds   what a batch takes on one core
    One for a network that is done with a batch in no time. Raises NotApplied for one that cannot be copied, or that has
    hooks: a hook may write to what only the original can see, and batches would be mixed up without a word.
    """
    cores = min(torch.get_num_threads(), MOST_STREAMS)
    if cores == 1 or batch_seconds < WORTHWHILE_SECONDS:
        return 1
    if has_hooks(classifier.module):
        raise NotApplied("the network has hooks")
    try:
        copies_of(classifier, 2)
    except Exception as error:  # someone else's network: locks and handles cannot be copied
        raise NotApplied(f"the network cannot be copied: {type_and_message(error)}") from error
    return cores


def has_hooks(module: nn.Module) -> bool:
    """Whether a network has forward hooks: what they do to it, only the network as it stands can show."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def one_thread() -> AbstractContextManager[None]:
    """Let torch work on one core: a short operation on all of them waits for the busiest, and its time says little."""
    return _so_many(1)


@contextmanager
def _so_many(threads: int) -> Iterator[None]:
    """Let torch work with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def side_by_side(
    classifier: Classifier, streams: int, threads: int | None = None
) -> Iterator[Callable[[Forward, Iterable[AnyBatch]], Iterator[tuple[AnyBatch, torch.Tensor]]]]:
    """A function that gives each batch with its logits, in the order of the batches, `streams` of them at work at once.

    Each thread has a copy of the network to itself, so that one which keeps something between two of its lines is safe;
    the copies share their weights, and so follow a change of memory layout. torch has `threads` for each; None shares
    out those that it has.
    """
    if streams == 1:
        with nullcontext() if threads is None else _so_many(threads):
            yield lambda forward, batches: ((batch, forward(classifier, batch)) for batch in batches)
        return
    idle: queue.SimpleQueue[Classifier] = queue.SimpleQueue()
    for one in copies_of(classifier, streams):
        idle.put(one)

    def work(forward: Forward, batch: AnyBatch) -> torch.Tensor:
        one = idle.get()
        try:
            return forward(one, batch)
        finally:
            idle.put(one)

    def run(forward: Forward, batches: Iterable[AnyBatch]) -> Iterator[tuple[AnyBatch, torch.Tensor]]:
        waiting: deque[tuple[AnyBatch, Future[torch.Tensor]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit(work, forward, batch)))
            if len(waiting) > streams:  # one more than can be at work, so that no thread waits for the next batch
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()

    with _so_many(threads_each(streams, threads)):
        pool = ThreadPoolExecutor(streams, thread_name_prefix="evalshift-stream")
        try:
            yield run
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def threads_each(streams: int, threads: int | None) -> int:
    """How many threads torch has on the CPU for each stream: those that are named, else its share."""
    return threads or max(1, torch.get_num_threads() // streams)


def copies_of(classifier: Classifier, count: int) -> list[Classifier]:
    """The classifier itself and copies of it that share its parameters and buffers."""
    shared = {id(tensor): tensor for tensor in (*classifier.module.parameters(), *classifier.module.buffers())}
    return [
        classifier,
        *(
            dataclasses.replace(classifier, module=copy.deepcopy(classifier.module, dict(shared)))
            for _ in range(count - 1)
        ),
    ]
