"""Progress of work that takes a moment: a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

SHOW_AFTER_SECONDS = 2.0
LINE_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Unit:
    """What is counted, in words: an amount alone, and so many per second."""

    amount: Callable[[float], str]
    rate: Callable[[float], str]


IMAGES = Unit(lambda count: f"{count:,.0f}", lambda rate: f"{rate:,.0f} images/s")
BYTES = Unit(lambda count: decimal(int(count)), lambda rate: f"{decimal(int(rate))}/s")


class _Name(ProgressColumn):
    """Gives way where the terminal is narrow, as the bar does; numbers stay whole."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Amount(ProgressColumn):
    def __init__(self, unit: Unit) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(_amount(self._unit, task.completed, task.total), justify="right")


class _Rate(_Amount):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(self._unit.rate(speed) if speed else "", style="cyan", justify="right")


def _amount(unit: Unit, done: float | int, total: float | int | None) -> str:
    return unit.amount(done) if total is None else f"{unit.amount(done)}/{unit.amount(total)}"


def bars(console: Console, unit: Unit) -> Progress:
    """Bars that disappear when they stop, one for each task; none where `console` is no terminal."""
    left = TimeRemainingColumn(table_column=Column(no_wrap=True))
    shown = (_Name(), BarColumn(bar_width=None), _Amount(unit), _Rate(unit), left)
    return Progress(*shown, console=console, transient=True, disable=not console.is_terminal)


class Lines:
    """Lines about one piece of work, the first soon and the others rarely, for where no bar can be drawn.

    begun   how much was done before, which does not count towards the rate; None where the first call says it
    """

    def __init__(self, name: str, unit: Unit, begun: int | None = 0) -> None:
        self._name, self._unit, self._begun = name, unit, begun
        self._begin = time.monotonic()
        self._say_at = self._begin + min(SHOW_AFTER_SECONDS, LINE_EVERY_SECONDS)

    def line(self, done: int, total: int | None) -> str | None:
        """What to print now that `done` of `total` are done; None where the last line is not long ago, or all is."""
        now = time.monotonic()
        if self._begun is None or done < self._begun:
            self._begun, self._begin = done, now
        if now <= self._say_at or done == total:
            return None
        self._say_at = now + LINE_EVERY_SECONDS
        rate = (done - self._begun) / max(now - self._begin, 1e-9)
        left = f", {timedelta(seconds=round((total - done) / rate))} left" if total is not None and rate > 0 else ""
        return f"{self._name}: {_amount(self._unit, done, total)}, {self._unit.rate(rate)}{left}"


class Meter:
    """Progress of one piece of work: called with what is done, and the total where it is known.

    begun   as in `Lines`
    """

    def __init__(self, name: str, unit: Unit, console: Console, begun: int | None = 0) -> None:
        self._console = console
        self._lines = Lines(name, unit, begun)
        self._bars = bars(console, unit)
        self._task = self._bars.add_task(name, total=None)
        self._show_at = time.monotonic() + SHOW_AFTER_SECONDS

    def __call__(self, done: int, total: int | None) -> None:
        if not self._console.is_terminal:
            if line := self._lines.line(done, total):
                self._console.print(Text(line), soft_wrap=True)
            return
        self._bars.update(self._task, completed=done, total=total)
        if not self._bars.live.is_started and time.monotonic() >= self._show_at:
            self._bars.start()

    def close(self) -> None:
        self._bars.stop()
