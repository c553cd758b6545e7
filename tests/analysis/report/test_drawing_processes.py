import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalshift.analysis.report import drawing_processes as module
from evalshift.analysis.report.drawing_processes import Drawing, drawing_processes

REFUSES = """
import sys
requests = sys.stdin.buffer
requests.read(int.from_bytes(requests.read(8)))
while requests.read(8):
    sys.stdout.buffer.write(b"0")
    sys.stdout.flush()
"""


@pytest.fixture
def shrunk(tmp_path: Path) -> Path:
    """A file that figure n, as it is called here, leaves n bytes of."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    return path


def start(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_figures_are_drawn_in_another_process(shrunk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 2)
    with drawing_processes():
        (process,) = module._running
        drawing = Drawing(SimpleNamespace(save_one=partial(os.truncate, shrunk)), 6)
        for thread in drawing._threads:
            thread.join()
        assert shrunk.stat().st_size == 5  # the last one, before anything is drawn here
        drawing.finish()
        assert shrunk.stat().st_size == 5
    assert process.poll() is not None
    assert module._running == []


@pytest.mark.parametrize("code", ["raise SystemExit(1)", REFUSES])
def test_what_another_process_does_not_draw_is_drawn_here(
    code: str, shrunk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 3)
    monkeypatch.setattr(module, "_start", lambda: start(code))
    drawn: list[int] = []
    with drawing_processes():
        assert len(module._running) == 2
        drawing = Drawing(SimpleNamespace(save_one=partial(os.truncate, shrunk)), 6)
        for thread in drawing._threads:
            thread.join()
        drawing._figures.save_one = drawn.append
        drawing.finish()
    assert sorted(drawn) == list(range(6))


def test_without_a_processor_to_spare_or_a_wish_no_process_is_started(
    shrunk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 1)
    with drawing_processes():
        assert module._running == []
    monkeypatch.setattr(module, "_processors", lambda: 4)
    with drawing_processes(wanted=False):
        assert module._running == []
        Drawing(SimpleNamespace(save_one=partial(os.truncate, shrunk)), 3).finish()
    assert shrunk.stat().st_size == 0  # figure 2 first, then 1 and 0


def test_figures_that_cannot_be_sent_are_drawn_here(shrunk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_processors", lambda: 2)
    monkeypatch.setattr(module, "_start", lambda: start(REFUSES))
    drawn: list[int] = []
    with drawing_processes():
        Drawing(SimpleNamespace(save_one=lambda number: drawn.append(number)), 3).finish()
    assert drawn == [2, 1, 0]
