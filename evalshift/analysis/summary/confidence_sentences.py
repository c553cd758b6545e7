"""What the probabilities of the first predictions show, as sentences."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.formatting import points, points_ci


@or_none
def calibration_sentence(statistics: Statistics) -> str | None:
    """Whether models are more over-confident on the new images; the models' mean and its change."""
    found = require(statistics.calibration)
    before, after, change = found.mean
    models, level = len(found.models), statistics.level
    low, high = float(change.interval.low[0]), float(change.interval.high[0])
    interval = f", {points_ci(low, high, level)}" if np.isfinite(low) else ""
    significant = int(np.sum(np.nan_to_num(found.p_holm, nan=1.0) < 1 - level))
    several = f"; {significant} of {models} change significantly (Holm)" if models > 1 else ""
    return (
        "Over-confidence (mean probability of the first prediction minus accuracy) is "
        f"{points(float(before.mean[0]))} points on the original set and {points(float(after.mean[0]))} points on the "
        f"new set{f', mean over {models} models' if models > 1 else ''} (change {points(float(change.change[0]))} "
        f"points{interval}){several}."
    )
