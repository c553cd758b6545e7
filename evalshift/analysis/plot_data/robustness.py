"""What the figures of effective robustness show, in print and on the page: distances in points."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.plot_data.ordering import both_ends
from evalshift.analysis.summary import MetricSummary


@dataclass(frozen=True, eq=False)
class RobustnessPlot:
    """Distances of m models from the line fitted without them, the highest above it first.

    rows           row numbers of the models in the table of all models
    names          their titles
    year           NaN where the registry gives none
    distance       points above the line; NaN where it is not given, as an extrapolated one smaller than its error
    low, high      its confidence interval; NaN where there is none
    usual_low, usual_high    the range in which such models scatter about the line
    extrapolated   whether the model is beyond the range of the models that its line is fitted to
    p_holm         for the null hypothesis that the model scatters as the others do; NaN where it is not tested
    highlighted    which of them are highlighted
    level          confidence level of the intervals; tests are at one minus this level
    """

    rows: Int[np.ndarray, " m"]
    names: np.ndarray
    year: Float[np.ndarray, " m"]
    distance: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    usual_low: Float[np.ndarray, " m"]
    usual_high: Float[np.ndarray, " m"]
    extrapolated: Bool[np.ndarray, " m"]
    p_holm: Float[np.ndarray, " m"]
    highlighted: Bool[np.ndarray, " m"]
    level: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def position(self) -> Float[np.ndarray, " m"]:
        """Where a model is among the others: its distance, or the middle of its interval where that is not given."""
        return np.where(np.isnan(self.distance), (self.low + self.high) / 2, self.distance)

    @property
    def significant(self) -> Bool[np.ndarray, " m"]:
        """Whose distance is statistically significant after Holm's adjustment."""
        return np.nan_to_num(self.p_holm, nan=1.0) < 1 - self.level

    def with_distance(self) -> "RobustnessPlot":
        """The same, limited to models whose distance is given."""
        return self._of(np.flatnonzero(np.isfinite(self.distance)))

    def farthest_first(self) -> "RobustnessPlot":
        """The same, sorted by the absolute distance, the largest first, without models whose distance is not given."""
        known = self.with_distance()
        return known._of(np.lexsort((known.rows, -np.abs(known.distance))))

    def ends(self, most: int) -> "RobustnessPlot":
        """The same, limited to the models at both ends and to highlighted ones if there are more than `most`."""
        return self._of(both_ends(len(self), most, np.flatnonzero(self.highlighted).tolist()))

    def with_year(self) -> "RobustnessPlot":
        """The same, limited to models whose year is known, in the order of the table of all models."""
        order = np.argsort(self.rows)
        return self._of(order[np.isfinite(self.year[order])])

    def _of(self, chosen: Int[np.ndarray, " k"]) -> "RobustnessPlot":
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "level"}
        return replace(self, **{name: value[chosen] for name, value in values.items()})


def robustness_plot(metric: MetricSummary) -> RobustnessPlot | None:
    """Effective robustness of all models that have a distance or its interval; None if there are none."""
    if "robustness" not in metric.tables:
        return None
    frame = metric.tables["robustness"].frame
    row_of = {model: row for row, model in enumerate(metric.table["model"])}
    rows = np.array([row_of[model] for model in frame["model"]], dtype=np.int64)

    def in_points(column: str) -> np.ndarray:
        return 100 * frame[column].to_numpy(float)

    found = RobustnessPlot(
        rows=rows,
        names=metric.table["title"].to_numpy(object)[rows],
        year=metric.table["year"].to_numpy(float, na_value=np.nan)[rows],
        distance=in_points("distance"),
        low=in_points("distance_low"),
        high=in_points("distance_high"),
        usual_low=in_points("usual_low"),
        usual_high=in_points("usual_high"),
        extrapolated=frame["extrapolated"].to_numpy(bool),
        p_holm=frame["p_holm"].to_numpy(float),
        highlighted=metric.highlighted[rows],
        level=metric.level,
    )
    order = np.argsort(-found.position, kind="stable")
    shown = order[np.isfinite(found.position[order])]
    return found._of(shown) if len(shown) else None
