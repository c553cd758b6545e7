"""What the decomposition of the drop shows, in print and on the page: one panel per term, in points."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.plot_data.ordering import first_of
from evalshift.analysis.statistics.drop_decomposition import BOUND_LEVELS
from evalshift.analysis.summary import MetricSummary


@dataclass(frozen=True, eq=False)
class TermPlot:
    """One term of the drop of m models, in points.

    key          "adaptivity", "distribution", "generalization", "shared" or "own"
    title        the term
    bars         what its intervals are
    estimate     NaN where it is not known; 0 for sampling error
    low, high    its interval
    wide         a wider interval, of sampling error alone
    """

    key: str
    title: str
    bars: str
    estimate: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    wide: tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]] | None = None

    @property
    def span(self) -> tuple[float, float]:
        """From the smallest to the largest value of any model, 0 included."""
        parts = np.concatenate([[0.0], self.estimate, self.low, self.high, *(self.wide or ())])
        return float(np.nanmin(parts)), float(np.nanmax(parts))


@dataclass(frozen=True, eq=False)
class DecompositionPlot:
    """The drops of m models, term by term, in the order of the table.

    names         titles of the models
    accuracy      original accuracy in percent
    drop          points
    by_cause      adaptivity, where fresh images measure it, distribution shift, and sampling error of the new set
    rows          row numbers of the models in the whole table
    highlighted   which of them are highlighted
    across        what the line of the other models predicts, and the model's own part; empty where no line is known
    """

    names: tuple[str, ...]
    accuracy: Float[np.ndarray, " m"]
    drop: Float[np.ndarray, " m"]
    by_cause: tuple[TermPlot, ...]
    across: tuple[TermPlot, ...]
    rows: Int[np.ndarray, " m"]
    highlighted: Bool[np.ndarray, " m"]

    @property
    def terms(self) -> tuple[TermPlot, ...]:
        """All panels, left to right."""
        return (*self.by_cause, *self.across)


def decomposition_plot(metric: MetricSummary, most: int | None = None) -> DecompositionPlot:
    """The decomposition of the first `most` models of the table, highlighted ones among them, or of all."""
    frame = metric.tables["decomposition"].frame
    rows = first_of(len(frame), most or len(frame), np.flatnonzero(metric.highlighted).tolist())
    frame = frame.iloc[rows]
    table = metric.table.set_index("model").loc[frame["model"]]
    level = f"{100 * metric.level:g} % CI"

    def term(key: str, title: str) -> TermPlot:
        estimate, low, high = (100 * frame[name].to_numpy(float) for name in (key, f"{key}_low", f"{key}_high"))
        return TermPlot(key, title, level, estimate, low, high)

    def sampling() -> TermPlot:
        (low, high), wide = (
            (
                100 * frame[f"generalization_{100 * bound:g}_low"].to_numpy(float),
                100 * frame[f"generalization_{100 * bound:g}_high"].to_numpy(float),
            )
            for bound in BOUND_LEVELS
        )
        words = " and ".join(f"{100 * bound:g} %" for bound in BOUND_LEVELS)
        return TermPlot("generalization", "Sampling error", words, np.zeros(len(frame)), low, high, wide)

    fresh = bool(frame["fresh"].any())
    causes = [term("adaptivity", "Adaptivity")] if fresh else []
    causes.append(term("distribution", "Distribution shift" if fresh else "Distribution shift or adaptivity"))
    across = [term("shared", "Shared by all models"), term("own", "Own: effective robustness")]
    return DecompositionPlot(
        names=tuple(table["title"]),
        accuracy=100 * table["original_accuracy"].to_numpy(float),
        drop=100 * frame["drop"].to_numpy(float),
        by_cause=(*causes, sampling()),
        rows=rows,
        highlighted=metric.highlighted[rows],
        across=tuple(one for one in across if np.isfinite(one.estimate).any()),
    )
