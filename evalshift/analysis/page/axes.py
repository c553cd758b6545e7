"""Positions of accuracies on the axes of the page, and the percentages at their ticks."""

from collections.abc import Sequence

import numpy as np

from evalshift.analysis.plot_data.scatter import position

# Percentages for ticks on a curved axis: coarse, and finer ones when zoomed in.
_TICKS = (
    (0.1, 1, 5, 10, 20, 30, 50, 70, 80, 90, 95, 99, 99.9),
    (0.01, 0.1, 0.5, 1, 2, *range(5, 100, 5), 98, 99, 99.5, 99.9, 99.99),
    (0.01, 0.1, *range(1, 100), 99.2, 99.4, 99.6, 99.8, 99.9, 99.99),
    tuple(np.round(np.arange(0.1, 100, 0.1), 1).tolist()),
)


def limits(*parts: np.ndarray, margin: float = 0.04) -> tuple[float, float]:
    """Limits shared by both axes: all finite values, with a margin."""
    values = np.concatenate([part.ravel() for part in parts])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    beyond = margin * (high - low) if high > low else 0.5
    return low - beyond, high + beyond


def ticks(scale: str) -> list[list[list]]:
    """Ticks of a curved axis: increasingly fine levels, each with positions and texts; none for a linear axis."""
    if scale == "linear":
        return []
    return [
        [
            np.round(position(np.array(percents), scale), 5).tolist(),
            [f"{percent:g}" for percent in percents],
        ]
        for percents in _TICKS
    ]


def within(values: np.ndarray, span: Sequence[float]) -> np.ndarray:
    """Clip values, infinite ones too, to the limits."""
    return np.clip(values, span[0], span[1])
