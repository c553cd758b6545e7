"""Tables and lines -> marks on an Axes. No arithmetic beyond the axes' own scale, no state kept.

Figures are matplotlib objects made without pyplot: nothing is shown, nothing stays open, and the style holds only
while a figure is drawn.
"""

from evalshift.analysis.figures.agreement import agreement, agreement_figure
from evalshift.analysis.figures.classes import classes, classes_figure
from evalshift.analysis.figures.decomposition import decomposition, decomposition_figure
from evalshift.analysis.figures.files import FORMATS, render, save
from evalshift.analysis.figures.ranks import ranks, ranks_figure
from evalshift.analysis.figures.robustness import robustness, robustness_figure
from evalshift.analysis.figures.scatter import scatter, scatter_figure
from evalshift.analysis.figures.style import COLUMN_WIDTH, PAGE_WIDTH, STYLE, literal

__all__ = [
    "COLUMN_WIDTH",
    "FORMATS",
    "PAGE_WIDTH",
    "STYLE",
    "agreement",
    "agreement_figure",
    "classes",
    "classes_figure",
    "decomposition",
    "decomposition_figure",
    "literal",
    "ranks",
    "ranks_figure",
    "render",
    "robustness",
    "robustness_figure",
    "save",
    "scatter",
    "scatter_figure",
]
