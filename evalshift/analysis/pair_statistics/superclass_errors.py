"""Mistakes within the superclass, on both sets of a pair and for each way to take classes together."""

from dataclasses import dataclass, replace

import numpy as np

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.statistics.hierarchical_errors import (
    HierarchicalErrors,
    ShareChange,
    hierarchical_errors,
    share_change,
)
from evalshift.analysis.statistics.intervals import undefined_interval
from evalshift.testbed.views import Superclasses


@dataclass(frozen=True, eq=False)
class SuperclassErrors:
    """Mistakes of m models within the superclasses of one declaration, on either set, and how their share changes."""

    superclasses: Superclasses
    original: HierarchicalErrors
    new: HierarchicalErrors
    change: ShareChange


def superclass_errors(
    predictions: tuple[ImagePredictions, ImagePredictions], level: float, *, overlap: bool = False
) -> tuple[SuperclassErrors, ...]:
    """These for each declaration of superclasses that either set has; where two have one name, that of the new set.

    With `overlap` the sets share images, and changes have no intervals.
    """
    declared = {one.name: one for side in predictions for one in side.superclasses}
    found = []
    for superclasses in declared.values():
        of_class = np.array(superclasses.of_class, dtype=np.int64)
        original, new = (
            hierarchical_errors(side.predicted, side.truth, of_class, level, classes=superclasses.classes)
            for side in predictions
        )
        change = share_change(original, new, level)
        if overlap:
            change = replace(change, interval=undefined_interval(change.difference))
        found.append(SuperclassErrors(superclasses, original, new, change))
    return tuple(found)
