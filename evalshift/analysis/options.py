"""The choices that shape a report's numbers."""

from dataclasses import dataclass

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.statistics.scales import SCALES
from evalshift.errors import UsageError, did_you_mean

# Percentiles move by less than the third digit long before; memory and time grow on.
MOST_RESAMPLES = 10_000_000


@dataclass(frozen=True)
class Choices:
    """What a report is asked for; raises UsageError when one of them is out of its range.

    scale      "linear", "probit" or "logit", that of all statistics that need one
    metric     "top1" or "top5", the one that comes first
    level      of all intervals, in (0, 1)
    resamples  of the bootstraps, 0 for none
    seed       of the bootstraps
    """

    scale: str = "linear"
    metric: str = "top1"
    level: float = 0.95
    resamples: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        for word, value, allowed in (("scale", self.scale, SCALES), ("metric", self.metric, tuple(METRICS))):
            if value not in allowed:
                raise UsageError(
                    f"there is no such {word}",
                    found=f'"{value}"',
                    expected=", ".join(allowed),
                    remedy=did_you_mean(str(value), allowed),
                )
        for word, value, holds, expected in (
            ("level", self.level, 0 < self.level < 1, "a fraction between 0 and 1, such as 0.95"),
            (
                "number of resamples",
                self.resamples,
                self.resamples == 0 or 2 <= self.resamples <= MOST_RESAMPLES,  # a single one would pass for certainty
                f"0 for no intervals, or 2 to {MOST_RESAMPLES:,}",
            ),
            ("seed", self.seed, self.seed >= 0, "0 or more"),
        ):
            if not holds:
                raise UsageError(f"the {word} is out of range", found=value, expected=expected)
