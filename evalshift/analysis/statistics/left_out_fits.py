"""Least-squares fits without each model in turn, on one coordinate or several."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

# A model without which the fit is undefined has leverage 1.
_ALL_LEVERAGE = 1e-9
# Coordinates that differ by less than this share count as equal.
_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class LeftOutFits:
    """Fits of m values y on k coordinates; each model is compared with the fit to the other models.

    combination  row i gives the distance of model i from the fit without it: distance = combination @ y
    slope        of the fit to all models in it, shape (k,)
    slopes       of the fit without model i, shape (m, k)
    distance     of each model, shape (m,)
    residual     from the fit to all models in it, 0 for models that are not in it, shape (m,)
    leverage     of each model in that fit, 0 for the others, shape (m,)
    in_fit       which models are in the fit
    hat          residual = in_fit · y − hat @ y, shape (m, m)

    Rows are NaN for a model without which the fit is undefined.
    """

    combination: Float[np.ndarray, "m m"]
    slope: Float[np.ndarray, " k"]
    slopes: Float[np.ndarray, "m k"]
    distance: Float[np.ndarray, " m"]
    residual: Float[np.ndarray, " m"]
    leverage: Float[np.ndarray, " m"]
    in_fit: Bool[np.ndarray, " m"]
    hat: Float[np.ndarray, "m m"]

    @property
    def df(self) -> int:
        """Number of models in the fit minus number of parameters."""
        return int(self.in_fit.sum()) - self.slopes.shape[1] - 1


def left_out_fits(
    coordinates: Float[np.ndarray, "k m"], y: Float[np.ndarray, " m"], in_fit: Bool[np.ndarray, " m"]
) -> LeftOutFits | None:
    """The fit of y on the coordinates, and the fits without each of its models; None if the fit is undefined.

    Takes values of m models; models outside `in_fit` are in none of the fits.
    Source: R. D. Cook and S. Weisberg, Residuals and Influence in Regression, 1982, section 2.2 (fits without a case
    from the fit with it).

    >>> found = left_out_fits(np.array([[0.0, 1, 2, 3]]), np.array([0.0, 1, 2, 4]), np.ones(4, bool))
    >>> found.distance.round(3), found.slopes[:, 0].round(3)
    (array([ 0.667, -0.143, -0.571,  1.   ]), array([1.5  , 1.286, 1.357, 1.   ]))
    """
    models = len(y)
    if not in_fit.any() or (np.ptp(coordinates[:, in_fit], axis=1) == 0).any():
        return None
    design = np.stack([np.ones(models), *(x - x[in_fit].mean() for x in coordinates)], axis=1)
    inside = in_fit[:, np.newaxis] * design
    scale = np.sqrt(np.sum(inside**2, axis=0))
    if np.linalg.matrix_rank(inside / scale, _RANK) < len(scale):
        return None
    inverse = np.linalg.inv(inside.T @ inside)
    solve = inverse @ inside.T
    hat = design @ solve
    value = solve @ y
    apart = y - design @ value
    leverage = np.where(in_fit, np.diag(hat), 0.0)
    left = 1 - leverage
    left[left < _ALL_LEVERAGE] = np.nan
    combination = (np.eye(models) - hat) / left[:, np.newaxis]
    places = np.flatnonzero(np.isfinite(left))
    combination[places, places] = 1  # exactly 0, not up to rounding
    distance = apart / left
    without = value[np.newaxis, 1:] - in_fit[:, np.newaxis] * (design @ inverse)[:, 1:] * distance[:, np.newaxis]
    return LeftOutFits(
        combination, value[1:], without, distance, in_fit * apart, leverage, in_fit, in_fit[:, np.newaxis] * hat
    )
