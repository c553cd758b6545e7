"""Cluster-robust variances of a least-squares line or parabola, with small-sample correction and degrees of freedom."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# A cluster that alone determines a direction of the line leaves no residual in it: its share of the variance there is
# unknown, and 1 minus its leverage is 0 up to rounding.
_FULL_LEVERAGE = 1e-9


@dataclass(frozen=True, eq=False)
class ClusterRobust:
    """Least squares of y on the powers of x, with CR2 variances; see `cluster_robust`.

    coefficients   of the powers, from the 0th: offset, slope, ...
    residuals      of each of m points
    """

    coefficients: Float[np.ndarray, " k"]
    residuals: Float[np.ndarray, " m"]
    _combining: Float[np.ndarray, "k k"]
    _leverage: Float[np.ndarray, "cluster k k"]
    _adjustment: Float[np.ndarray, "cluster k k"]
    _scores: Float[np.ndarray, "cluster k"]

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self._scores)

    def variance(
        self, combinations: Float[np.ndarray, "combination k"]
    ) -> tuple[Float[np.ndarray, " combination"], Float[np.ndarray, " combination"]]:
        """CR2 variances of combinations of the coefficients, and their Bell–McCaffrey degrees of freedom.

        For a line, the row (1, x) is its value at x, and (0, 1) its slope.
        """
        adjusted = np.einsum("cij,kj->kci", self._adjustment, combinations @ self._combining)
        variance = np.einsum("kci,ci->kc", adjusted, self._scores) ** 2
        # Each cluster contributes the square of a linear combination of y. For independent points of equal variance,
        # these combinations have the covariance diag(norms) − U U', with one row of U per cluster.
        moved = np.einsum("cij,kcj->kci", self._leverage, adjusted)
        norms = np.sum(adjusted * moved, axis=2)
        trace = np.sum(norms, axis=1) - np.sum(moved**2, axis=(1, 2))
        together = np.einsum("kci,kcj->kij", moved, moved)
        squares = np.sum(norms**2, axis=1) - 2 * np.einsum("kc,kci,kci->k", norms, moved, moved)
        squares += np.sum(together**2, axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return variance.sum(axis=1), trace**2 / squares


def cluster_robust(
    x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"], group: Int[np.ndarray, " m"], degree: int = 1
) -> ClusterRobust:
    """Fit y on the powers of x up to `degree` by least squares, for points with correlated errors within groups.

    Takes more distinct x than the degree, and each point's group, numbered from 0. If every point is a group of its
    own, the variances are HC2, which allow for heteroscedastic errors. CR2 multiplies the residuals of group g by (I −
    H_g)^(−½), with H_g its block of the hat matrix, which makes the variance unbiased for independent errors of equal
    variance. Time and memory are linear in the number of points.
    Source: Bell and McCaffrey 2002, Survey Methodology 28(2), 169-181; Pustejovsky and Tipton 2018, Journal of Business
    and Economic Statistics 36(4), 672-683.
    """
    basis, triangle = np.linalg.qr(np.vander(x, degree + 1, increasing=True))
    projected = basis.T @ y
    residuals = y - basis @ projected
    clusters = int(group.max()) + 1
    leverage, scores = np.zeros((clusters, degree + 1, degree + 1)), np.zeros((clusters, degree + 1))
    np.add.at(leverage, group, basis[:, :, np.newaxis] * basis[:, np.newaxis])
    np.add.at(scores, group, basis * residuals[:, np.newaxis])
    return ClusterRobust(
        coefficients=np.linalg.solve(triangle, projected),
        residuals=residuals,
        _combining=np.linalg.inv(triangle),
        _leverage=leverage,
        _adjustment=_inverse_root(np.eye(degree + 1) - leverage),
        _scores=scores,
    )


def _inverse_root(matrices: np.ndarray) -> np.ndarray:
    """Inverse square roots of symmetric matrices; directions whose eigenvalue is 0 get 0."""
    values, vectors = np.linalg.eigh(matrices)
    kept = values > _FULL_LEVERAGE
    scale = np.where(kept, 1, 0) / np.sqrt(np.where(kept, values, 1))
    return np.einsum("cij,cj,ckj->cik", vectors, scale, vectors)
