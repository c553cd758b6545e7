"""What each figure needs of a report, so that a single one is drawn without computing the rest."""

from evalshift.analysis.options import Scope
from evalshift.analysis.outcomes import METRICS
from evalshift.errors import unknown_name

# The fields of `pair_statistics.compute.Statistics` that a figure shows, besides accuracies and lines. The table
# that it is drawn from has its name; a scatter names models by the table of effective robustness.
_PARTS = {
    "agreement": ("sets",),
    "classes": ("sets",),
    "decomposition": ("robustness",),
    "grid": (),
    "ranks": ("sets", "rank_changes"),
    "reliability": ("calibration",),
    "risk_coverage": ("selective",),
    "robustness": ("robustness",),
    "scales": (),
    "scatter": ("robustness",),
}
# Panels of several pairs name highlighted models alone.
_ALONE = {"scatter": frozenset({"robustness"})}
_WITH_LINES = ("grid", "scales", "scatter")
FIGURE_NAMES = tuple(_PARTS)


def scope_of(figure: str, metric: str) -> Scope:
    """What the figure of this name needs by this metric; UsageError for an unknown name."""
    if figure not in _PARTS:
        raise unknown_name("unknown figure", figure, FIGURE_NAMES)
    lines = 2 if figure == "scales" else int(figure in _WITH_LINES)
    tables = frozenset((figure, *_PARTS[figure], "robustness"))
    metrics = tuple(METRICS) if figure == "grid" else (metric,)
    return Scope(frozenset(_PARTS[figure]), tables, lines, metrics, _ALONE.get(figure, frozenset()))
