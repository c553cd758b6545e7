"""Rows of a CSV file by the names of its columns."""

import csv
from pathlib import Path

import pytest

from evalshift.errors import DataError
from evalshift.testbed.csv_records import csv_bytes, read_csv_records


def test_rows_are_by_name_whatever_excel_puts_before_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfimage,class\n"a,b",cat\nc,dog\n')
    columns, rows = read_csv_records(tmp_path / "a.csv", "candidates")
    assert columns == ("image", "class")
    assert rows == [{"image": "a,b", "class": "cat"}, {"image": "c", "class": "dog"}]


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    assert read_csv_records(tmp_path / "a.csv", "candidates") == ((), [])


def test_an_absent_file_and_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_csv_records(tmp_path / "a.csv", "candidates")
    assert caught.value.problem == "the file of candidates was not found"
    assert caught.value.where == tmp_path / "a.csv"
    (tmp_path / "a.csv").write_bytes("größe".encode("utf-16"))
    with pytest.raises(DataError) as caught:
        read_csv_records(tmp_path / "a.csv", "decisions")
    assert caught.value.problem == "the decisions cannot be read"
    assert caught.value.expected == "CSV in UTF-8"


def test_names_that_spreadsheets_take_for_formulas_are_inert_and_read_back_exactly(tmp_path: Path) -> None:
    names = ["=1+1.png", "+a", "-b/c.png", "@x", "\tq", "'quoted'", "'=x", "''", "-0.5", "plain", 'a,"b"']
    written = csv_bytes(("image", "number"), [(name, -1.5) for name in names])
    (tmp_path / "a.csv").write_bytes(written)
    cells = [row[0] for row in csv.reader(written.decode().splitlines()[1:])]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t")) or cell == "-b/c.png"]
    _, rows = read_csv_records(tmp_path / "a.csv", "candidates")
    assert [row["image"] for row in rows] == names
    assert {row["number"] for row in rows} == {"-1.5"}
