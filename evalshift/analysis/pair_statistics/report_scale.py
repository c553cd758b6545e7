"""The scale that tests run on: the report's, or the one on which the line predicts far better models left out of it."""

from evalshift.analysis.statistics.scale_choice import ScaleFit, best_scale

# Where the leave-one-out error on the report's scale is this many times that on the best one, the line does not fit.
_MUCH_WORSE = 1.5
# Of leave-one-out errors this small, in accuracy, neither speaks against the line.
_EXACT = 1e-4


def better_scale(fits: tuple[ScaleFit, ...], chosen: str) -> str:
    """The chosen scale, or the one with the least leave-one-out error where that is less than 1/1.5 of the chosen's.

    The chosen one with fewer than five models, of whose errors one model decides, and where its error is below 0.01
    points.
    """
    error = {fit.scale: fit.rms_error for fit in fits}
    best = best_scale(fits, otherwise=chosen)
    return best if error[chosen] > max(_MUCH_WORSE * error[best], _EXACT) else chosen
