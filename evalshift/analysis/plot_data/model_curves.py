"""A curve per model on either set, such as reliability diagrams and risk–coverage curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.summary import MetricSummary
from evalshift.errors import unknown_name

# Curves that are drawn: more cannot be told from each other, and a page would be tens of megabytes longer.
MOST_CURVES = 100


@dataclass(frozen=True, eq=False)
class CurveSide:
    """The curves on one set, fractions throughout.

    x, y       of each model, NaN behind the end of a shorter curve
    together   x and y of the curve that stands for all models
    words      the figures of the set, for a title
    """

    x: Float[np.ndarray, "m _"]
    y: Float[np.ndarray, "m _"]
    together: Float[np.ndarray, "2 _"]
    words: str


@dataclass(frozen=True, eq=False)
class ModelCurves:
    """Curves of m models.

    titles   of the models, in the order of the table; `rows` are their positions in it
    sides    "original" and "new"
    labels   of the axes, in percent
    binned   whether a curve has a point per bin, few enough to be marked, and is compared with the diagonal
    models   that the curve of all together, and the words of a set, stand for: more than m where not all are drawn
    """

    titles: tuple[str, ...]
    rows: Int[np.ndarray, " m"]
    sides: dict[str, CurveSide]
    labels: tuple[str, str]
    binned: bool
    models: int

    @property
    def of_all(self) -> str:
        """Which models have a curve, for a caption; nothing where all have."""
        drawn = len(self.titles)
        return "" if drawn == self.models else f"curves of {drawn:,} of {self.models:,} models, from all ranks"

    def span(self, values: str) -> tuple[float, float]:
        """The least and the largest "x" or "y" of any model on either set."""
        found = [getattr(side, values) for side in self.sides.values()]
        return min(float(np.nanmin(one)) for one in found), max(float(np.nanmax(one)) for one in found)


def model_curves(
    metric: MetricSummary,
    places: Sequence[int],
    models: Sequence[str] | None,
    *,
    side: Callable[[Literal["original", "new"], Int[np.ndarray, " m"]], CurveSide],
    labels: tuple[str, str],
    binned: bool,
) -> ModelCurves:
    """Curves of the models at these places among those with predictions, or of those that are named.

    `side` makes those of one set, of the models at places that it is given, in the order of the table.
    Raises UsageError for a name that is not one of theirs.
    """
    names = metric.statistics.image_models
    known = {names[place]: place for place in places}
    for name in models or ():
        if name not in known:
            raise unknown_name(
                "no probabilities of this model are stored on both sets",
                name,
                list(known),
                expected=f"models such as {', '.join(list(known)[:3])}",
            )
    wanted = set(known if models is None else models)
    table = [(row, model) for row, model in enumerate(metric.table["model"]) if model in wanted]
    chosen = np.array([known[model] for _, model in table], dtype=np.int64)
    drawn = _from_all_ranks([model in metric.outcomes.highlighted for _, model in table])
    sides = {"original": side("original", chosen), "new": side("new", chosen)}
    return ModelCurves(
        titles=tuple(metric.titles.model(table[place][1]) for place in drawn),
        rows=np.array([table[place][0] for place in drawn], dtype=np.int64),
        sides={name: replace(one, x=one.x[drawn], y=one.y[drawn]) for name, one in sides.items()},
        labels=labels,
        binned=binned,
        models=len(table),
    )


def _from_all_ranks(highlighted: Sequence[bool]) -> Int[np.ndarray, " m"]:
    """Places of the models that are drawn: at most MOST_CURVES, highlighted ones, and others evenly over all ranks."""
    if len(highlighted) <= MOST_CURVES:
        return np.arange(len(highlighted))
    marked = np.flatnonzero(highlighted)[:MOST_CURVES]
    evenly = np.linspace(0, len(highlighted) - 1, MOST_CURVES - len(marked)).round().astype(np.int64)
    return np.unique(np.concatenate([marked, evenly]))
