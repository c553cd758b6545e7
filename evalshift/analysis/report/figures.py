"""The figures of a report: their files, how each is drawn, and drawing them in this process and beside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from evalshift.analysis import figures
from evalshift.analysis.options import drawn_scales
from evalshift.analysis.plot_data.sizes import Size
from evalshift.analysis.report.drawing_processes import Drawing
from evalshift.analysis.summary import PairSummary, Summary


@dataclass(frozen=True)
class OneFigure:
    """A figure that a report consists of.

    file   its name, without the suffix of a format
    draw   makes the figure; None where there is nothing to draw
    """

    file: str
    draw: Callable[[], Figure | None]


@dataclass(frozen=True)
class FiguresOfReport:
    """All figures of a report, to be written into a folder.

    stems   how the names of the files of each pair begin
    kinds   formats of figures, each is written in
    """

    summary: Summary
    stems: Sequence[str]
    folder: Path
    kinds: Sequence[str]
    size: Size | None

    def begin(self) -> Drawing:
        """Begin to draw and write them in other processes, if any are there; `finish` writes all that are left."""
        return Drawing(self, len(self.drawings()))

    def save_one(self, number: int) -> None:
        drawing = self.drawings()[number]
        figure = drawing.draw()
        if figure is not None:
            figures.save(figure, self.folder / drawing.file, self.kinds)

    def drawings(self) -> list[OneFigure]:
        """Those of each pair, those of all pairs, and then scatter plots, whose regions the page shows as well."""
        pairs = list(zip(self.summary.pairs, self.stems, strict=True))
        statistics = [one for pair, stem in pairs for one in self._statistics(pair, stem)]
        lines = [one for pair, stem in pairs for one in self._lines(pair, stem)]
        return [*statistics, *self._of_all_pairs(), *lines]

    def _statistics(self, pair: PairSummary, stem: str) -> Iterator[OneFigure]:
        metric = self.summary.metric
        if metric in pair.metrics:
            for name, function in figures.FIGURES.items():
                if name != "scatter":
                    scaled = {"scale": self.summary.scale} if name == "scales" else {}
                    yield OneFigure(
                        f"{stem}_{metric}_{name}", partial(function, pair, metric, size=self.size, **scaled)
                    )

    def _lines(self, pair: PairSummary, stem: str) -> Iterator[OneFigure]:
        """By each metric on each scale; once more with every family in the line where one is left out of it."""
        for name, metric in pair.metrics.items():
            for scale in drawn_scales(self.summary.scale):
                for everything in (False, True) if metric.left_out else (False,):
                    draw = partial(figures.scatter_figure, pair, name, scale, everything, self.size)
                    yield OneFigure(f"{stem}_{name}_{scale}{'_all' if everything else ''}", draw)

    def _of_all_pairs(self) -> Iterator[OneFigure]:
        metric = self.summary.metric
        alike = [pair for pair in self.summary.pairs if metric in pair.metrics]
        for scale in drawn_scales(self.summary.scale) if len(alike) > 1 else ():
            draw = partial(figures.multiples_figure, alike, metric, scale, size=self.size)
            yield OneFigure(f"pairs_{metric}_{scale}", draw)
            left_out = any(one.left_out for pair in alike for one in pair.metrics.values())
            for everything in (False, True) if left_out else (False,):
                grid = partial(figures.grid_figure, alike, scale, everything, self.size)
                yield OneFigure(f"pairs_grid_{scale}{'_all' if everything else ''}", grid)


def warm_up() -> None:
    """Have ready what the first figure waits for: fonts, and what writes each format."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().set_title("a figure")
    for kind in figures.FORMATS:
        figures.render(figure, kind)
