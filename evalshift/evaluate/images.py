"""Reading images for networks: decoded ahead, and once for all models with the same resize and crop.

Arrays of equal images never leave the arrays that they came in; files are decoded by threads (Pillow releases the
interpreter while it decodes and resizes), so no worker process is ever started and nothing is pickled.
"""

import os
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from jaxtyping import Int, UInt8

from evalshift.errors import ModelError
from evalshift.shapes import Images
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.image_files import StoredImage, open_rgb
from evalshift.testbed.preprocessing import Preprocess, apply_geometry

CACHE_BYTES = 4 << 30
_DECODE_TOGETHER = 32


class ImageReader:
    """Batches of one dataset, uint8 (batch, h, w, c), in dataset order.

    Keeps the decoded images of the last geometry while they fit into `cache_bytes`, so that a second model that wants
    the same pixels finds them ready.
    """

    def __init__(self, dataset: Dataset, workers: int | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        self.dataset = dataset
        self.workers = workers or os.cpu_count() or 1
        self.cache_bytes = cache_bytes
        self._kept: tuple[tuple, Images] | None = None

    def first(self, count: int, preprocess: Preprocess) -> Images:
        """The first `count` images (fewer when there are fewer), to try a network on."""
        ready = self._ready(preprocess)
        if ready is not None:
            return np.array(ready[:count])
        with closing(self._decode(preprocess, count)) as parts:
            return np.concatenate(list(parts))

    def at(self, positions: Int[np.ndarray, " n"], preprocess: Preprocess) -> Images:
        """The images at these positions, in their order."""
        ready = self._ready(preprocess)
        if ready is not None:
            return np.array(ready[positions])
        return ImageReader(self.dataset.only(positions), self.workers, 0).first(len(positions), preprocess)

    def batches(self, size: int, preprocess: Preprocess) -> Generator[Images, None, None]:
        """All images, `size` at a time, the last batch shorter.

        Raises DataError naming a file that is no image, and ModelError when geometry leaves the images unequal or is
        unsupported for arrays. A consumer that may stop early closes the generator, which ends its threads.
        """
        images = self._ready(preprocess)
        if images is None:
            with closing(self._decoded(preprocess)) as parts:
                yield from _rebatched(parts, size)
            return
        for start in range(0, len(images), size):
            # A copy: torch wants memory that it may write to, and a mapped file is not.
            yield np.array(images[start : start + size])

    def _ready(self, preprocess: Preprocess) -> Images | None:
        if isinstance(self.dataset.images, np.ndarray) and not preprocess.has_geometry:
            return self.dataset.images
        return self._kept[1] if self._kept and self._kept[0] == preprocess.geometry else None

    def _decoded(self, preprocess: Preprocess) -> Generator[Images, None, None]:
        """Small batches as they come out of the threads, and the whole kept for the next model once all have passed."""
        self._kept = None
        total, kept = len(self.dataset), None
        done = 0
        with closing(self._decode(preprocess, total)) as parts:
            for part in parts:
                if done == 0 and part[0].nbytes * total <= self.cache_bytes:
                    kept = np.empty((total, *part.shape[1:]), np.uint8)
                if kept is not None:
                    kept[done : done + len(part)] = part
                done += len(part)
                yield part
        if kept is not None:
            self._kept = (preprocess.geometry, kept)

    def _decode(self, preprocess: Preprocess, count: int) -> Generator[Images, None, None]:
        """The first `count` images, a few at a time, all of one size."""
        count = min(count, len(self.dataset))
        starts = iter(range(0, count, _DECODE_TOGETHER))
        size = None
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="evalshift-decode")

        def submit(parts: int) -> list[Future[Images]]:
            wanted = [(start, min(start + _DECODE_TOGETHER, count)) for start in islice(starts, parts)]
            return [pool.submit(self._decode_part, start, stop, preprocess) for start, stop in wanted]

        try:
            # So many ahead that no thread waits for the network, and no more: decoded images are large.
            ahead = deque(submit(self.workers + 2))
            while ahead:
                part = ahead.popleft().result()
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
        arrays = [decode(path, preprocess, f"dataset {self.dataset.name}, {path}") for path in images]
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
                "the images are of different sizes and the model's preprocessing does not make them equal",
                where=f"dataset {self.dataset.name}",
                found=f"{first[0]} × {first[1]} and {other[0]} × {other[1]}",
                expected="one size for all after resize and crop",
                fix="give the model a preprocess with crop: (and resize:), or letterbox:",
            )


def decode(image: StoredImage, preprocess: Preprocess, where: str) -> np.ndarray:
    """One image file as RGB, uint8 (h, w, 3), resized and cropped. Raises DataError for a file that is no image."""
    return np.asarray(apply_geometry(open_rgb(image, where), preprocess))


def _rebatched(parts: Iterator[Images], size: int) -> Iterator[Images]:
    """The same images in batches of `size`."""
    waiting: list[Images] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        while count >= size:
            joined = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            yield joined[:size]
            waiting, count = ([joined[size:]], count - size) if count > size else ([], 0)
    if count:
        yield np.concatenate(waiting)
