"""Tables that describe images: of every dialect, and as records."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evalshift.errors import DataError
from evalshift.testbed.image_tables import read_image_table
from evalshift.testbed.text_tables import TextTable

ROWS = [("a b.png", "3"), ("c.png", "10")]


def rows(table: TextTable) -> list[tuple[str, ...]]:
    return [table.row(place) for place in range(len(table))]


@pytest.mark.parametrize(
    "text, encoding",
    [
        ("a b.png,3\nc.png,10\n", "utf-8"),
        ("a b.png,3\r\nc.png,10\r\n", "utf-8-sig"),
        ("a b.png\t3\nc.png\t10", "utf-16"),
        ('"a b.png";3\n# left out\n\nc.png; 10\n', "utf-8"),
        ("sep=;\na b.png;3\nc.png;10\n", "cp1252"),
        ("a b.png|3\nc.png|10\n", "utf-8"),
        ("a b.png 3\nc.png 10\n", "utf-8"),
    ],
)
def test_dialects(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "t").write_bytes(text.encode(encoding))
    found = read_image_table(tmp_path / "t", "d")
    assert (found.names, rows(found)) == (None, ROWS)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('# net\n\nname,label\na.png,"3\nor 4"\n# more\nb.png,1\n')
    found = read_image_table(tmp_path / "t", "d")
    assert found.lines == (3, 4, 7)
    named = found.with_names()
    assert (named.names, named.lines, named.column(0)) == (("name", "label"), (4, 7), ("a.png", "b.png"))


def test_words(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n")
    found = read_image_table(tmp_path / "val.txt", "d")
    assert rows(found) == [("ILSVRC2012_val_00000001.JPEG", "65"), ("ILSVRC2012_val_00000002.JPEG", "970")]
    (tmp_path / "names.txt").write_text("felix.png cat\nrex.png dog\n")
    assert rows(read_image_table(tmp_path / "names.txt", "d")) == [("felix.png", "cat"), ("rex.png", "dog")]


def test_paths_of_network_drives_are_no_comments(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("// a comment\n//nas/a.png,3\n//nas/b.png,10\n")
    assert rows(read_image_table(tmp_path / "t", "d")) == [("//nas/a.png", "3"), ("//nas/b.png", "10")]


@pytest.mark.parametrize(
    "text",
    [
        '{"file": "a b.png", "y": 3}\n\n{"file": "c.png", "y": 10}\n',
        '[{"file": "a b.png", "y": "3"}, {"y": 10, "file": "c.png"}]',
    ],
)
def test_records(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text)
    found = read_image_table(tmp_path / "t", "d")
    assert (found.names, rows(found)) == (("file", "y"), ROWS)


def test_an_object_from_names_to_labels(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"a.png": 3, "b.png": 10, "c.png": 0}')
    assert rows(read_image_table(tmp_path / "t", "d")) == [("a.png", "3"), ("b.png", "10"), ("c.png", "0")]


def test_refusals(tmp_path: Path, complaint: Callable[..., str]) -> None:
    for text, said in {
        "a,1\nb,2,3\n": "line 2 has 3 cells, line 1 2\n",
        "# mine\na,1\n\nb,2\nc\n": "line 5 has 1 cells, line 2 2\n",
        "": "it has no rows\n",
        "# nothing\n": "it has no rows\n",
        '{"a": 1}\n[2]\n': 'a line that is not a record, such as {"path": ..., "label": ...}\n',
        '[["a", 1]]': 'a line that is not a record, such as {"path": ..., "label": ...}\n',
        "[]": "it has no rows\n",
    }.items():
        (tmp_path / "t").write_text(text)
        found = complaint(DataError, read_image_table, tmp_path / "t", "d").replace(str(tmp_path), "HERE")
        assert found.startswith(f"a table cannot be read\n  where:    d, HERE/t\n  found:    {said}")
    assert complaint(DataError, read_image_table, tmp_path / "x", "d").startswith("a table does not exist\n")
