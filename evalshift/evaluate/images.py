"""Images on their way to a network: decoded once for all models that want them cut alike, ahead of the one in need.

Arrays of equal images never leave the arrays that they came in; files are decoded by threads (Pillow releases the
interpreter while it decodes and resizes), so no worker process is ever started and nothing is pickled.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from evalshift.errors import DataError, ModelError, first_line
from evalshift.shapes import Images
from evalshift.testbed.datasets import Dataset
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
        return next(self.batches(min(count, len(self.dataset)), preprocess))

    def batches(self, size: int, preprocess: Preprocess) -> Iterator[Images]:
        """All images, `size` at a time, the last batch shorter; raises DataError naming a file that is no image."""
        images = self._ready(preprocess)
        if images is not None:
            for start in range(0, len(images), size):
                # A copy: torch wants memory that it may write to, and a mapped file is not.
                yield np.array(images[start : start + size])
            return
        yield from _rebatched(self._decoded(preprocess), size)

    def _ready(self, preprocess: Preprocess) -> Images | None:
        if isinstance(self.dataset.images, np.ndarray) and not preprocess.has_geometry:
            return self.dataset.images
        return self._kept[1] if self._kept and self._kept[0] == preprocess.geometry else None

    def _decoded(self, preprocess: Preprocess) -> Iterator[Images]:
        """Small batches as they come out of the threads, and the whole kept for the next model once all have passed."""
        self._kept = None
        total, kept = len(self.dataset), None
        done = 0
        for part in self._decode(preprocess):
            if done == 0 and part[0].nbytes * total <= self.cache_bytes:
                kept = np.empty((total, *part.shape[1:]), np.uint8)
            if kept is not None:
                kept[done : done + len(part)] = part
            done += len(part)
            yield part
        if kept is not None and done == total:
            self._kept = (preprocess.geometry, kept)

    def _decode(self, preprocess: Preprocess) -> Iterator[Images]:
        starts = iter(range(0, len(self.dataset), _DECODE_TOGETHER))
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="evalshift-decode")
        ahead: list[Future[Images]] = []
        try:
            for start in starts:
                ahead.append(pool.submit(self._decode_part, start, preprocess))
                if len(ahead) > self.workers + 2:
                    yield ahead.pop(0).result()
            while ahead:
                yield ahead.pop(0).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _decode_part(self, start: int, preprocess: Preprocess) -> Images:
        images = self.dataset.images[start : start + _DECODE_TOGETHER]
        if isinstance(images, np.ndarray):
            tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
            resized = apply_geometry(tensor, preprocess)
            assert isinstance(resized, torch.Tensor)
            return resized.permute(0, 2, 3, 1).contiguous().numpy()
        arrays = [decode(path, preprocess, f"dataset {self.dataset.name}, {path}") for path in images]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise ModelError(
                "the images are of different sizes and the model's preprocessing does not make them equal",
                where=f"dataset {self.dataset.name}",
                found=" and ".join(f"{shape[0]} × {shape[1]}" for shape in sorted(shapes)[:2]),
                expected="one size for all after resize and crop",
                remedy="give the model a preprocess with crop: (and resize:)",
            )
        return np.stack(arrays)


def decode(path: Path, preprocess: Preprocess, where: str) -> np.ndarray:
    """One image file as RGB, uint8 (h, w, 3), resized and cropped. Raises DataError for a file that is no image.

    The orientation in EXIF is not applied, as in Pillow, torchvision and timm, whose accuracies are published.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except Exception as error:  # Pillow raises half a dozen kinds for damaged files
        raise DataError(
            "an image cannot be read",
            where=where,
            found=first_line(error),
            expected="an image that Pillow reads",
            remedy="copy it again, or remove it from the dataset",
        ) from error
    return np.asarray(apply_geometry(picture, preprocess))


def _rebatched(parts: Iterator[Images], size: int) -> Iterator[Images]:
    """The same images in batches of `size`."""
    waiting: list[Images] = []
    count = 0
    for part in parts:
        if waiting and part.shape[1:] != waiting[0].shape[1:]:
            raise ModelError(
                "the images are of different sizes and the model's preprocessing does not make them equal",
                found=f"{waiting[0].shape[1:3]} and {part.shape[1:3]}",
                expected="one size for all after resize and crop",
                remedy="give the model a preprocess with crop: (and resize:)",
            )
        waiting.append(part)
        count += len(part)
        while count >= size:
            joined = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            yield joined[:size]
            waiting, count = ([joined[size:]], count - size) if count > size else ([], 0)
    if count:
        yield np.concatenate(waiting)
