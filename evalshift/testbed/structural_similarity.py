"""Structural similarity (SSIM) of images of one size, and the nearest images by it."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch.nn import functional

from evalshift.errors import UsageError
from evalshift.testbed.nearest import Neighbours, candidates

# As in scikit-image: a uniform window of 7 × 7 pixels, sample covariances, K₁ = 0.01 and K₂ = 0.03.
WINDOW = 7
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SAMPLE = WINDOW**2 / (WINDOW**2 - 1)
_PAIRS = 2000


def structural_similarity(
    one: UInt8[np.ndarray, "n h w c"], other: UInt8[np.ndarray, "n h w c"], device: torch.device | str = "cpu"
) -> Float[np.ndarray, " n"]:
    """SSIM of each of n pairs of images, from −1 to 1; 1 for equal images.

    The mean over all windows that lie inside the image, and over the channels. UsageError for images with fewer than
    7 pixels on a side.
    Source: Wang, Bovik, Sheikh and Simoncelli 2004. The same as scikit-image's `structural_similarity` with
    `channel_axis=-1, data_range=255` in tests/testbed/test_structural_similarity.py.
    """
    _check(one)
    parts = [
        _similarity(_pixels(one[start : start + _PAIRS], device), _pixels(other[start : start + _PAIRS], device))
        for start in range(0, len(one), _PAIRS)
    ]
    return torch.cat(parts).double().cpu().numpy()


def most_similar(
    queries: UInt8[np.ndarray, "n h w c"],
    references: UInt8[np.ndarray, "m h w c"],
    k: int,
    among: int | None = 100,
    *,
    places: Int[np.ndarray, "n p"] | None = None,
    same: bool = False,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> Neighbours:
    """The k references most similar to each query; their distance is 1 − SSIM.

    among   SSIM is computed for so many references per query, half of them the nearest by pixels, half by pixels that
            were normalised by the mean and standard deviation of their window; None for all references
    places  positions of the references of each query for which it is computed instead, each once
    same    both are the same images; none is its own neighbour
    advance is told of every n queries done in each of the passes: one without `among` or with `places`, else three
    Sources: Recht et al. 2019, appendices B.2.2 and C.1.4, which also restricted SSIM to some of the references.
    """
    _check(queries)
    if not 1 <= k <= len(references) - same:
        raise UsageError("invalid number of neighbours", found=k, expected=f"1 to {len(references) - same:,}")
    position, distance = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k))

    def keep(row: int, places: np.ndarray, similarity: np.ndarray) -> None:
        order = np.argsort(-similarity, kind="stable")[:k]
        position[row], distance[row] = places[order], np.maximum(1 - similarity[order], 0)

    if places is None and among is None:
        every = np.arange(len(references))
        for row, query in enumerate(queries):
            others = every[every != row] if same else every
            keep(row, others, _to_all(query, references, others, device))
            advance(1)
        return Neighbours(position, distance)
    chosen = (
        _chosen(queries, references, max(k, ((among or 0) + 1) // 2), same, device, advance)
        if places is None
        else places
    )
    together = max(1, _PAIRS // chosen.shape[1])
    for start in range(0, len(queries), together):
        rows = range(start, min(start + together, len(queries)))
        some = [np.unique(chosen[row]) for row in rows]
        asked = np.repeat(queries[start : rows.stop], [len(one) for one in some], axis=0)
        found = structural_similarity(asked, references[np.concatenate(some)], device)
        for row, near, similarity in zip(rows, some, np.split(found, np.cumsum(list(map(len, some)))), strict=False):
            keep(row, near, similarity)
        advance(len(rows))
    return Neighbours(position, distance)


def _chosen(
    queries: np.ndarray,
    references: np.ndarray,
    half: int,
    same: bool,
    device: torch.device | str,
    advance: Callable[[int], None],
) -> Int[np.ndarray, "n c"]:
    """The `half` nearest by pixels and as many by normalised pixels, some of them twice."""
    by_pixels = candidates(_rows(queries), _rows(references), half, same=same, device=device, advance=advance)
    structure = [_structure(images, device) for images in (queries, references)]
    by_structure = candidates(structure[0], structure[1], half, same=same, device=device, advance=advance)
    return np.concatenate([by_pixels, by_structure], axis=1)


def _to_all(
    query: np.ndarray, references: np.ndarray, places: Int[np.ndarray, " p"], device: torch.device | str
) -> Float[np.ndarray, " p"]:
    asked = _pixels(query[None], device)
    parts = [
        _similarity(asked, _pixels(references[places[start : start + _PAIRS]], device))
        for start in range(0, len(places), _PAIRS)
    ]
    return torch.cat(parts).double().cpu().numpy()


def _check(images: np.ndarray) -> None:
    if min(images.shape[1:3]) < WINDOW:
        raise UsageError(
            "these images are too small for structural similarity",
            found=f"{images.shape[1]} × {images.shape[2]} pixels",
            expected=f"at least {WINDOW} × {WINDOW}",
        )


def _rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _pixels(images: np.ndarray, device: torch.device | str) -> torch.Tensor:
    """Shape (n, c, h, w), less 128, so that squares lose less to rounding."""
    return torch.from_numpy(images.astype(np.float32)).to(device).permute(0, 3, 1, 2) - 128


def _mean(values: torch.Tensor, padding: int = 0) -> torch.Tensor:
    """The mean over each window; with `padding`, borders are reflected.

    Two products with banded matrices: several times as quick on a CPU as pooling is.
    """
    if padding:
        values = functional.pad(values, (padding,) * 4, mode="reflect")
    rows, columns = (_windows(size, values.device) for size in values.shape[-2:])
    return rows @ (values @ columns.T)


@cache
def _windows(size: int, device: torch.device) -> torch.Tensor:
    """Row k has 1 / 7 in columns k to k + 6, shape (size − 6, size)."""
    places = torch.arange(size, device=device)
    starts = torch.arange(size - WINDOW + 1, device=device)[:, None]
    return ((places >= starts) & (places < starts + WINDOW)).float() / WINDOW


def _similarity(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    mean_x, mean_y = _mean(x), _mean(y)
    variance_x = _SAMPLE * (_mean(x * x) - mean_x**2)
    variance_y = _SAMPLE * (_mean(y * y) - mean_y**2)
    covariance = _SAMPLE * (_mean(x * y) - mean_x * mean_y)
    mean_x, mean_y = mean_x + 128, mean_y + 128
    top = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return (top / ((mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2))).mean(dim=(1, 2, 3))


def _structure(images: np.ndarray, device: torch.device | str) -> UInt8[np.ndarray, "n d"]:
    """Each pixel less the mean of its window, over its standard deviation: what SSIM compares beside brightness.

    In steps of 1/18, 128 for 0: it lies between -6.93 and 6.93 (the root of 48), and bytes are compared quickly.
    """
    found = np.empty((len(images), images[0].size), np.uint8)
    for start in range(0, len(images), _PAIRS):
        x = _pixels(images[start : start + _PAIRS], device)
        mean = _mean(x, WINDOW // 2)
        variance = (_mean(x * x, WINDOW // 2) - mean**2).clamp(min=0)
        steps = ((x - mean) / (variance + _C2).sqrt() * 18 + 128).round().clamp(0, 255)
        found[start : start + len(x)] = steps.to(torch.uint8).reshape(len(x), -1).cpu().numpy()
    return found
