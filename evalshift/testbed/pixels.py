"""What the pixels of a dataset are like: means, standard deviations and how often each intensity comes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.image_files import StoredImage, open_rgb
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

_TOGETHER = 256


@dataclass(frozen=True, eq=False)
class PixelStatistics:
    """All pixels of a dataset, whatever image they stand in: large images count for more, where sizes differ.

    histogram  how many pixels of each channel have each of the 256 intensities
    title      what figures and tables call the dataset; None where it has no other name
    """

    dataset: str
    images: int
    histogram: Int[np.ndarray, "c 256"]
    title: str | None = None

    def __repr__(self) -> str:
        mean = ", ".join(f"{value:.3f}" for value in self.mean)
        return f"PixelStatistics({self.dataset}: {self.images:,} image{'' if self.images == 1 else 's'}, mean {mean})"

    @property
    def channels(self) -> int:
        return len(self.histogram)

    @property
    def mean(self) -> Float[np.ndarray, " c"]:
        """The mean of each channel, black 0 and full intensity 1, as `preprocess: {mean: ...}` takes it."""
        return self.histogram @ np.arange(256) / self.histogram.sum(axis=1) / 255

    @property
    def std(self) -> Float[np.ndarray, " c"]:
        """The standard deviation of each channel over all pixels, on the same scale."""
        squares = self.histogram @ np.arange(256) ** 2 / self.histogram.sum(axis=1) / 255**2
        return np.sqrt(np.maximum(squares - self.mean**2, 0))

    @property
    def shares(self) -> Float[np.ndarray, "256"]:
        """Which share of all pixels, channels taken together, has each intensity."""
        return self.histogram.sum(axis=0) / self.histogram.sum()


def pixel_statistics(
    dataset: str | Dataset,
    workers: int = 2,
    advance: Callable[[int], None] = lambda _: None,
    *,
    registry: str | Path | Registry | None = None,
) -> PixelStatistics:
    """Compute exact intensity histograms, means and standard deviations of a dataset.

    dataset   a name in the registry, or a Dataset
    workers   threads that decode image files
    advance   called with the number of images done
    registry  a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift

    Image files are decoded as RGB.

    Raises DataError for a file that is not an image, UsageError for an unknown name.
    """
    if isinstance(dataset, str):
        known = registry if isinstance(registry, Registry) else load_registry(registry)
        entry = known.dataset(dataset)
        dataset = load_dataset(dataset, entry, known.class_space(entry.classes))
    histogram = None
    with ThreadPoolExecutor(workers) as pool:
        starts = range(0, len(dataset), _TOGETHER)
        for start, counts in zip(starts, pool.map(lambda start: _count(dataset, start), starts), strict=True):
            histogram = counts if histogram is None else histogram + counts
            advance(min(_TOGETHER, len(dataset) - start))
    assert histogram is not None  # a dataset without images is refused when it is made
    return PixelStatistics(dataset.name, len(dataset), histogram, dataset.title)


def _count(dataset: Dataset, start: int) -> Int[np.ndarray, "c 256"]:
    chosen = dataset.images[start : start + _TOGETHER]
    pieces = [np.asarray(chosen)] if isinstance(chosen, np.ndarray) else _decoded(chosen, dataset.name)
    counts = [
        np.stack([np.bincount(piece[..., channel].ravel(), minlength=256) for channel in range(piece.shape[-1])])
        for piece in pieces
    ]
    return np.sum(counts, axis=0)


def _decoded(images: Sequence[StoredImage], name: str) -> Iterator[np.ndarray]:
    for image in images:
        yield np.asarray(open_rgb(image, f"dataset {name}, {image}"))
