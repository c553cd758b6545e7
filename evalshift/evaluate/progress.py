"""Progress while models run: bars with images/s on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import TaskID
from rich.text import Text

from evalshift.progress import IMAGES, LINE_EVERY_SECONDS, Lines, Meter, bars


def say(console: Console, line: Text | str) -> None:
    """Print a line that stays. Text in it is shown as it is, square brackets too."""
    console.print(Text(line) if isinstance(line, str) else line, soft_wrap=True)


class RunProgress:
    """Progress of a whole run: one bar for the model at work, one for all images of the run.

    For each model a line is printed when it is done, which stays on the screen.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._plain = not console.is_terminal
        self._done = 0
        self._bars = bars(console, IMAGES)
        self._overall = self._bars.add_task("all models", total=total)

    def __enter__(self) -> "RunProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def note(self, line: Text | str) -> None:
        """Print a line that stays, beside the bars."""
        say(self._console, line)

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
    def preparing(self, name: str, images: int) -> Iterator[None]:
        """A bar that stands while a model is prepared."""
        task = self._bars.add_task(name, total=images)
        try:
            yield
        finally:
            self._bars.remove_task(task)

    @contextmanager
    def decoding(self, name: str, images: int) -> Iterator[Callable[[int], None]]:
        """Progress of images decoded before models run; the function it returns is called after every n images."""
        with self._counting(name, images, ()) as advance:
            yield advance

    @contextmanager
    def job(self, name: str, images: int) -> Iterator[Callable[[int], None]]:
        """Progress of one model on one dataset; the function it returns is called after every n images."""
        try:
            with self._counting(name, images, (self._overall,)) as advance:
                yield advance
        finally:
            # A job that failed half-way leaves no gap in the overall bar.
            self.skip(images)

    @contextmanager
    def _counting(self, name: str, images: int, others: tuple[TaskID, ...]) -> Iterator[Callable[[int], None]]:
        task = self._bars.add_task(name, total=images)
        lines = Lines(name, IMAGES)
        seen = 0

        def advance(count: int) -> None:
            nonlocal seen
            seen += count
            for one in (task, *others):
                self._bars.update(one, advance=count)
            if self._plain and (line := lines.line(seen, images)):
                self.note(line)

        try:
            yield advance
        finally:
            self._bars.remove_task(task)


@contextmanager
def counted(console: Console, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress of one piece of work, shown after a moment; the function it returns is called after every n items."""
    meter = Meter(name, IMAGES, console)
    seen = 0

    def advance(count: int) -> None:
        nonlocal seen
        seen += count
        meter(seen, total)

    try:
        yield advance
    finally:
        meter.close()


@contextmanager
def counted_steps(console: Console, verb: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress of work in named steps; the function it returns is called before each step."""
    said = time.monotonic()
    begun = 0
    with console.status(verb) as status:

        def begin(name: str) -> None:
            nonlocal begun, said
            begun += 1
            line = f"{verb} {name} ({begun:,} of {total:,})"
            if console.is_terminal:
                status.update(line)
            elif time.monotonic() - said > LINE_EVERY_SECONDS:
                said = time.monotonic()
                console.print(Text(line), soft_wrap=True)

        yield begin
