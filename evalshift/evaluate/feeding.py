"""Batches for a GPU: made, copied and computed on at the same time, so that it never waits for images.

A thread takes batches from the reader and copies them into pinned host memory, from which the GPU fetches them by
itself, on a stream of copies beside that of the network. Buffers on both sides are made once and used in turn.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch

from evalshift.shapes import UInt8

_Item = TypeVar("_Item")
_Slot = TypeVar("_Slot")

# Batches that are ready while the network works on another. Two even out decoding that comes in bursts.
AHEAD = 2
# Threads that copy a batch into pinned memory: one moves 5 to 10 GB/s, which a small network is faster than.
_COPIERS = 4
_WORTH_A_THREAD = 1 << 20

# The batches of one run differ in how many images they hold, the last one from the others at least.
Batch = UInt8[np.ndarray, "_ h w c"]
DeviceBatch = UInt8[torch.Tensor, "_ h w c"]


@contextmanager
def fed_to(device: torch.device, batches: Iterable[Batch]) -> Iterator[Iterator[Batch | DeviceBatch]]:
    """The batches in order; for a GPU as tensors on it, each valid until the next one is requested.

    On the CPU they are passed on as they come. When the context ends, no thread touches `batches` any more.
    """
    if device.type != "cuda":
        yield iter(batches)
        return
    copies = torch.cuda.Stream(device)
    network = torch.cuda.current_stream(device)
    with ThreadPoolExecutor(_COPIERS, thread_name_prefix="evalshift-pin") as copiers:
        slots = [_Buffer(network, copies, copiers) for _ in range(AHEAD + 1)]
        try:
            with ahead(batches, _Buffer.fill, slots) as filled:
                yield _on_the_device(filled)
        finally:
            copies.synchronize()  # buffers are given back, which copies that nobody waits for may still write to


def _on_the_device(filled: "Iterator[_Buffer]") -> Iterator[DeviceBatch]:
    for buffer in filled:
        yield buffer.pixels()
        buffer.release()


class _Buffer:
    """Memory for one batch on the host, pinned, and as much on the GPU.

    network, copies   the streams of the network and of the copies
    """

    def __init__(self, network: torch.cuda.Stream, copies: torch.cuda.Stream, copiers: ThreadPoolExecutor) -> None:
        self._network, self._copies, self._copiers = network, copies, copiers
        self._host = self._there = torch.empty(0, dtype=torch.uint8)
        self._shape: tuple[int, ...] = (0,)
        self._copied, self._used = torch.cuda.Event(), torch.cuda.Event()

    def fill(self, batch: Batch) -> "_Buffer":
        """Begin to copy a batch to the GPU, once the one before it was copied from here."""
        self._copied.synchronize()
        with torch.cuda.device(self._copies.device), torch.cuda.stream(self._network):  # whose memory it is
            if len(self._there) < batch.size:
                self._host = torch.empty(batch.size, dtype=torch.uint8, pin_memory=True)
                self._there = torch.empty(batch.size, dtype=torch.uint8, device=self._copies.device)
                # That memory may be what the network's stream is done with only later.
                self._used.record(self._network)
        self._shape = batch.shape
        copy_in_parts(batch.reshape(-1), self._host.numpy(), self._copiers)
        with torch.cuda.stream(self._copies):
            self._copies.wait_event(self._used)
            self._there[: batch.size].copy_(self._host[: batch.size], non_blocking=True)
            self._copied.record(self._copies)
        return self

    def pixels(self) -> DeviceBatch:
        """The batch on the GPU, for what is begun on the network's stream from now on."""
        self._network.wait_event(self._copied)
        return self._there[: math.prod(self._shape)].view(self._shape)

    def release(self) -> None:
        """Say that all use of the batch was begun, so that the next may be copied to its place after that."""
        self._used.record(self._network)


def copy_in_parts(source: np.ndarray, target: np.ndarray, pool: ThreadPoolExecutor, parts: int = _COPIERS) -> None:
    """Copy a flat array to the beginning of another by several threads; numpy leaves Python free while it copies."""
    step = max(_WORTH_A_THREAD, -(-len(source) // parts))
    starts = range(0, len(source), step)
    ends = [min(start + step, len(source)) for start in starts]
    list(pool.map(lambda start, end: np.copyto(target[start:end], source[start:end]), starts, ends))


@contextmanager
def ahead(
    items: Iterable[_Item], fill: Callable[[_Slot, _Item], _Slot], slots: list[_Slot]
) -> Iterator[Generator[_Slot, None, None]]:
    """`fill(slot, item)` for each item in order, done by a thread ahead of whoever takes the slots, in turn.

    slots   one more than are filled ahead: the other one is in use, until the next is requested
    What `items` or `fill` raise comes through in its place. When the context ends, so has the thread.
    """
    source = iter(items)
    end = object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="evalshift-feed")

    def work(slot: _Slot) -> object:
        item = next(source, end)
        return end if item is end else fill(slot, item)  # pyright: ignore[reportArgumentType]

    def run() -> Generator[_Slot, None, None]:
        waiting: deque[Future[object]] = deque(pool.submit(work, slot) for slot in slots[:-1])
        given = 0
        while (slot := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(work, slots[(given + len(slots) - 1) % len(slots)]))
            given += 1
            yield slot  # pyright: ignore[reportReturnType]

    try:
        yield run()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
