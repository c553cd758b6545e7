import re

import pytest

from evalshift.console import terminal

CELLS = ["resnet18", "", "ImageNetV2 — x", "山川 é", "[bold]x", "a b  c", "\x1b[31mred", "  first", "last  ", "x" * 40]


@pytest.mark.parametrize("columns", [None, "60", "200"])
@pytest.mark.parametrize("align", ["ll", "rl", "rr"])
def test_a_table_that_fits_is_printed_as_by_rich(
    columns: str | None, align: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    rows = [[one, other] for one in CELLS for other in CELLS[:6]]
    terminal.print_table(["model", "drop (points)"], rows, align)
    printed = capsys.readouterr().out
    monkeypatch.setattr(terminal, "_SPACING", re.compile(""))  # as if all cells had several lines
    terminal.print_table(["model", "drop (points)"], rows, align)
    assert printed == capsys.readouterr().out
    assert "[bold]x" in printed
    assert "\x1b" not in printed


def test_a_cell_of_several_lines_takes_several_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table(["model", "note"], [["a\nb", "c"]])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()[2:]] == ["a      c", "b"]
