"""Text tables of every dialect, and the cells that they hold."""

from pathlib import Path

import numpy as np
import pytest

from evalshift.evaluate.importers.headings import is_known
from evalshift.testbed.text_tables import find_dialect, read_text_table

FORMS = {
    "comma": ("id,pred\na,1\nb,2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "tab": ("id\tpred\na\t1\nb\t2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "blanks": ("id   pred\n a    1\n b    2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "pipe": ("id|pred\na|1\nb|2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "Windows lines": ("id,pred\r\na,1\r\nb,2\r\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "no end of the last line": ("id,pred\na,1\nb,2", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "decimal commas": ("id;score\na;0,5\nb;1\n", ("id", "score"), [["a", "b"], ["0.5", "1"]]),
    "decimal commas in quotes": ('id,score\na,"0,5"\nb,"1,25"\n', ("id", "score"), [["a", "b"], ["0.5", "1.25"]]),
    "thousands": ('id,n\na,"1,234"\nb,"2,345"\n', ("id", "n"), [["a", "b"], ["1,234", "2,345"]]),
    "Excel's hint": ("sep=;\nid;pred\na;1\nb;2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "comments": ("# net, 2024\n% more\nid,pred\na,1\n# end of a\nb,2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "a header in a comment": ("# id,pred\na,1\nb,2\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "blank lines": ("id,pred\n\na,1\n\nb,2\n\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "a comma at each end": ("id,pred,\na,1,\nb,2,\n", ("id", "pred"), [["a", "b"], ["1", "2"]]),
    "R's row names": ('"pred"\n"a" 1\n"b" 2\n', ("", "pred"), [["a", "b"], ["1", "2"]]),
    "quotes": (
        'id,answer\n"a, b","# no\ncomment"\nc,"say ""d"""\n',
        ("id", "answer"),
        [["a, b", "c"], ["# no\ncomment", 'say "d"']],
    ),
    "a list in a cell": ("id,top\na,3;5;1\nb,0;1;2\n", ("id", "top"), [["a", "b"], ["3;5;1", "0;1;2"]]),
    "lists without a header": ("a.png,3;5;1\nb.png,0;1;2\n", None, [["a.png", "b.png"], ["3;5;1", "0;1;2"]]),
    "no header": ("a.png,1\nb.png,2\n", None, [["a.png", "b.png"], ["1", "2"]]),
    "no header, blanks": ("a.png 1\nb.png 2\n", None, [["a.png", "b.png"], ["1", "2"]]),
    "no header, names with blanks": ("my cat.png 1\na.png 2\n", None, [["my cat.png", "a.png"], ["1", "2"]]),
    "no header, all text": ("a.png,cat\nb.png,dog\n", None, [["a.png", "b.png"], ["cat", "dog"]]),
    "numbers": ("1 2\n3 4\n", None, [["1", "3"], ["2", "4"]]),
    "one column": ("pred\ncat\ndog\n", ("pred",), [["cat", "dog"]]),
    "one column of several words": ("pred\npolar bear\nice cream\n", ("pred",), [["polar bear", "ice cream"]]),
    "one column of values": ("cat\ndog\ncat\n", None, [["cat", "dog", "cat"]]),
}


@pytest.mark.parametrize("case", FORMS)
def test_text_tables(tmp_path: Path, case: str) -> None:
    text, names, columns = FORMS[case]
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    table = read_text_table(path, is_heading=is_known, is_value=lambda cell: cell in ("cat", "dog"))
    assert (table.names, [column.tolist() for column in table.columns]) == (names, columns)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,pred\nbär,1\nmaß,2\n".encode(encoding))
    table = read_text_table(path)
    assert table.names == ("id", "pred")
    assert [column.tolist() for column in table.columns] == [["bär", "maß"], ["1", "2"]]


def test_tables_with_many_columns_are_read_as_numbers(tmp_path: Path) -> None:
    """As logits of many classes are: too many to be kept as text."""
    values = np.random.default_rng(0).normal(size=(30, 100)).round(4)
    lines = [f"0{row:02d};" + ";".join(f"{value}".replace(".", ",") for value in values[row]) for row in range(30)]
    path = tmp_path / "a.csv"
    path.write_text("# net\nid;" + ";".join(f"logit_{number}" for number in range(100)) + "\n" + "\n".join(lines))
    table = read_text_table(path, is_heading=is_known)
    assert table.names is not None
    assert (table.names[0], table.names[-1], table.columns[0].tolist()[:2]) == ("id", "logit_99", ["000", "001"])
    np.testing.assert_allclose(np.column_stack(table.columns[1:]), values, rtol=1e-15)
    np.savetxt(path, values, delimiter=",")
    bare = read_text_table(path, is_heading=is_known)
    assert bare.names is None
    np.testing.assert_allclose(np.column_stack(bare.columns), values, rtol=1e-15)  # pandas 2 rounds the last bit


@pytest.mark.parametrize("rows", [2, 1_000])
def test_a_row_that_is_longer_than_a_wide_table_is_refused(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "wide.csv"
    row = ",".join(["1"] * 80)
    path.write_text("\n".join([row] * rows + [f"{row},7"]))
    with pytest.raises(ValueError, match="a row has more than the 80 cells of the first"):
        read_text_table(path, header=False)
    path.write_text("\n".join([f"{row},"] * rows))  # each row ends in a comma: no cell more
    assert len(read_text_table(path, header=False).columns) in (80, 81)


def test_a_header_may_count_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,1\n3,4\n5,6\n")
    assert read_text_table(path, rows=2).names == ("0", "1")
    assert read_text_table(path, rows=3).names is None


def test_long_tables_are_read_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,pred\n" + "".join(f"image_{row:06d}.png,{row % 10}\n" for row in range(20_000)))
    table = read_text_table(path)
    assert [len(column) for column in table.columns] == [20_000, 20_000]
    assert table.columns[0][-1] == "image_019999.png"


def test_what_is_not_plain_is_said() -> None:
    dialect = find_dialect(["# mine", "a;0,5", "b;1,5"])
    assert dialect.rules == ("comment lines are left out", "commas in numbers are decimal commas")
    assert find_dialect(["a,0.5", "b,1"]).rules == ()
