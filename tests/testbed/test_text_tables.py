"""Tables of text, told by their content."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evalshift.errors import DataError
from evalshift.testbed.text_tables import TextTable, read_text_table

ROWS = (("a b.png", "3"), ("c.png", "10"))


@pytest.mark.parametrize(
    "text",
    [
        "a b.png,3\nc.png,10\n",
        "\ufeffa b.png,3\r\nc.png,10\r\n",
        "a b.png\t3\nc.png\t10",
        '"a b.png";3\n# left out\n\nc.png; 10\n',
        "a b.png|3\nc.png|10\n",
    ],
)
def test_delimiters(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text, "utf-8", newline="")
    assert read_text_table(tmp_path / "t", "d").rows == ROWS


def test_words(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n")
    found = read_text_table(tmp_path / "val.txt", "d")
    assert found == TextTable((("ILSVRC2012_val_00000001.JPEG", "65"), ("ILSVRC2012_val_00000002.JPEG", "970")), (1, 2))


@pytest.mark.parametrize(
    "text",
    [
        '{"file": "a b.png", "y": 3}\n\n{"file": "c.png", "y": 10}\n',
        '[{"file": "a b.png", "y": "3"}, {"y": 10, "file": "c.png"}]',
    ],
)
def test_records(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text)
    found = read_text_table(tmp_path / "t", "d")
    assert (found.names, found.rows) == (("file", "y"), ROWS)


def test_an_object_from_names_to_labels(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"a.png": 3, "b.png": 10, "c.png": 0}')
    assert read_text_table(tmp_path / "t", "d").rows == (("a.png", "3"), ("b.png", "10"), ("c.png", "0"))


def test_refusals(tmp_path: Path, complaint: Callable[..., str]) -> None:
    for text, said in {
        "a,1\nb,2,3\n": "rows of different length\n  where:    d, HERE/t, line 2\n  found:    3 cells\n",
        "": "a table is empty\n",
        "# nothing\n": "a table is empty\n",
        '{"a": 1}\n[2]\n': "a table cannot be read\n",
        '[["a", 1]]': "a table cannot be read\n",
    }.items():
        (tmp_path / "t").write_text(text)
        assert (
            complaint(DataError, read_text_table, tmp_path / "t", "d").replace(str(tmp_path), "HERE").startswith(said)
        )
    assert complaint(DataError, read_text_table, tmp_path / "x", "d").startswith("a table does not exist\n")
