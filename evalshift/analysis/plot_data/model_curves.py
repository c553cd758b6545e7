"""A curve per model on either set, such as reliability diagrams and risk–coverage curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.summary import MetricSummary
from evalshift.errors import UsageError, did_you_mean


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
    """

    titles: tuple[str, ...]
    rows: Int[np.ndarray, " m"]
    sides: dict[str, CurveSide]

    def span(self, values: str) -> tuple[float, float]:
        """The least and the largest "x" or "y" of any model on either set."""
        found = [getattr(side, values) for side in self.sides.values()]
        return min(float(np.nanmin(one)) for one in found), max(float(np.nanmax(one)) for one in found)


@dataclass(frozen=True, eq=False)
class ChosenModels:
    """Models of a metric in the order of its table: titles, rows there, and places among those with predictions."""

    titles: tuple[str, ...]
    rows: Int[np.ndarray, " m"]
    places: Int[np.ndarray, " m"]


def with_probabilities(
    metric: MetricSummary, places: Sequence[int], models: Sequence[str] | None = None
) -> ChosenModels:
    """The models at these places among those with predictions, or those that are named.

    Raises UsageError for a name that is not one of theirs.
    """
    names = metric.statistics.image_models
    known = {names[place]: place for place in places}
    for name in models or ():
        if name not in known:
            raise UsageError(
                "no probabilities of this model are stored on both sets",
                found=f'"{name}"',
                expected=f"models such as {', '.join(list(known)[:3])}",
                fix=did_you_mean(name, list(known)),
            )
    wanted = set(known if models is None else models)
    table = [(row, model) for row, model in enumerate(metric.table["model"]) if model in wanted]
    return ChosenModels(
        titles=tuple(metric.titles.model(model) for _, model in table),
        rows=np.array([row for row, _ in table], dtype=np.int64),
        places=np.array([known[model] for _, model in table], dtype=np.int64),
    )
