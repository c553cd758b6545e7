"""Progress while models run: bars with images/s on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

PLAIN_EVERY_SECONDS = 10.0


class _Name(ProgressColumn):
    """Gives way where the terminal is narrow, as the bar does; numbers stay whole."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Images(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}/{task.total:,.0f}", justify="right")


class _ImagesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} images/s" if speed else "", style="cyan", justify="right")


class RunProgress:
    """Progress of a whole run: one bar for the model at work, one for all images of the run.

    For each model a line is printed when it is done, which stays on the screen.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._plain = not console.is_terminal
        self._done = 0
        self._bars = Progress(
            _Name(),
            BarColumn(bar_width=None),
            _Images(table_column=Column(no_wrap=True)),
            _ImagesPerSecond(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            disable=self._plain,
        )
        self._overall = self._bars.add_task("all models", total=total)

    def __enter__(self) -> "RunProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def note(self, line: Text | str) -> None:
        """A line that stays. Text in it is shown as it is, square brackets too."""
        self._console.print(Text(line) if isinstance(line, str) else line, soft_wrap=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bars away for a while: a download draws its own."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def skip(self, images: int) -> None:
        """Images that will not be run after all."""
        self._done += images
        self._bars.update(self._overall, completed=self._done)

    @contextmanager
    def job(self, name: str, images: int) -> Iterator[Callable[[int], None]]:
        """Progress of one model on one dataset; the function that it gives is told of every n images done."""
        task = self._bars.add_task(name, total=images)
        start = said = time.monotonic()
        seen = 0

        def advance(count: int) -> None:
            nonlocal seen, said
            seen += count
            self._bars.update(task, advance=count)
            self._bars.update(self._overall, advance=count)
            now = time.monotonic()
            if self._plain and now - said > PLAIN_EVERY_SECONDS:
                said = now
                rate = seen / (now - start)
                self.note(f"{name}: {seen:,}/{images:,}, {rate:,.0f} images/s, {(images - seen) / rate:,.0f} s left")

        try:
            yield advance
        finally:
            # A job that failed half-way leaves no gap in the overall bar.
            self._bars.remove_task(task)
            self.skip(images)


SHOW_AFTER_SECONDS = 2.0


@contextmanager
def counted(console: Console, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress of one piece of work, shown once it takes a moment; what it gives is told of every n images done."""
    start = said = time.monotonic()
    seen = 0
    bar = Progress(_Name(), BarColumn(), _Seen(), _ImagesPerSecond(), TimeRemainingColumn(), console=console,
                   transient=True, disable=not console.is_terminal)  # fmt: skip
    task = bar.add_task(name, total=total)
    drawn = False

    def advance(count: int) -> None:
        nonlocal seen, said, drawn
        seen += count
        bar.update(task, advance=count)
        now = time.monotonic()
        if console.is_terminal:
            if not drawn and now - start > SHOW_AFTER_SECONDS:
                bar.start()
                drawn = True
        elif now - said > PLAIN_EVERY_SECONDS:
            said = now
            rate = seen / (now - start)
            of, left = ("", "") if total is None else (f"/{total:,}", f", {(total - seen) / rate:,.0f} s left")
            console.print(Text(f"{name}: {seen:,}{of}, {rate:,.0f} images/s{left}"), soft_wrap=True)

    try:
        yield advance
    finally:
        if drawn:
            bar.stop()


class _Seen(ProgressColumn):
    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f"/{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{of}", justify="right")


@contextmanager
def counted_steps(console: Console, verb: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress of work in named steps; what it gives is told of each before it begins."""
    said = time.monotonic()
    begun = 0
    with console.status(verb) as status:

        def begin(name: str) -> None:
            nonlocal begun, said
            begun += 1
            line = f"{verb} {name} ({begun:,} of {total:,})"
            if console.is_terminal:
                status.update(line)
            elif time.monotonic() - said > PLAIN_EVERY_SECONDS:
                said = time.monotonic()
                console.print(Text(line), soft_wrap=True)

        yield begin
