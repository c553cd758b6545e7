"""What the heat map of agreement shows, in print and on the page."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.ordering import alike_first, first_of
from evalshift.analysis.summary import MetricSummary


@dataclass(frozen=True, eq=False)
class AgreementPlot:
    """Pairwise agreement of m models, ordered so that similar models are next to each other.

    models    their titles, ordered by similarity on the original set
    values    "original" and "new" -> agreement of every two models, NaN where it is not defined
    rows      their row numbers in the table of all models
    highlighted  which of them are highlighted
    is_share  whether values are shares of images with the same top-1 prediction, in [0, 1]; else Cohen's κ, at most 1
    """

    models: tuple[str, ...]
    values: dict[str, Float[np.ndarray, "m m"]]
    is_share: bool
    highlighted: Bool[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]

    @property
    def what(self) -> str:
        """Name of the values, in lower case."""
        return "share of images with the same top-1 prediction" if self.is_share else "error consistency (Cohen's κ)"

    @property
    def least(self) -> float:
        """The smallest agreement of two different models on either set."""
        return float(np.nanmin([matrix[np.triu_indices(len(matrix), k=1)] for matrix in self.values.values()]))

    @property
    def span(self) -> tuple[float, float]:
        """Range of the colours: from the smallest agreement of two different models on either set to the largest.

        It ends at 1 where that makes it less than a third longer. One model that is unlike all others is left out where
        the range to 1 would be a quarter longer for it alone. Values outside are drawn as its ends, among them the
        agreement of each model with itself. Starts at 0 if all agree fully.
        """
        least, most = self.least, self._most
        if len(self.models) > 3:
            without = max(self._least_without(model) for model in range(len(self.models)))
            least = without if 1 - without < 0.8 * (1 - least) else least
        if least == 1:
            return (0.0, 1.0)
        return (least, 1.0 if least == most or 1 - most < (most - least) / 3 else most)

    @property
    def _most(self) -> float:
        return float(np.nanmax([matrix[np.triu_indices(len(matrix), k=1)] for matrix in self.values.values()]))

    def _least_without(self, model: int) -> float:
        rest = np.delete(np.arange(len(self.models)), model)
        above = np.triu_indices(len(rest), k=1)
        return float(np.nanmin([matrix[np.ix_(rest, rest)][above] for matrix in self.values.values()]))


@or_none
def agreement_plot(metric: MetricSummary, most: int) -> AgreementPlot | None:
    """The best `most` models, highlighted ones among them: agreement of top-1 predictions, or for top-5 of correctness.

    None for fewer than three models, and where κ is undefined for every pair on a set (no model makes an error).
    """
    found = {}
    for side, statistics in (("original", metric.statistics.original), ("new", metric.statistics.new)):
        pairs = require(require(statistics).pairs)
        found[side] = pairs.consistency.kappa if pairs.agreement is None else pairs.agreement
    models = metric.statistics.image_models
    rank = {model: place for place, model in enumerate(metric.table["model"])}
    best = np.array(sorted(range(len(models)), key=lambda place: rank[models[place]]), dtype=np.int64)
    marked = np.array([models[place] in metric.outcomes.highlighted for place in best], dtype=bool)
    first = best[first_of(len(best), most, np.flatnonzero(marked).tolist())]
    if len(first) < 3:
        return None
    order = first[alike_first(np.nan_to_num(found["original"][np.ix_(first, first)]))]
    values = {side: matrix[np.ix_(order, order)] for side, matrix in found.items()}
    apart = ~np.eye(len(order), dtype=bool)
    if not all(np.isfinite(matrix[apart]).any() for matrix in values.values()):
        return None
    return AgreementPlot(
        tuple(metric.titles.model(models[place]) for place in order),
        values,
        metric.outcomes.metric == "top1",
        np.array([models[place] in metric.outcomes.highlighted for place in order], dtype=bool),
        np.array([rank[models[place]] for place in order], dtype=np.int64),
    )
