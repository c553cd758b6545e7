"""Multiple testing: p-values adjusted to control the family-wise error rate or the false discovery rate."""

import numpy as np
from jaxtyping import Float
from scipy import stats

METHODS = ("holm", "benjamini-hochberg")


def adjust(p_values: Float[np.ndarray, "*test"], method: str = "holm") -> Float[np.ndarray, "*test"]:
    """Adjusted p-values of a family of tests, to be compared with the significance level of a single test.

    "holm" controls the family-wise error rate, the probability of any false finding, under any dependence between
    tests. "benjamini-hochberg" controls the false discovery rate, the expected share of false findings among all
    findings, for tests that are independent or positively dependent. Takes p-values in [0, 1] of any shape and returns
    the same shape; no adjusted p-value is smaller than its p-value. NaN stays NaN and does not count as a test.
    Raises ValueError for a method not in `METHODS` and for the first p-value outside [0, 1].
    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70; Benjamini and Hochberg 1995, Journal of the
    Royal Statistical Society B 57(1), 289-300.

    >>> p_values = np.array([0.01, 0.04, 0.03, np.nan])
    >>> adjust(p_values), adjust(p_values, "benjamini-hochberg")
    (array([0.03, 0.06, 0.06,  nan]), array([0.03, 0.04, 0.04,  nan]))
    """
    if method not in METHODS:
        raise ValueError(f'method: found "{method}"; expected one of {", ".join(METHODS)}')
    _check_p_values(p_values)
    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        found = p_values[tested]
        adjusted[tested] = _holm(found) if method == "holm" else stats.false_discovery_control(found, method="bh")
    return adjusted


def adjust_pairs(p_values: Float[np.ndarray, "m m"], method: str = "holm") -> Float[np.ndarray, "m m"]:
    """Adjusted p-values of all pairs, from a symmetric matrix: each pair is one test and is counted once.

    Returns a symmetric matrix with NaN on the diagonal, whatever the diagonal of the input. Methods and errors as in
    `adjust`; also raises ValueError if the matrix is not symmetric.

    >>> p_values = np.array([[np.nan, 0.01, 0.04], [0.01, np.nan, 0.03], [0.04, 0.03, np.nan]])
    >>> adjust_pairs(p_values)
    array([[ nan, 0.03, 0.06],
           [0.03,  nan, 0.06],
           [0.06, 0.06,  nan]])
    """
    if not np.array_equal(p_values, p_values.T, equal_nan=True):
        raise ValueError("p_values: found a matrix that is not symmetric; expected the same p-value for i, j and j, i")
    above = np.triu_indices(len(p_values), k=1)
    adjusted = np.full(p_values.shape, np.nan)
    adjusted[above] = adjusted.T[above] = adjust(p_values[above], method)
    return adjusted


def _holm(p_values: np.ndarray) -> np.ndarray:
    # Own implementation: statsmodels' runs the garbage collector on every call, which takes longer than the rest of a
    # report.
    order = np.argsort(p_values)
    steps = np.arange(len(p_values), 0, -1) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def _check_p_values(p_values: np.ndarray) -> None:
    outside = (p_values < 0) | (p_values > 1)
    if outside.any():
        first = [int(i) for i in np.argwhere(outside)[0]]
        raise ValueError(f"p_values{first}: found {p_values[tuple(first)]}; expected a fraction from 0 to 1")
