"""Figures for print, drawn with matplotlib from the tables and lines of a report.

Figures are made without pyplot: nothing is shown, no figure stays open, and the style applies only while drawing.
"""

from collections.abc import Callable

from matplotlib.figure import Figure

from evalshift.analysis.figures.agreement import agreement, agreement_figure
from evalshift.analysis.figures.class_curves import class_curves, class_curves_figure
from evalshift.analysis.figures.classes import classes, classes_figure
from evalshift.analysis.figures.decomposition import decomposition, decomposition_figure
from evalshift.analysis.figures.files import FORMATS, render, save
from evalshift.analysis.figures.intensities import intensities, intensities_figure
from evalshift.analysis.figures.multiples import grid_figure, multiples_figure, scales_figure
from evalshift.analysis.figures.ranks import ranks, ranks_figure
from evalshift.analysis.figures.reliability import reliability, reliability_figure
from evalshift.analysis.figures.revisions import revisions, revisions_figure
from evalshift.analysis.figures.risk_coverage import risk_coverage, risk_coverage_figure
from evalshift.analysis.figures.robustness import robustness, robustness_figure
from evalshift.analysis.figures.scatter import scatter, scatter_figure
from evalshift.analysis.figures.style import STYLE, literal
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, SIZES, SLIDE, Size

__all__ = [
    "COLUMN",
    "FIGURES",
    "FORMATS",
    "PAGE",
    "SIZES",
    "SLIDE",
    "STYLE",
    "Size",
    "agreement",
    "agreement_figure",
    "class_curves",
    "class_curves_figure",
    "classes",
    "classes_figure",
    "decomposition",
    "decomposition_figure",
    "grid_figure",
    "intensities",
    "intensities_figure",
    "literal",
    "multiples_figure",
    "ranks",
    "ranks_figure",
    "reliability",
    "reliability_figure",
    "render",
    "revisions",
    "revisions_figure",
    "risk_coverage",
    "risk_coverage_figure",
    "robustness",
    "robustness_figure",
    "save",
    "scales_figure",
    "scatter",
    "scatter_figure",
]

# The figures of a pair by name: (summary, metric) -> Figure, or None where the pair lacks the data for it.
FIGURES: dict[str, Callable[..., Figure | None]] = {
    "agreement": agreement_figure,
    "classes": classes_figure,
    "decomposition": decomposition_figure,
    "ranks": ranks_figure,
    "reliability": reliability_figure,
    "risk_coverage": risk_coverage_figure,
    "robustness": robustness_figure,
    "scales": scales_figure,
    "scatter": scatter_figure,
}
