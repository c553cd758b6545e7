"""How far mistakes are from the true class, on both sets of a pair."""

from dataclasses import dataclass, replace

from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.intervals import undefined_interval
from evalshift.analysis.statistics.mistake_distances import (
    DistanceChange,
    MistakeDistances,
    distance_change,
    mistake_distances,
)


@dataclass(frozen=True, eq=False)
class MistakeSeverity:
    """Distances of m models' mistakes from the true class on either set, and how their mean changes.

    Where the sets share images, the change has no interval.

    tree   what the tree of the classes is taken from
    """

    tree: str
    original: MistakeDistances
    new: MistakeDistances
    change: DistanceChange


def mistake_severity(basis: Basis) -> MistakeSeverity | Missing | None:
    """These for a pair whose classes have a known tree; None for any other."""
    if basis.predictions is None:
        return None
    trees = [side.tree for side in basis.predictions if side.tree is not None]
    if len(trees) < 2:
        return None
    if basis.outcomes.metric != "top1":
        return Missing("the severity of mistakes is defined on top-1 predictions: see top-1")
    original, new = (
        mistake_distances(side.predicted, side.truth, tree, basis.level)
        for side, tree in zip(basis.predictions, trees, strict=True)
    )
    change = distance_change(original, new, basis.level)
    if basis.overlap:
        change = replace(change, interval=undefined_interval(change.difference))
    return MistakeSeverity(trees[0].name, original, new, change)
