"""Nearest neighbours by Euclidean distance, exact, in blocks: neither all distances nor all pixels stand in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from evalshift.errors import UsageError

# Rows of queries and of references whose distances stand in memory at once: 80 MB.
_QUERIES, _REFERENCES = 1000, 5000
# Products of whole numbers from -128 to 127 stay exact in float32 over so many columns: 1024 · 128² = 2²⁴.
_EXACT_COLUMNS = 1024
# Neighbours found in float32 beyond those asked for, before distances of features are computed in float64.
_SPARE = 16


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest references of each of n queries, nearest first; of equally near ones the first in order.

    position  of the references, shape (n, k)
    distance  shape (n, k), never negative
    """

    position: Int[np.ndarray, "n k"]
    distance: Float[np.ndarray, "n k"]


def nearest(
    queries: Shaped[np.ndarray, "n d"],
    references: Shaped[np.ndarray, "m _"],
    k: int,
    *,
    same: bool = False,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> Neighbours:
    """The k nearest rows of `references` to each row of `queries` by Euclidean distance.

    uint8 rows are compared exactly: their products are whole numbers that float32 holds, summed in float64. Rows of
    floats are searched for in float32 and their distances computed in float64.
    same     both are the same rows; none is its own neighbour
    advance  is told of every n queries done
    Raises UsageError where there are fewer than k references, or where rows differ in length or type.
    Source of the use: Recht et al. 2019, appendices B.2.2 and C.1.4.

    >>> found = nearest(np.array([[0, 0]], np.uint8), np.array([[9, 9], [3, 4]], np.uint8), 1)
    >>> found.position.tolist(), found.distance.tolist()
    ([[1]], [[5.0]])
    """
    _check(queries, references, k, same)
    whole = queries.dtype == np.uint8
    kept = min(len(references) - same, k + (0 if whole else _SPARE))
    position, squared = _search(queries, references, kept, same, device, advance)
    if not whole:
        squared = _in_float64(queries, references, position)
    order = np.lexsort((position, squared), axis=1)[:, :k]
    return Neighbours(
        np.take_along_axis(position, order, 1), np.sqrt(np.maximum(np.take_along_axis(squared, order, 1), 0))
    )


def candidates(
    queries: Shaped[np.ndarray, "n d"],
    references: Shaped[np.ndarray, "m _"],
    k: int,
    *,
    same: bool = False,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> Int[np.ndarray, "n k"]:
    """Positions of the k nearest as `nearest` finds them, or all where there are fewer; of floats up to rounding."""
    kept = min(k, len(references) - same)
    _check(queries, references, kept, same)
    return _search(queries, references, kept, same, device, advance)[0]


def _search(
    queries: np.ndarray,
    references: np.ndarray,
    kept: int,
    same: bool,
    device: torch.device | str,
    advance: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    position = np.zeros((len(queries), kept), np.int64)
    squared = np.full((len(queries), kept), np.inf)
    for rows, first in _blocks(len(queries), _QUERIES):
        asked = _on(queries[rows], device)
        for columns, start in _blocks(len(references), _REFERENCES):
            block = _squared(asked, _on(references[columns], device))
            if same:
                _exclude_self(block, first, start)
            _keep_nearest(position[rows], squared[rows], block, start)
        advance(rows.stop - rows.start)
    return position, squared


def _check(queries: np.ndarray, references: np.ndarray, k: int, same: bool) -> None:
    if queries.shape[1] != references.shape[1] or queries.dtype != references.dtype:
        raise UsageError(
            "these images cannot be compared",
            found=f"{queries.shape[1]:,} values of {queries.dtype}, {references.shape[1]:,} of {references.dtype}",
            expected="images of one size, or features of one model",
        )
    if not 1 <= k <= len(references) - same:
        raise UsageError("invalid number of neighbours", found=k, expected=f"1 to {len(references) - same:,}")


def _blocks(count: int, size: int) -> Iterator[tuple[slice, int]]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count)), start


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows in float32, centred where they are pixels, and their squared lengths."""

    values: torch.Tensor
    lengths: torch.Tensor
    step: int


def _on(rows: np.ndarray, device: torch.device | str) -> _Rows:
    values = torch.from_numpy(rows.astype(np.float32)).to(device)
    whole = rows.dtype == np.uint8
    if whole:
        values -= 128
    lengths = values.double().square().sum(dim=1)
    return _Rows(values, lengths, _EXACT_COLUMNS if whole else max(1, values.shape[1]))


def _squared(asked: _Rows, given: _Rows) -> torch.Tensor:
    """|x|² + |y|² − 2 x·y in float64."""
    block = asked.lengths[:, None] + given.lengths[None, :]
    for start in range(0, asked.values.shape[1], asked.step):
        columns = slice(start, start + asked.step)
        block.sub_(asked.values[:, columns] @ given.values[:, columns].T, alpha=2)
    return block


def _exclude_self(block: torch.Tensor, first: int, start: int) -> None:
    rows = torch.arange(len(block), device=block.device)
    columns = rows + first - start
    inside = (columns >= 0) & (columns < block.shape[1])
    block[rows[inside], columns[inside]] = torch.inf


def _keep_nearest(position: np.ndarray, squared: np.ndarray, block: torch.Tensor, start: int) -> None:
    """Merge the nearest of one block into those found so far, in place."""
    k = min(position.shape[1], block.shape[1])
    found, places = torch.topk(block, k, dim=1, largest=False)
    # Of columns as near as the last one taken, topk takes any.
    for row in torch.nonzero((block <= found.amax(dim=1, keepdim=True)).sum(dim=1) > k)[:, 0].tolist():
        places[row] = torch.argsort(block[row], stable=True)[:k]
        found[row] = block[row, places[row]]
    both = np.concatenate([squared, found.cpu().numpy()], axis=1)
    where = np.concatenate([position, places.cpu().numpy() + start], axis=1)
    order = np.lexsort((where, both), axis=1)[:, : position.shape[1]]
    squared[:] = np.take_along_axis(both, order, 1)
    position[:] = np.take_along_axis(where, order, 1)


def _in_float64(queries: np.ndarray, references: np.ndarray, position: np.ndarray) -> np.ndarray:
    squared = np.empty(position.shape)
    for row, places in enumerate(position):
        squared[row] = np.square(references[places].astype(np.float64) - queries[row].astype(np.float64)).sum(axis=1)
    return squared
