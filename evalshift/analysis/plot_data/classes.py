"""What the figure of classes shows, in print and on the page: accuracies in percent, means over models."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from evalshift.analysis.plot_data.ordering import both_ends
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.tables.of_classes import by_drop


@dataclass(frozen=True, eq=False)
class ClassesOnSet:
    """k classes on one test set.

    total      how many images each has
    accuracy   percent, mean over models, shrunk where that is computed
    low, high  its interval
    rank       1 for the most accurate class of all; classes of equal accuracy share the better rank
    """

    total: Int[np.ndarray, " k"]
    accuracy: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]
    rank: Int[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class ClassPlot:
    """The k classes that are shown, the largest drop first.

    names        of the classes
    original, new    the sets
    fell, rose   how many models have a significant drop or rise on each
    classes      how many there are, shown or not
    declining    how many of these have a lower mean accuracy on the new set
    models       how many models the means are over
    level        confidence level of the intervals
    shrunk       whether accuracies are shrunk
    """

    names: tuple[str, ...]
    original: ClassesOnSet
    new: ClassesOnSet
    fell: Int[np.ndarray, " k"]
    rose: Int[np.ndarray, " k"]
    classes: int
    declining: int
    models: int
    level: float
    shrunk: bool

    @property
    def shown_words(self) -> str:
        """How many of how many classes are shown."""
        return f"{len(self.names):,} of {self.classes:,} classes shown"

    @property
    def left_out(self) -> int:
        """How many classes between the largest and the smallest drops are not shown."""
        return self.classes - len(self.names)


def class_plot(metric: MetricSummary, most: int) -> ClassPlot | None:
    """The classes with images in both sets, of more than `most` those with the largest and the smallest drops.

    None where no class has images in both.
    """
    if "classes" not in metric.tables:
        return None
    frame = metric.tables["classes"].frame
    frame = by_drop(frame[np.isfinite(frame["drop"])])
    if frame.empty:
        return None
    shown = frame.iloc[both_ends(len(frame), most)]
    return ClassPlot(
        names=tuple(map(str, shown["class"])),
        original=_on_set(shown, "original"),
        new=_on_set(shown, "new"),
        fell=shown["fell"].fillna(0).to_numpy(np.int64),
        rose=shown["rose"].fillna(0).to_numpy(np.int64),
        classes=len(frame),
        declining=int((frame["drop"] > 0).sum()),
        models=len(metric.statistics.image_models),
        level=metric.level,
        shrunk=bool(frame["shrunk_drop"].notna().any()),
    )


def _on_set(shown: pd.DataFrame, side: str) -> ClassesOnSet:
    kind = f"shrunk_{side}" if shown["shrunk_drop"].notna().any() else f"{side}_accuracy"
    accuracy, low, high = (100 * shown[f"{kind}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    rank, total = (shown[f"{side}_{column}"].to_numpy(np.int64) for column in ("rank", "total"))
    return ClassesOnSet(total, accuracy, low, high, rank)
