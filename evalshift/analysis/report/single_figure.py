"""One figure of a report."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.report.single import single_pair
from evalshift.analysis.summary import Summary
from evalshift.errors import AnalysisError, UsageError, did_you_mean, unknown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Tables of figures that have another name than their table.
_TABLE_OF = {"agreement": "pairs", "reliability": "calibration", "risk_coverage": "selective"}


def default_size(summary: Summary, figure: str) -> Size:
    """The default size of a figure."""
    if len(summary.pairs) != 1:
        return PAGE
    with_sets = "ranks" in summary.pairs[0].metrics[summary.metric].tables
    narrow = figure in ("scatter", "robustness", "classes") or (figure == "ranks" and not with_sets)
    return COLUMN if narrow else PAGE


def draw_figure(summary: Summary, figure: str, size: Size | None, choices: dict[str, Any]) -> "Figure":
    """The figure of this name, of the chosen metric; `choices` as in `Report.draw`, None is the size of its own.

    Raises UsageError for an unknown figure or choice, AnalysisError if there is no data to draw.
    """
    from evalshift.analysis import figures

    if figure == "grid":
        return _draw_grid(summary, choices, size)
    if figure not in figures.FIGURES:
        raise unknown_name("unknown figure", figure, (*figures.FIGURES, "grid"))
    several = figure == "scatter" and len(summary.pairs) > 1
    _check_choices(figure, figures.multiples_figure if several else figures.FIGURES[figure], choices)
    choices |= {"size": size}
    if figure in ("scatter", "scales"):
        choices |= _scale_of(summary, choices)
    if several:
        return figures.multiples_figure(summary.pairs, summary.metric, **choices)
    pair = single_pair(summary, "figure", f'draw("{figure}")')
    drawn = figures.FIGURES[figure](pair, summary.metric, **choices)
    if drawn is None:
        raise AnalysisError(
            f"no data for the figure {figure}",
            where=pair.name,
            found=pair.metrics[summary.metric].missing.get(_TABLE_OF.get(figure, figure)),
        )
    return drawn


def _scale_of(summary: Summary, choices: Mapping[str, Any]) -> dict[str, str]:
    """The scale of a figure: the report's, unless another one is chosen."""
    chosen = choices.get("scale", "auto")
    return {"scale": summary.scale if chosen == "auto" else chosen}


def _draw_grid(summary: Summary, choices: dict[str, Any], size: Size | None) -> "Figure":
    from evalshift.analysis import figures

    _check_choices("grid", figures.grid_figure, choices)
    choices |= {"size": size, **_scale_of(summary, choices)}
    drawn = figures.grid_figure(summary.pairs, **choices)
    if drawn is None:
        raise AnalysisError(
            "no data for the figure grid",
            where=", ".join(pair.name for pair in summary.pairs),
            found="no pair with both top-1 and top-5 accuracies",
        )
    return drawn


def _check_choices(figure: str, draw: Callable[..., Any], choices: Mapping[str, Any]) -> None:
    """Raise UsageError for arguments that this figure does not have, and for an unknown scale."""
    offered = [name for name in inspect.signature(draw).parameters if name not in ("pair", "pairs", "metric", "size")]
    for name, value in choices.items():
        if name not in offered:
            raise UsageError(
                f"the figure {figure} does not offer this choice",
                found=f"{name}={value!r}",
                expected=", ".join(("size", *offered)),
                fix=did_you_mean(name, ("size", *offered)),
            )
    if "scale" in choices:
        ReportOptions(scale=choices["scale"])
