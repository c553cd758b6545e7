"""Rows of a CSV file by the names of its columns."""

from pathlib import Path

import pytest

from evalshift.errors import DataError
from evalshift.testbed.csv_records import read_csv_records


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
