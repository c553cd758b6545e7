import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalshift.analysis.report import work_processes as module
from evalshift.analysis.report.work_processes import SharedWork, shared, work_processes

READS = """
import pickle, sys
requests = sys.stdin.buffer
pickle.load(requests)
"""
REFUSES = f"""{READS}
while (number := requests.read(8)) and int.from_bytes(number) < 6:
    sys.stdout.buffer.write(b"0")
    sys.stdout.flush()
sys.stdout.buffer.write(b"-")
"""
DRAWS_NONE_AND_DIES = f"{READS}requests.read(8)"


@dataclass
class Numbers:
    """Each figure, as it is called here, is a file that tells which process made it."""

    folder: Path
    total: int

    def count(self) -> int:
        return self.total

    def do_one(self, number: int) -> None:
        with (self.folder / str(number)).open("x") as file:
            file.write(str(os.getpid()))

    def makers(self) -> set[int]:
        assert {path.name for path in self.folder.iterdir()} == {str(number) for number in range(self.total)}
        return {int(path.read_text()) for path in self.folder.iterdir()}


def start(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes can import this module."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    monkeypatch.setattr(Numbers, "__module__", Path(__file__).stem)
    monkeypatch.setitem(sys.modules, Path(__file__).stem, sys.modules[__name__])


@pytest.mark.usefixtures("importable")
def test_figures_are_drawn_in_other_processes_and_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 3)
    figures = Numbers(tmp_path, 6)
    with work_processes():
        processes = list(module._running)
        assert len(processes) == 2
        SharedWork(figures).finish()
        assert figures.makers() == {os.getpid(), *(process.pid for process in processes)}
    assert all(process.poll() is not None for process in processes)
    assert module._running == []


@pytest.mark.usefixtures("importable")
def test_a_single_figure_is_drawn_by_the_process_that_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 8)
    figures = Numbers(tmp_path, 1)
    with work_processes(most=1):
        (process,) = module._running
        SharedWork(figures).finish()
    assert figures.makers() == {process.pid}


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("code", ["raise SystemExit(1)", REFUSES, DRAWS_NONE_AND_DIES])
def test_what_other_processes_do_not_draw_is_drawn_here(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 3)
    monkeypatch.setattr(module, "_start", lambda: start(code))
    figures = Numbers(tmp_path, 6)
    with work_processes():
        assert len(module._running) == 2
        SharedWork(figures).finish()
    assert figures.makers() == {os.getpid()}


@pytest.mark.parametrize("processors, wanted", [(1, True), (4, False)])
def test_with_one_processor_or_without_a_wish_no_process_is_started(
    processors: int, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_processors", lambda: processors)
    figures = Numbers(tmp_path, 3)
    with work_processes(wanted):
        assert module._running == []
        SharedWork(figures).finish()
    assert figures.makers() == {os.getpid()}


def test_figures_that_cannot_be_sent_are_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 2)
    monkeypatch.setattr(module, "_start", lambda: start(REFUSES))
    figures = Numbers(tmp_path, 3)
    figures.unsendable = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    with work_processes():
        SharedWork(figures).finish()
    assert figures.makers() == {os.getpid()}


@dataclass(frozen=True)
class Square:
    offset: int

    def __call__(self, number: int) -> tuple[int, int]:
        if number == 7:
            raise ValueError("seven")
        return number * number + self.offset, os.getpid()


@pytest.mark.usefixtures("importable")
def test_results_come_in_the_order_of_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Square, "__module__", Path(__file__).stem)
    monkeypatch.setattr(module, "_processors", lambda: 2)
    with work_processes():
        (process,) = module._running
        for offset in (0, 1):  # one work after the other
            found = shared(Square(offset), [5, 2, 6])
            assert [square for square, _ in found] == [25 + offset, 4 + offset, 36 + offset]
            assert {maker for _, maker in found} <= {process.pid, os.getpid()}
        assert found[0][1] == process.pid


@pytest.mark.usefixtures("importable")
def test_what_fails_elsewhere_fails_here_and_a_single_item_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Square, "__module__", Path(__file__).stem)
    monkeypatch.setattr(module, "_processors", lambda: 2)
    with work_processes():
        with pytest.raises(ValueError, match="seven"):
            shared(Square(0), [7, 1, 2])
        assert shared(Square(0), [3]) == [(9, os.getpid())]
