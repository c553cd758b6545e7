"""The figures of a report, to be drawn in this process or beside it; matplotlib is loaded where they are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.analysis.plot_data.sizes import Size
from evalshift.analysis.report.work_processes import SharedWork
from evalshift.analysis.summary import Summary

if TYPE_CHECKING:
    from evalshift.analysis.report.drawings import OneFigure


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

    def begin(self) -> SharedWork[None]:
        """Begin to draw and write them in other processes, if any are there; `finish` writes all that are left."""
        return SharedWork(self)

    def count(self) -> int:
        return len(self._drawings())

    def do_one(self, number: int) -> None:
        self._drawings()[number].save(self.folder, self.kinds)

    def _drawings(self) -> "list[OneFigure]":
        from evalshift.analysis.report.drawings import drawings

        return drawings(self.summary, self.stems, self.size)
