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


def test_headings_take_several_lines_where_the_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "45")
    terminal.print_table(
        ["model", "effective robustness (points)", "rank at the same accuracy", "only resnet18"],
        [["resnet18", "2.6", "1 of 7 [1, 6]", "29"], ["resnet50", "–", "3 of 6 [1, 6]", "10"]],
        "lrrr",
    )
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "           effective",
        "          robustness    rank at the      only",
        "model       (points)  same accuracy  resnet18",
        "─────────────────────────────────────────────",
        "resnet18         2.6  1 of 7 [1, 6]        29",
        "resnet50           –  3 of 6 [1, 6]        10",
    ]


def test_intervals_and_percentages_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = terminal.wrapped("Accuracy drops by 3.4 points (95 % CI 1.3 to 5.4), of 91.2 % [90.1, 92.2].").splitlines()
    assert lines == ["  Accuracy drops by 3.4 points", "  (95 % CI 1.3 to 5.4), of", "  91.2 % [90.1, 92.2]."]
