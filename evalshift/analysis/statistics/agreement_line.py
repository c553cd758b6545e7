"""New accuracies estimated without labels, from the agreement of models (ALine)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from evalshift.analysis.statistics.scales import check_accuracies, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted


@dataclass(frozen=True, eq=False)
class AgreementLine:
    """New accuracies estimated without labels from the agreement of models; see `agreement_line`.

    slope, offset, r2   of the line of new on original agreement over pairs of models, on the probit scale
    pairs               number of pairs used for the line and the estimates
    aline_s, aline_d    new accuracy of each model by ALine-S and ALine-D, fractions; aline_d is NaN for models whose
                        pairs do not determine it
    """

    slope: float
    offset: float
    r2: float
    pairs: int
    aline_s: Float[np.ndarray, " m"]
    aline_d: Float[np.ndarray, " m"]


def agreement_line(
    original_accuracy: Float[np.ndarray, " m"],
    original_agreement: Float[np.ndarray, "m m"],
    new_agreement: Float[np.ndarray, "m m"],
    *,
    within: tuple[float, float] = (0.05, 0.98),
) -> AgreementLine:
    """Estimate the accuracy of each model on a new set without its labels, from how the models agree on both sets.

    Takes accuracies on the original set, inside (0, 1), and the agreement of all pairs on both sets (`agreement`).
    Pairs whose agreement on either set lies outside `within` are left out. Least squares of new on original agreement
    on the probit scale gives slope and offset. The method assumes that accuracy lies on the same line as agreement.
    ALine-S reads each model's new accuracy from that line. ALine-D solves the equations of all pairs for all models at
    once, by least squares: mean probit new accuracy of the two = probit new agreement + slope · (mean probit original
    accuracy − probit original agreement).
    Raises AnalysisError if fewer than 2 different agreements are left, and ValueError for matrices that are not
    symmetric, values outside [0, 1], accuracies of 0 or 1, and sizes that differ.
    Source: Baek, Jiang, Raghunathan, Kolter 2022, NeurIPS, arXiv 2206.13089, section 5; `within` as in the authors'
    released code.
    """
    _check_agreements(original_accuracy, original_agreement, new_agreement, within)
    original, new = (_probit_where(matrix, within) for matrix in (original_agreement, new_agreement))
    used = np.triu(~np.isnan(original) & ~np.isnan(new), k=1)
    x, y = original[used], new[used]
    _check_line(x, y, within)
    fit: Any = stats.linregress(x, y)
    accuracy = to_scale(original_accuracy, "probit")
    surplus = (accuracy[:, np.newaxis] + accuracy) / 2 - original
    said = np.where(used | used.T, new + fit.slope * surplus, 0)
    return AgreementLine(
        slope=float(fit.slope),
        offset=float(fit.intercept),
        r2=float(fit.rvalue**2) if np.ptp(y) > 0 else math.nan,
        pairs=len(x),
        aline_s=from_scale(fit.slope * accuracy + fit.intercept, "probit"),
        aline_d=from_scale(_of_each_model(said, used | used.T), "probit"),
    )


def _probit_where(agreements: np.ndarray, within: tuple[float, float]) -> np.ndarray:
    kept = (agreements >= within[0]) & (agreements <= within[1])
    return to_scale(np.where(kept, agreements, np.nan), "probit")


def _of_each_model(said: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Least squares for w from (w_i + w_j)/2 = said_ij over the used pairs; NaN where these do not determine w_i.

    The normal equations are small: each model's number of pairs on the diagonal, and 1 for each pair off it.
    """
    equations = used + np.diag(used.sum(axis=1))
    inverse = np.linalg.pinv(equations.astype(np.float64), hermitian=True)
    determined = np.isclose(np.diagonal(inverse @ equations), 1)
    return np.where(determined, inverse @ (2 * said.sum(axis=1)), np.nan)


def _check_agreements(accuracy: np.ndarray, original: np.ndarray, new: np.ndarray, within: tuple[float, float]) -> None:
    if not 0 < within[0] < within[1] < 1:
        raise ValueError(f"within: found {within}; expected two rising fractions between 0 and 1")
    check_accuracies(accuracy, "original_accuracy")
    endless = (accuracy == 0) | (accuracy == 1)
    if endless.any():
        first = int(np.argmax(endless))
        raise ValueError(
            f"original_accuracy[{first}]: found {accuracy[first]}, which is infinite on the probit scale; "
            "expected a fraction between 0 and 1 (scales.fitted_accuracy gives one)"
        )
    for name, matrix in (("original_agreement", original), ("new_agreement", new)):
        if matrix.shape != (len(accuracy), len(accuracy)):
            raise ValueError(
                f"{name}: found shape {matrix.shape} for {len(accuracy)} accuracies; expected one row each"
            )
        check_accuracies(matrix, name)
        if not np.array_equal(matrix, matrix.T, equal_nan=True):
            raise ValueError(
                f"{name}: found a matrix that is not symmetric; expected the same agreement for i, j and j, i"
            )


def _check_line(original: np.ndarray, new: np.ndarray, within: tuple[float, float]) -> None:
    distinct = len(np.unique(original))
    if distinct < 2:
        raise AnalysisError(
            "no line of agreement can be fitted",
            where="line of new on original agreement, probit scale",
            found=f"{counted(len(original), 'pair')} of models with {counted(distinct, 'distinct agreement')} "
            f"from {within[0]:.4g} to {within[1]:.4g}",
            expected="at least 2 pairs that differ in agreement on the original set",
            fix="evaluate more models on both test sets",
        )
