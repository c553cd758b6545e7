"""Nearest neighbours by Euclidean distance, exact, in blocks: neither all distances nor all pixels stand in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8

from evalshift.errors import UsageError

# Rows of queries and of references that are compared at once: 80 MB of distances.
_QUERIES, _REFERENCES = 1000, 20_000
# Columns over which sums of products of whole numbers from -128 to 127 stay exact: in float32, 1024 · 128² = 2²⁴; in
# int32 also once they are doubled and added to, 32,768 · 128² = 2²⁹.
_EXACT_IN_FLOAT32, _EXACT_IN_INT32 = 1024, 32_768
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
    Raises UsageError where there are fewer than k references, where rows differ in length or type, or are not finite.
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


def nearest_among(
    queries: UInt8[np.ndarray, "n d"],
    references: UInt8[np.ndarray, "m d"],
    places: Int[np.ndarray, "n p"],
    k: int,
    *,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> Neighbours:
    """As `nearest` of uint8 rows, but among p references of each query, in whatever order.

    places  positions of these references, each once per query
    """
    position, squared = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    own = _lengths(queries, None)
    lengths = _lengths(references, None)
    for row, some in enumerate(places):
        given = _on(references[some], None, device)
        score = _score(_on(queries[row : row + 1], None, device), given, torch.from_numpy(lengths[some]).to(device))
        far = score[0].cpu().numpy().astype(np.float64) + own[row]
        order = np.lexsort((some, far))[:k]
        position[row], squared[row] = some[order], far[order]
        advance(1)
    return Neighbours(position, np.sqrt(squared))


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
    # Distances of centred features lose less to rounding.
    centre = None if references.dtype == np.uint8 else references.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = _lengths(references, centre)
    for rows, first in _blocks(len(queries), _QUERIES):
        asked = _on(queries[rows], centre, device)
        own = _lengths(queries[rows], centre)
        for columns, start in _blocks(len(references), _REFERENCES):
            given = _on(references[columns], centre, device)
            score = _score(asked, given, torch.from_numpy(lengths[columns]).to(device))
            if same:
                _exclude_self(score, first, start)
            _keep_nearest(position[rows], squared[rows], score, own, start)
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
    broken = (
        sum(int((~np.isfinite(rows).all(axis=1)).sum()) for rows in (queries, references)) if _floats(queries) else 0
    )
    if broken:
        raise UsageError(
            "features of some images are not finite",
            found=f"{broken:,} of {len(queries) + len(references):,} images",
            expected="finite numbers",
            fix="take features of another model",
        )


def _floats(rows: np.ndarray) -> bool:
    return np.issubdtype(rows.dtype, np.floating)


def _blocks(count: int, size: int) -> Iterator[tuple[slice, int]]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count)), start


def _lengths(rows: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
    """Squared lengths of rows less their centre, shape (n,): whole numbers of pixels, float32 of features."""
    kind = np.float32 if centre is not None else _score_type(rows.shape[1])
    found = np.empty(len(rows), kind)
    for part, _ in _blocks(len(rows), _QUERIES):
        if centre is None:
            values = rows[part].astype(np.int32) - 128
            found[part] = np.einsum("nd,nd->n", values, values, dtype=np.int64)
        else:
            found[part] = np.square(rows[part] - centre).sum(axis=1)
    return found


def _score_type(columns: int) -> type:
    return np.int32 if columns <= _EXACT_IN_INT32 else np.int64


def _on(rows: np.ndarray, centre: np.ndarray | None, device: torch.device | str) -> torch.Tensor:
    """Rows less their centre: of pixels int8, where their products are quick, else float32."""
    if centre is not None:
        return torch.from_numpy(rows.astype(np.float32) - centre).to(device)
    signed = torch.from_numpy((rows ^ 128).view(np.int8)).to(device)  # less 128
    return signed if _int8_products_are_exact(signed.device) else signed.float()


def _int8_products_are_exact(device: torch.device) -> bool:
    """Whether torch multiplies int8 on this device, several times as quickly as float32.

    Without these instructions, sums of products saturate at 16 bits. GPUs restrict the shapes.
    """
    supported = getattr(torch.cpu, "_is_vnni_supported", bool)  # neither name is public, so either may go
    return device.type == "cpu" and hasattr(torch, "_int_mm") and bool(supported())


def _int8_products(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch._int_mm(one, other)  # pyright: ignore[reportPrivateImportUsage]


def _score(asked: torch.Tensor, given: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """|y|² − 2 x·y: the squared distance less |x|², which does not change the order."""
    if lengths.is_floating_point():
        return torch.add(lengths[None, :], asked @ given.T, alpha=-2)
    score, whole = lengths[None, :], asked.dtype == torch.int8
    step = _EXACT_IN_INT32 if whole else _EXACT_IN_FLOAT32
    for start in range(0, asked.shape[1], step):
        one, other = asked[:, start : start + step], given[:, start : start + step].T
        products = _int8_products(one, other) if whole else (one @ other).to(torch.int32)
        score = torch.add(score, products, alpha=-2)
    return score


def _exclude_self(score: torch.Tensor, first: int, start: int) -> None:
    rows = torch.arange(len(score), device=score.device)
    columns = rows + first - start
    inside = (columns >= 0) & (columns < score.shape[1])
    score[rows[inside], columns[inside]] = _largest(score)


def _largest(score: torch.Tensor) -> float | int:
    return torch.inf if score.is_floating_point() else torch.iinfo(score.dtype).max


def _keep_nearest(
    position: np.ndarray, squared: np.ndarray, score: torch.Tensor, lengths: np.ndarray, start: int
) -> None:
    """Merge the nearest of one block into those found so far, in place."""
    limit = squared[:, -1] - lengths
    full = bool(np.isfinite(limit).all())
    rows, places = _nearer(score, limit) if full else _nearest_of_block(score, position.shape[1])
    found = score[rows, places].cpu().numpy().astype(np.float64)
    by_row = rows.cpu().numpy()
    _merge(position, squared, by_row, places.cpu().numpy() + start, found + lengths[by_row])


def _nearer(score: torch.Tensor, limit: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of all that are nearer than the last one kept; as near ones of a later block come after it."""
    kept = torch.from_numpy(limit).to(score)
    rows, places = torch.nonzero(score < kept[:, None], as_tuple=True)
    return rows, places


def _nearest_of_block(score: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the k nearest of each row, all where there are fewer."""
    k = min(k, score.shape[1])
    found, places = torch.topk(score, k, dim=1, largest=False)
    # Of columns as near as the last one taken, topk takes any.
    for row in torch.nonzero((score <= found.amax(dim=1, keepdim=True)).sum(dim=1) > k)[:, 0].tolist():
        places[row] = torch.argsort(score[row], stable=True)[:k]
    rows = torch.arange(len(score), device=score.device).repeat_interleave(k)
    return rows, places.reshape(-1)


def _merge(
    position: np.ndarray, squared: np.ndarray, rows: np.ndarray, places: np.ndarray, distances: np.ndarray
) -> None:
    """Put the nearest of those kept and of further ones, given by row, into `position` and `squared`."""
    count, k = position.shape
    row = np.concatenate([np.repeat(np.arange(count), k), rows])
    where = np.concatenate([position.ravel(), places])
    far = np.concatenate([squared.ravel(), distances])
    order = np.lexsort((where, far, row))
    rank = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    taken = order[rank < k]
    position[:], squared[:] = where[taken].reshape(count, k), far[taken].reshape(count, k)


def _in_float64(queries: np.ndarray, references: np.ndarray, position: np.ndarray) -> np.ndarray:
    squared = np.empty(position.shape)
    for row, places in enumerate(position):
        squared[row] = np.square(references[places].astype(np.float64) - queries[row].astype(np.float64)).sum(axis=1)
    return squared
