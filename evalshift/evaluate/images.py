"""Reading images for networks: each decoded, resized and cropped once for all models with the same geometry.

Arrays of equal images never leave the arrays that they came in; files are decoded by threads (Pillow releases the
interpreter while it decodes and resizes), so no worker process is ever started and nothing is pickled. What was decoded
is kept in memory where it fits, in a file that later runs read too, or both; see evalshift.evaluate.decode_cache.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch

from evalshift.errors import ModelError
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.decoded_file import CachedImages, CacheKey, CacheWriter
from evalshift.evaluate.environment import pixel_libraries
from evalshift.evaluate.turns import Turns
from evalshift.shapes import Images, Int, UInt8
from evalshift.testbed.arrays import in_pieces
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.image_files import StoredImage, open_rgb
from evalshift.testbed.preprocessing import Preprocess, apply_geometry

# In memory, for all datasets of a run together: with it, torch and a network a run stays below 2 GB.
CACHE_BYTES = 512 << 20
_DECODE_TOGETHER = 32
# What is kept of a dataset that fits nowhere: the images on which each network is tried.
_HEAD_IMAGES = 64
_READ_TOGETHER = 64


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Memory:
    """How many bytes of decoded images may be kept in memory by all readers together; CACHE_BYTES unless told."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = self.left = CACHE_BYTES if limit is None else limit

    def take(self, count: int) -> bool:
        """Whether so many bytes are left; they are then taken."""
        fits = count <= self.left
        self.left -= count if fits else 0
        return fits


@dataclass(eq=False)
class _Decoded:
    """The images of one geometry that were decoded so far: the first `done` of the dataset.

    memory   all of them, where they fit: as many rows as the dataset has images
    writer   the file that they are written to
    file     the same file, once it is whole
    head     the first few, where there is neither
    """

    shape: tuple[int, ...]
    total: int
    done: int = 0
    memory: Images | None = None
    writer: CacheWriter | None = None
    file: CachedImages | None = None
    head: list[Images] = field(default_factory=list)

    @property
    def keeps_all(self) -> bool:
        """Whether every image is kept, once it was decoded."""
        return not (self.memory is None and self.writer is None and self.file is None)

    @property
    def is_whole(self) -> bool:
        return self.keeps_all and self.done == self.total

    def read(self, start: int, stop: int) -> Images:
        """A copy of the images from `start` to `stop`, which are to be among those kept."""
        if self.memory is not None:
            return np.array(self.memory[start:stop])
        source = self.file or self.writer
        return np.concatenate(self.head)[start:stop] if source is None else source.read(start, stop)

    def append(self, start: int, part: Images) -> None:
        """Keep the next images, unless they are kept already. OSError where the disk is full."""
        if start != self.done:
            return
        if self.memory is not None:
            self.memory[start : start + len(part)] = part
        if self.writer is not None:
            self.writer.append(part)
        if self.keeps_all:
            self.done += len(part)
        elif start < _HEAD_IMAGES:
            self.head.append(np.array(part))
            self.done += len(part)


class ImageReader:
    """Batches of one dataset, uint8 (batch, h, w, c), in dataset order.

    workers       threads that decode; None for one per core
    cache_bytes   of decoded images to keep in memory, or what several readers share
    cache         where decoded images are kept on disk; None for nowhere
    fingerprint   gives that of the dataset, for the cache
    fast_decode   decode JPEG files at a reduced size where they are shrunk anyway; changes pixels
    Of those decoded so far, `images_decoded` is the number, and `decode_seconds` how long they were waited for.
    """

    def __init__(
        self,
        dataset: Dataset,
        workers: int | None = None,
        cache_bytes: int | Memory | None = None,
        cache: DecodeCache | None = None,
        fingerprint: Callable[[], str] = lambda: "",
        fast_decode: bool = False,
    ) -> None:
        self.dataset = dataset
        self.workers = workers or count_cores()
        self.memory = cache_bytes if isinstance(cache_bytes, Memory) else Memory(cache_bytes)
        self.images_decoded, self.decode_seconds = 0, 0.0
        self._cache, self._fingerprint, self.fast_decode = cache, fingerprint, fast_decode
        self._kept: dict[tuple, _Decoded] = {}

    @property
    def cache_bytes(self) -> int:
        """How many bytes of decoded images may be kept in memory."""
        return self.memory.limit

    def first(self, count: int, preprocess: Preprocess) -> Images:
        """The first `count` images (fewer when there are fewer), to try a network on."""
        plain = self._plain(preprocess)
        if plain is not None:
            return np.array(plain[:count])
        count = min(count, len(self.dataset))
        parts, found = [], 0
        with closing(self._parts(preprocess, count)) as all_parts:
            for part in all_parts:
                parts.append(part)
                found += len(part)
                if found >= count:
                    break
        return np.concatenate(parts)[:count]

    def at(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess) -> Images:
        """The images at these positions, in their order."""
        plain = self._plain(preprocess)
        if plain is not None:
            return np.array(plain[positions])
        decoded = self._decoded(preprocess)
        if decoded is not None and decoded.is_whole:
            return np.concatenate([decoded.read(position, position + 1) for position in positions.tolist()])
        return self._others(positions, preprocess, self.fast_decode)

    def exactly_at(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess) -> Images:
        """The same decoded at full size, whether or not `fast_decode` is set."""
        return self._others(positions, preprocess, False)

    def _others(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess, fast_decode: bool) -> Images:
        some = ImageReader(self.dataset.only(positions), self.workers, 0, fast_decode=fast_decode)
        return some.first(len(positions), preprocess)

    def batches(self, size: int, preprocess: Preprocess) -> Generator[Images, None, None]:
        """All images, `size` at a time, the last batch shorter.

        Raises DataError naming a file that is no image, and ModelError when geometry leaves the images unequal or is
        unsupported for arrays. A consumer that may stop early closes the generator, which ends its threads.
        """
        plain = self._plain(preprocess)
        if plain is not None:
            for piece in in_pieces(plain, size):
                # A copy: torch wants memory that it may write to, and a mapped file is not.
                yield np.array(piece)
            return
        with closing(self._parts(preprocess, len(self.dataset), size)) as parts:
            yield from rebatched(parts, size)

    def keeps(self, preprocess: Preprocess) -> bool:
        """Whether images are decoded once and then kept, in memory or on disk. Raises what `batches` raises."""
        if self._plain(preprocess) is not None:
            return True
        decoded = self._decoded(preprocess)
        if decoded is None:
            self.first(_HEAD_IMAGES, preprocess)
            decoded = self._kept[self._geometry(preprocess)]
        return decoded.keeps_all

    def fill(self, preprocess: Preprocess, advance: Callable[[int], None] = lambda _: None) -> bool:
        """Decode all images that are not decoded yet, if they can be kept; whether they are.

        `advance(n)` is called after every n decoded images. Raises what `batches` raises.
        """
        if not self.keeps(preprocess):
            return False
        decoded = self._decoded(preprocess)
        if decoded is None or decoded.is_whole:
            return True
        start = decoded.done
        advance(start)
        with closing(self._decode(preprocess, start, len(self.dataset))) as parts:
            for part in parts:
                self._keep(decoded, start, part, preprocess)
                if not decoded.keeps_all:  # the disk is full
                    return False
                start += len(part)
                advance(len(part))
        return True

    def stream(self, preprocess: Preprocess) -> Generator[Images, None, None]:
        """All images, a few at a time as they are decoded; see `batches`."""
        return self._parts(preprocess, len(self.dataset))

    def is_ready(self, preprocess: Preprocess) -> bool:
        """Whether no image has to be decoded any more."""
        decoded = None if self._plain(preprocess) is not None else self._decoded(preprocess)
        return self._plain(preprocess) is not None or (decoded is not None and decoded.is_whole)

    def close(self) -> None:
        """Let go of all that was kept, and remove files that did not become whole."""
        for decoded in self._kept.values():
            if decoded.writer is not None:
                decoded.writer.abandon()
            if decoded.file is not None:
                decoded.file.close()
        self._kept.clear()

    def _plain(self, preprocess: Preprocess) -> Images | None:
        """The images themselves, where they are an array that no geometry changes."""
        images = self.dataset.images
        return images if isinstance(images, np.ndarray) and not preprocess.has_geometry else None

    def _geometry(self, preprocess: Preprocess) -> tuple:
        return preprocess.geometry_of_files if isinstance(self.dataset.images, tuple) else preprocess.geometry

    def _key(self, preprocess: Preprocess) -> CacheKey:
        libraries = pixel_libraries(files=isinstance(self.dataset.images, tuple))
        if self.fast_decode and isinstance(self.dataset.images, tuple):
            libraries = {**libraries, "size": "reduced"}
        return CacheKey(
            self.dataset.name, self._fingerprint(), self._geometry(preprocess), libraries, len(self.dataset)
        )

    def _decoded(self, preprocess: Preprocess) -> _Decoded | None:
        """What is kept of that geometry; None where nothing is, and none of it was decoded."""
        geometry = self._geometry(preprocess)
        known = self._kept.get(geometry)
        if self._cache is None or (known is not None and known.keeps_all):
            return known
        file = self._cache.open(self._key(preprocess), self.workers)  # by now, another run may have written it
        if file is not None:
            self._kept[geometry] = _Decoded(file.shape[1:], file.shape[0], file.shape[0], file=file)
        return self._kept.get(geometry)

    def _new(self, preprocess: Preprocess, shape: tuple[int, ...]) -> _Decoded:
        """Where to keep images of that shape: in memory, on disk, or both, so that a later run finds them."""
        total = len(self.dataset)
        decoded = _Decoded(shape, total)
        if self.memory.take(total * int(np.prod(shape))):
            decoded.memory = np.empty((total, *shape), np.uint8)
        # To resize an array again is quicker than to decode a file.
        worthwhile = isinstance(self.dataset.images, tuple) or decoded.memory is None
        if self._cache is not None and worthwhile:
            decoded.writer = self._cache.writer(self._key(preprocess), shape)
        return decoded

    def _keep(self, decoded: _Decoded, start: int, part: Images, preprocess: Preprocess) -> None:
        try:
            decoded.append(start, part)
            if decoded.writer is not None and decoded.writer.done == decoded.total:
                decoded.file, decoded.writer = decoded.writer.finish(), None
                assert self._cache is not None
                self._cache.finished(decoded.file.path)
        except OSError as error:
            assert self._cache is not None
            assert decoded.writer is not None
            decoded.writer.abandon()
            decoded.writer = None
            self._cache.failed(self._key(preprocess), error)
            if decoded.memory is None:  # only what is in memory is left, which is nothing
                decoded.done = 0
            else:
                decoded.done = max(decoded.done, start + len(part))

    def _parts(self, preprocess: Preprocess, count: int, together: int = _READ_TOGETHER) -> Generator[Images]:
        """The first `count` images or some more, a few at a time: what was kept, then what is decoded now."""
        decoded = self._decoded(preprocess)
        start = 0
        if decoded is not None:
            while start < min(decoded.done, count):
                stop = min(start + together, decoded.done, count)
                yield decoded.read(start, stop)
                start = stop
        if start >= count:
            return
        with closing(self._decode(preprocess, start, count)) as parts:
            for part in parts:
                if decoded is None:
                    decoded = self._kept[self._geometry(preprocess)] = self._new(preprocess, part.shape[1:])
                self._keep(decoded, start, part, preprocess)
                start += len(part)
                yield part

    def _decode(self, preprocess: Preprocess, start: int, stop: int) -> Generator[Images, None, None]:
        """The images from `start` to `stop`, a few at a time, all of one size."""
        starts = iter(range(start, stop, _DECODE_TOGETHER))
        known = self._kept.get(self._geometry(preprocess))
        size = None if known is None else known.shape
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="evalshift-decode")

        def submit(parts: int) -> list[Future[Images]]:
            wanted = [(first, min(first + _DECODE_TOGETHER, stop)) for first in islice(starts, parts)]
            return [pool.submit(self._decode_part, first, last, preprocess) for first, last in wanted]

        try:
            # So many ahead that no thread waits for the network, and no more: decoded images are large.
            ahead = deque(submit(self.workers + 2))
            while ahead:
                began = time.perf_counter()
                part = ahead.popleft().result()
                self.decode_seconds += time.perf_counter() - began
                self.images_decoded += len(part)
                ahead.extend(submit(1))
                size = size or part.shape[1:]
                self._refuse_unequal(size, part.shape[1:])
                yield part
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _decode_part(self, start: int, stop: int, preprocess: Preprocess) -> Images:
        images = self.dataset.images[start:stop]
        if isinstance(images, np.ndarray):
            return self._cut(images, preprocess)
        fast = (True,) if self.fast_decode else ()
        arrays = [decode(path, preprocess, f"dataset {self.dataset.name}, {path}", *fast) for path in images]
        for array in arrays:
            self._refuse_unequal(arrays[0].shape, array.shape)
        return np.stack(arrays)

    def _cut(self, images: Images, preprocess: Preprocess) -> UInt8[np.ndarray, "n height width c"]:
        tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
        try:
            cut = apply_geometry(tensor, preprocess)
        except (NotImplementedError, ValueError) as error:
            if "preprocess.fill" in str(error):
                raise ModelError(
                    "the preprocessing does not fit the images",
                    where=f"dataset {self.dataset.name}",
                    found=str(error),
                    fix="give fill as one number",
                ) from error
            raise ModelError(
                "unsupported resizing of arrays",
                where=f"dataset {self.dataset.name}",
                found=f"interpolation {preprocess.interpolation}, antialias {preprocess.antialias}",
                expected="nearest, bilinear or bicubic",
                fix="give the model another interpolation, or the dataset as a folder of image files",
            ) from error
        assert isinstance(cut, torch.Tensor)
        return cut.permute(0, 2, 3, 1).contiguous().numpy()

    def _refuse_unequal(self, first: tuple[int, ...], other: tuple[int, ...]) -> None:
        if first != other:
            raise ModelError(
                "the images have different sizes, and the model's preprocessing does not make them equal",
                where=f"dataset {self.dataset.name}",
                found=f"{first[0]} × {first[1]} and {other[0]} × {other[1]}",
                expected="one size for all after resize and crop",
                fix="give the model a preprocess with crop: (and resize:), or letterbox:",
            )


class SharedReader:
    """The images of a reader for one of several models that share a stream of them, in turns.

    decode_seconds   how long this one waited for its turns and their images
    """

    def __init__(self, reader: ImageReader, turns: Turns, member: int) -> None:
        self.dataset, self.decode_seconds = reader.dataset, 0.0
        self._reader, self._turns, self._member, self._is_fresh = reader, turns, member, True
        self.fast_decode = reader.fast_decode

    def first(self, count: int, preprocess: Preprocess) -> Images:
        return self._reader.first(count, preprocess)

    def at(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess) -> Images:
        return self._reader.at(positions, preprocess)

    def exactly_at(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess) -> Images:
        return self._reader.exactly_at(positions, preprocess)

    def batches(self, size: int, preprocess: Preprocess) -> Generator[Images, None, None]:
        """All images, as ImageReader.batches; from the shared stream once, and decoded anew if asked for again."""
        shared, self._is_fresh = self._is_fresh, False
        parts = self._turns.images(self._member, size) if shared else self._reader.stream(preprocess)
        with closing(parts):
            yield from rebatched(self._timed(parts), size)

    def _timed(self, parts: Iterator[Images]) -> Iterator[Images]:
        while True:
            began = time.perf_counter()
            part = next(parts, None)
            self.decode_seconds += time.perf_counter() - began
            if part is None:
                return
            yield part


def decode(image: StoredImage, preprocess: Preprocess, where: str, fast_decode: bool = False) -> np.ndarray:
    """One image file as RGB, uint8 (h, w, 3), resized and cropped. Raises DataError for a file that is no image.

    fast_decode   decode a JPEG file at the smallest size of its decoder that the resize still shrinks
    """
    reduced = _enough(preprocess) if fast_decode else None
    return np.asarray(apply_geometry(open_rgb(image, where, reduced), preprocess))


def _enough(preprocess: Preprocess) -> tuple[int, int] | None:
    """Width and height below which an image would have to be enlarged; None where images are not shrunk."""
    resize = preprocess.resize_to
    if resize is None:
        return None
    sides = (resize,) if isinstance(resize, int) else resize
    return sides[-1], sides[0]


def rebatched(parts: Iterator[Images], size: int) -> Iterator[Images]:
    """The same images in batches of `size`."""
    waiting: list[Images] = []
    count = 0
    for part in parts:
        if not waiting and len(part) == size:
            yield part
            continue
        waiting.append(part)
        count += len(part)
        while count >= size:
            joined = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            yield joined[:size]
            waiting, count = ([joined[size:]], count - size) if count > size else ([], 0)
    if count:
        yield np.concatenate(waiting)
