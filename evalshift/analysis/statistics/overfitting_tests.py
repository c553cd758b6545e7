"""Trend over the years: whether later models are less accurate on the new set than original accuracy predicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.statistics.draws import batches, check_resamples, drawn_counts
from evalshift.analysis.statistics.scales import check_accuracies
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies

# In a resample, the part of year that original accuracy does not explain must exceed this share of that of all models;
# otherwise the coefficient is rounding error.
_DISTINCT = 1e-9


@dataclass(frozen=True)
class YearTrend:
    """Whether later models are less accurate on the new set than their original accuracy predicts.

    per_year   change of new accuracy per year at equal original accuracy, as a fraction
    p_value    one-sided, for the null hypothesis that it is 0 or more; NaN without resamples
    """

    per_year: float
    p_value: float
    resamples: int
    models: int


def year_trend(
    original_accuracy: Accuracies,
    new_accuracy: Accuracies,
    years: Sequence[int | float | None],
    *,
    resamples: int = 100_000,
    rng: np.random.Generator,
) -> YearTrend:
    """Test whether later models have lower new accuracy at equal original accuracy, by a bootstrap over models.

    Takes accuracies of m models as fractions, and their years; models without one (None or NaN) are left out. Original
    accuracy and year are correlated, so both are fitted at once, new = a + b · original + c · year, and c is tested; a
    test of the line's residuals would attribute their common effect to accuracy. Resamples in which the two are
    collinear count as no decline.
    Raises AnalysisError for fewer than four models with a year, and if accuracy or year is constant or the two are
    collinear; ValueError for accuracies outside [0, 1] and invalid lengths or resamples.
    Source: Recht et al. 2019, section 2.1 (later models were tuned more often).
    """
    check_resamples(resamples)
    check_accuracies(original_accuracy, "original_accuracy")
    check_accuracies(new_accuracy, "new_accuracy")
    if len(years) != len(original_accuracy):
        raise ValueError(
            f"years: found {len(years)} for {counted(len(original_accuracy), 'model')}; expected one per model"
        )
    year = np.array([np.nan if value is None else value for value in years], dtype=np.float64)
    known = np.isfinite(year)
    x, y, year = original_accuracy[known], new_accuracy[known], year[known]
    varied = len(x) > 3 and np.ptp(x) > 0 and np.ptp(year) > 0
    observed = _year_coefficients(x, y, year, np.ones((1, len(x))))[0] if varied else np.nan
    if np.isnan(observed):
        raise AnalysisError(
            "no trend over the years can be fitted",
            where="new accuracy on original accuracy and year",
            found=f"{counted(len(x), 'model')} with a year, of {counted(len(np.unique(year)), 'distinct year')}",
            expected="at least 4 models with a year, whose years and original accuracies are not collinear",
            fix="give the models of the registry their `year`",
        )
    kept = sum(
        int(np.sum(~(_year_coefficients(x, y, year, drawn_counts(rng, count, len(x))) < 0)))
        for count in batches(resamples, len(x))
    )
    return YearTrend(
        per_year=float(observed),
        p_value=(kept + 1) / (resamples + 1) if resamples else float("nan"),
        resamples=resamples,
        models=len(x),
    )


def _year_coefficients(x: np.ndarray, y: np.ndarray, year: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficient of year, given x, in weighted least squares, one for each row of weights; NaN where undefined."""
    columns = [v - v.mean() for v in (x, year, y)]
    total = weights.sum(axis=1)
    means = [weights @ v / total for v in columns]

    def together(i: int, j: int) -> np.ndarray:
        return weights @ (columns[i] * columns[j]) - total * means[i] * means[j]

    xx, tt, xt = together(0, 0), together(1, 1), together(0, 1)
    left = xx * tt - xt**2
    least = _DISTINCT * np.sum(columns[0] ** 2) * np.sum(columns[1] ** 2)
    coefficient = np.full_like(xx, np.nan)
    return np.divide(together(1, 2) * xx - together(0, 2) * xt, left, out=coefficient, where=left > least)
