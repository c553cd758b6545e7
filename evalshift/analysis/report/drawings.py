"""How each figure of a report is drawn, and the name of its files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from evalshift.analysis import figures
from evalshift.analysis.options import drawn_scales
from evalshift.analysis.plot_data.sizes import Size
from evalshift.analysis.summary import PairSummary, Summary


@dataclass(frozen=True)
class OneFigure:
    """A figure that a report consists of.

    file   its name, without the suffix of a format
    draw   makes the figure; None where there is nothing to draw
    """

    file: str
    draw: Callable[[], Figure | None]

    def save(self, folder: Path, kinds: Sequence[str]) -> None:
        """Draw it and write it in each format; nothing where there is nothing to draw."""
        figure = self.draw()
        if figure is not None:
            figures.save(figure, folder / self.file, kinds, durable=False)


def drawings(summary: Summary, stems: Sequence[str], size: Size | None) -> list[OneFigure]:
    """Those of all pairs, and of each pair; scatter plots, which are drawn soonest, at the end."""
    pairs = list(zip(summary.pairs, stems, strict=True))
    statistics = [one for pair, stem in pairs for one in _statistics(summary, size, pair, stem)]
    lines = [one for pair, stem in pairs for one in _lines(summary, size, pair, stem)]
    return [*_of_all_pairs(summary, size), *statistics, *lines]


def _statistics(summary: Summary, size: Size | None, pair: PairSummary, stem: str) -> Iterator[OneFigure]:
    metric = summary.metric
    if metric in pair.metrics:
        for name, function in figures.FIGURES.items():
            if name != "scatter":
                scaled = {"scale": summary.scale} if name == "scales" else {}
                yield OneFigure(f"{stem}_{metric}_{name}", partial(function, pair, metric, size=size, **scaled))


def _lines(summary: Summary, size: Size | None, pair: PairSummary, stem: str) -> Iterator[OneFigure]:
    """By each metric on each scale; once more with every family in the line where one is left out of it."""
    for name, metric in pair.metrics.items():
        for scale in drawn_scales(summary.scale):
            for everything in (False, True) if metric.left_out else (False,):
                draw = partial(figures.scatter_figure, pair, name, scale, everything, size)
                yield OneFigure(f"{stem}_{name}_{scale}{'_all' if everything else ''}", draw)


def _of_all_pairs(summary: Summary, size: Size | None) -> Iterator[OneFigure]:
    metric = summary.metric
    alike = [pair for pair in summary.pairs if metric in pair.metrics]
    for scale in drawn_scales(summary.scale) if len(alike) > 1 else ():
        yield OneFigure(f"pairs_{metric}_{scale}", partial(figures.multiples_figure, alike, metric, scale, size=size))
        left_out = any(one.left_out for pair in alike for one in pair.metrics.values())
        for everything in (False, True) if left_out else (False,):
            grid = partial(figures.grid_figure, alike, scale, everything, size)
            yield OneFigure(f"pairs_grid_{scale}{'_all' if everything else ''}", grid)


def warm_up() -> None:
    """Have ready what the first figure waits for: fonts, and what writes each format."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().set_title("a figure")
    for kind in figures.FORMATS:
        figures.render(figure, kind)
