import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from evalshift import progress as progress_module
from evalshift.evaluate.progress import RunProgress

LONG = "a-very-long/model_name.with_tags_in22k_ft_in1k_384 on imagenetv2-matched-frequency"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"seconds": 100.0}
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now["seconds"])
    return now


def test_where_no_one_watches_lines_are_plain_the_first_soon_others_ten_seconds_apart(clock: dict[str, float]) -> None:
    said = io.StringIO()
    with (
        RunProgress(Console(file=said, width=60), 30_000) as progress,
        progress.job("resnet [bold]x[/bold] on cifar10", 10_000) as advance,
    ):
        for _ in range(10):
            clock["seconds"] += 4
            advance(1_000)
    # By hand: 1,000 images every 4 s; a line when 2 s have passed, then whenever more than 10 s have, none at the end.
    assert said.getvalue() == (
        "resnet [bold]x[/bold] on cifar10: 1,000/10,000, 250 images/s, 0:00:36 left\n"
        "resnet [bold]x[/bold] on cifar10: 4,000/10,000, 250 images/s, 0:00:24 left\n"
        "resnet [bold]x[/bold] on cifar10: 7,000/10,000, 250 images/s, 0:00:12 left\n"
    )


def test_quick_work_says_nothing_where_no_one_watches(clock: dict[str, float]) -> None:
    said = io.StringIO()
    with RunProgress(Console(file=said), 10) as progress:
        with progress.aside():
            pass
        with progress.job("resnet on cifar10", 10) as advance:
            clock["seconds"] += 9
            advance(10)
        progress.skip(3)
    assert said.getvalue() == ""


def test_a_note_is_shown_as_it_is_and_on_one_line(clock: dict[str, float]) -> None:
    said = io.StringIO()
    with RunProgress(Console(file=said, width=20), 10) as progress:
        progress.note("a note of more than twenty characters [bold]x[/bold] :smile: 12")
        progress.note(Text.assemble(("[red]name[/red]", "bold"), " failed"))
    assert said.getvalue() == (
        "a note of more than twenty characters [bold]x[/bold] :smile: 12\n[red]name[/red] failed\n"
    )


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)


def bars(progress: RunProgress, width: int) -> list[str]:
    """The bars as they stand on a terminal now."""
    console = terminal(width)
    console.print(progress._bars.get_renderable())
    return CONTROL.sub("", console.file.getvalue()).splitlines()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_long_name_gives_way_and_numbers_stay_whole(width: int) -> None:
    with RunProgress(terminal(width), 1_281_167) as progress, progress.job(LONG, 50_000) as advance:
        advance(12_345)
        overall, job = bars(progress, width)
    assert "12,345/1,281,167" in overall
    assert "12,345/50,000" in job
    assert len(job) <= width
    name = job.split("━")[0].strip()
    assert LONG.startswith(name.removesuffix("…"))
    assert len(name) >= 8


def test_a_job_that_stops_half_way_leaves_no_gap_in_the_overall_bar() -> None:
    def fail() -> None:
        with progress.job("b", 40) as advance:
            advance(7)
            raise ZeroDivisionError

    with RunProgress(terminal(80), 100) as progress:
        with progress.job("a", 30) as advance:
            advance(30)
        with pytest.raises(ZeroDivisionError):
            fail()
        [overall] = bars(progress, 80)  # the bars of jobs that are over are gone
        assert "70/100" in overall
        progress.skip(30)
        [overall] = bars(progress, 80)
        assert "100/100" in overall


def test_bars_can_be_taken_aside_and_come_back() -> None:
    console = terminal(80)
    with RunProgress(console, 100) as progress:
        assert progress._bars.live.is_started
        with progress.aside():
            assert not progress._bars.live.is_started
        assert progress._bars.live.is_started
    assert not progress._bars.live.is_started
