"""One stream of decoded images for several models, which take each chunk in turn: each image is decoded once."""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from evalshift.evaluate.memory import release_freed_memory
from evalshift.shapes import Images

# Pixels between two turns: some hundred images of 224 × 224, so that changing over costs next to nothing.
CHUNK_BYTES = 128 << 20


class Turns:
    """Chunks of images for `members` consumers, each in a thread of its own, of which one is at work at a time.

    A consumer has its turn until it asks for the next chunk, or leaves. What `chunks` raises is raised to all.
    """

    def __init__(self, chunks: Iterator[Images], members: int) -> None:
        self._chunks = chunks
        self._changed = threading.Condition()
        self._active = list(range(members))
        # Those who have not had the chunk yet; the first of them is at work.
        self._queue: deque[int] = deque()
        self._chunk: Images | None = None
        self._number = -1
        self._ended = False
        self._error: BaseException | None = None

    def images(self, member: int, size: int) -> Generator[Images, None, None]:
        """All images for one consumer, at most `size` at a time, as copies of its own."""
        seen = -1
        try:
            while (chunk := self._take(member, seen)) is not None:
                seen += 1
                for start in range(0, len(chunk), size):
                    yield np.array(chunk[start : start + size])
                del chunk
                release_freed_memory()
        finally:
            self.leave(member)

    def leave(self, member: int) -> None:
        """Go on without this consumer; it may have left before."""
        with self._changed:
            if member in self._active:
                self._active.remove(member)
            if member in self._queue:
                self._queue.remove(member)
            self._changed.notify_all()

    def stop(self) -> None:
        """End the stream for all."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, member: int, seen: int) -> Images | None:
        """The chunk after the one that was seen; None after the last."""
        with self._changed:
            if self._queue and self._queue[0] == member and self._number == seen:
                self._queue.popleft()
                self._changed.notify_all()
            while True:
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                if not self._queue:
                    self._fetch()
                elif self._queue[0] == member and self._number > seen:
                    return self._chunk
                else:
                    self._changed.wait()

    def _fetch(self) -> None:
        try:
            self._chunk = next(self._chunks, None)
        except BaseException as error:
            self._error = error
        self._number += 1
        self._ended = self._ended or self._chunk is None
        self._queue.extend(self._active)
        self._changed.notify_all()


def in_chunks(parts: Iterator[Images], size: int = CHUNK_BYTES) -> Iterator[Images]:
    """The same images, joined to chunks of about so many bytes."""
    waiting: list[Images] = []
    held = 0
    for part in parts:
        waiting.append(part)
        held += part.nbytes
        if held >= size:
            yield np.concatenate(waiting)
            waiting, held = [], 0
    if waiting:
        yield np.concatenate(waiting)


def one_ahead(chunks: Iterator[Images]) -> Generator[Images, None, None]:
    """The same chunks, of which the next is made while one is used. What making one raises comes in its place."""
    with ThreadPoolExecutor(1, thread_name_prefix="evalshift-decode-ahead") as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk
