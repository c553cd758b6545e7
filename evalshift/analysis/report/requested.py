"""A single figure of a report as a file, drawn in another process if one is running."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalshift.analysis.plot_data.drawn_part import drawn_part
from evalshift.analysis.report.record import Report
from evalshift.analysis.report.work_processes import SharedWork


@dataclass(frozen=True)
class RequestedFigure:
    """A figure to be written to `file`, of which the suffix is the format; `choices` are those of `Report.draw`."""

    report: Report
    name: str
    file: Path
    choices: Mapping[str, Any]

    def save(self) -> None:
        """Draw and write it. Raises what `Report.draw` and `figures.save` raise."""
        SharedWork(replace(self, report=Report(drawn_part(self.report.summary)))).finish()

    def count(self) -> int:
        return 1

    def do_one(self, number: int) -> None:
        from evalshift.analysis.figures import save

        assert number == 0
        drawn = self.report.draw(self.name, **self.choices)
        save(drawn, self.file.with_suffix(""), [self.file.suffix.removeprefix(".").lower()])
