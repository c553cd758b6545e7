"""Figures that a notebook shows as pictures, though pyplot, which keeps every figure in memory, is never imported."""

from matplotlib.figure import Figure as Drawn


class Figure(Drawn):
    """A figure of matplotlib that is its own picture at the end of a notebook's cell."""

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the figure as `evalshift.figures.render` makes it."""
        from evalshift.analysis.figures.files import render

        return render(self, "png")
