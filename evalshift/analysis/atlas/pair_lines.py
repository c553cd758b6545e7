"""One pair of a published testbed: its line, the lines by training data, and each model's distance from them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.group_lines import GroupLines, group_lines
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
from evalshift.analysis.statistics.model_scatter import scatter_test
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary.published import published_outcomes
from evalshift.errors import AnalysisError
from evalshift.testbed.published import PublishedTestbed, load_published

# Accuracies of models trained on many kinds of data lie on a line there (Miller et al. 2021).
SCALE = "probit"
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class PairLines:
    """The m models of a pair, on the probit scale.

    x, y         original and new accuracies on the scale
    slope, offset  of the line through the models of the line; NaN where there are too few
    distance     new accuracy minus that on the line through the other models, a fraction; NaN without a line
    p_value, p_holm  of that distance, see `scatter_test`
    baseline     which models the publication fits its line to; in_line: these without outliers
    groups       the lines by training data; `group_distance` and `group_p_holm` as above, within the group
    """

    testbed: PublishedTestbed
    outcomes: Outcomes
    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    slope: float
    offset: float
    distance: Float[np.ndarray, " m"]
    p_value: Float[np.ndarray, " m"]
    p_holm: Float[np.ndarray, " m"]
    baseline: Bool[np.ndarray, " m"]
    in_line: Bool[np.ndarray, " m"]
    groups: GroupLines
    group_distance: Float[np.ndarray, " m"]

    @property
    def name(self) -> str:
        return f"{self.outcomes.original}:{self.outcomes.new}"

    @property
    def title(self) -> str:
        return self.outcomes.titles.pair(self.outcomes.original, self.outcomes.new)

    @property
    def off_line(self) -> Int[np.ndarray, " k"]:
        """Positions of the models significantly above or below the line (Holm), the farthest first."""
        with np.errstate(invalid="ignore"):
            off = np.flatnonzero(self.p_holm < 1 - LEVEL)
        return off[np.argsort(-np.abs(self.distance[off]), kind="stable")]

    def matched(self, model: int) -> MatchedModels | None:
        """The model at this position compared with models of equal original accuracy; None without line or others."""
        try:
            found = matched_models(
                self.outcomes.counts,
                in_line=self.baseline,
                of=np.array([model]),
                scale=SCALE,
                level=LEVEL,
            )
        except AnalysisError:
            return None
        return found if found.count[0] else None


@cache
def pair_lines(testbed: str, pair: str, metric: str = "top1") -> PairLines:
    """The lines of one pair of a published testbed; raises UsageError if nothing was published on it."""
    published = load_published(testbed)
    outcomes = published_outcomes(published, pair)[metric]
    original_correct, original_total, new_correct, new_total = outcomes.counts
    x = to_scale(fitted_accuracy(original_correct, original_total, SCALE), SCALE)
    y = to_scale(fitted_accuracy(new_correct, new_total, SCALE), SCALE)
    table = published.table_of(pair)
    baseline = outcomes.in_line(table.without if table else ())
    test = scatter_test(x, y, baseline=baseline, least_others=LEAST_LINE_MODELS)
    line = np.polyfit(x[test.in_line], y[test.in_line], 1) if test.in_line.sum() > LEAST_LINE_MODELS else [np.nan] * 2
    data = [outcomes.attributes[model].get("training_data") for model in outcomes.models]
    groups = group_lines(x, y, data, outcomes.families, LEVEL)
    accuracy = new_correct / new_total
    return PairLines(
        testbed=published,
        outcomes=outcomes,
        x=x,
        y=y,
        slope=float(line[0]),
        offset=float(line[1]),
        distance=accuracy - from_scale(y - test.distance, SCALE),
        p_value=test.p_value,
        p_holm=test.p_holm,
        baseline=baseline,
        in_line=test.in_line,
        groups=groups,
        group_distance=accuracy - from_scale(y - groups.distance, SCALE),
    )
