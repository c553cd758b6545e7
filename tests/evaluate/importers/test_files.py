import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalshift.evaluate.importers.files import LABELS, Content, read_cells, read_content
from evalshift.files import sha256_of

MAGIC = r"the magic string is not correct; expected b'\x93NUMPY', got b'no arr'"


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def held(content: Content) -> tuple[list, list | None]:
    return content.array.tolist(), None if content.ids is None else list(content.ids)


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1, 2], [3, 4]], np.int16))
    content = read_content(path)
    assert held(content) == ([[1, 2], [3, 4]], None)
    assert (content.array.dtype, content.sha256, content.rules) == (np.int16, sha256_of(path), ())


def test_an_archive_holds_answers_and_ids_by_name(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone.npz", tmp_path / "both.npz"
    np.savez(alone, anything=[1, 2])
    np.savez(both, logits=np.eye(2), ids=np.array(["x", "y"]), epoch=np.array(3))
    assert held(read_content(alone)) == ([1, 2], None)
    content = read_content(both)
    assert held(content) == ([[1.0, 0.0], [0.0, 1.0]], ["x", "y"])
    assert content.rules == ('the column "ids" names the images', 'the column "logits" holds the answers')


@pytest.mark.parametrize(
    "content, expected",
    [
        ([1, 2, 3], ([1, 2, 3], None)),
        ([[1, 2], [2, 1]], ([[1, 2], [2, 1]], None)),
        ({"x.png": 1, "y.png": 0}, ([1, 0], ["x.png", "y.png"])),
        ({"x.png": [1, 0], "y.png": [0, 1]}, ([[1, 0], [0, 1]], ["x.png", "y.png"])),
        ({"ids": ["x", "y"], "predictions": [1, 0], "note": "mine"}, ([1, 0], ["x", "y"])),
        ([{"image": "x", "pred": 1}, {"image": "y", "pred": 0}], ([1, 0], ["x", "y"])),
        (["cat", "dog"], (["cat", "dog"], None)),
    ],
)
def test_shapes_of_json(tmp_path: Path, content: object, expected: tuple) -> None:
    assert held(read_content(written(tmp_path / "a.json", json.dumps(content)))) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("3\n1\n2\n", ([3, 1, 2], None)),
        ("prediction\n3\n1\n", ([3, 1], None)),
        ("id,prediction\n007,3\nb,1\n", ([3, 1], ["007", "b"])),
        (",0\n0,3\n1,1\n", ([3, 1], ["0", "1"])),  # as pandas writes a Series
        ("id;score_2;score_1\nx;0.5;0.25\ny;0;1\n", ([[0.25, 0.5], [1.0, 0.0]], ["x", "y"])),
        ("1,2\n3,4\n", ([[1, 2], [3, 4]], None)),
        ("0,1\n3,4\n5,6\n", ([[3, 4], [5, 6]], None)),  # two rows are expected, so the first line is the header
        ("file\tlabel\tpred\nx\t9\t3\ny\t9\t1\n", ([3, 1], ["x", "y"])),
        ("b,a\n0.1,0.9\n0.8,0.2\n", ([[0.9, 0.1], [0.2, 0.8]], None)),  # columns by class, in another order
        ("pred\ncat\ndog\n", (["cat", "dog"], None)),
        ("\ufeffpred\n1\n0\n", ([1, 0], None)),
    ],
)
def test_shapes_of_csv(tmp_path: Path, text: str, expected: tuple) -> None:
    path = written(tmp_path / "a.csv", text)
    assert held(read_content(path, rows=2, class_names=("a", "b"))) == expected


def test_parquet_holds_columns_or_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"key": ["x", "y"], "logits": [[0.5, 1.0], [1.0, 0.0]], "label": [0, 1]}).to_parquet(path)
    assert held(read_content(path)) == ([[0.5, 1.0], [1.0, 0.0]], ["x", "y"])
    assert held(read_content(path, likely=LABELS)) == ([0, 1], ["x", "y"])
    assert held(read_content(path, column="label", id_column="key")) == ([0, 1], ["x", "y"])


def test_what_cannot_be_told_is_asked_for(tmp_path: Path, complaint: Callable[..., str]) -> None:
    path = written(tmp_path / "a.csv", "id,mine,yours\nx,1,2\n")
    assert complaint(read_content, path) == (
        "it is not clear which column holds the answers\n"
        f"  where:    {path}\n"
        "  found:    mine, yours\n"
        "  expected: one column, one for each class, or one that is called so\n"
        "  fix:      name it with --column"
    )
    assert complaint(read_content, path, column="mime") == (
        'the file has no column "mime"\n'
        f"  where:    {path}\n"
        "  found:    id, mine, yours\n"
        '  fix:      did you mean "mine"?'
    )


@pytest.mark.parametrize(
    "name, text, found, expected",
    [
        ("a.json", "[1, [2]]", "row 1 has 1 values, row 0 one value", "a whole .json file"),
        ("a.json", "[[1, 2], [1]]", "row 1 has 1 values, row 0 2 values", "a whole .json file"),
        ("a.json", "[1, null]", "row 1 has no value", "a whole .json file"),
        ("a.json", "7", "neither a list nor an object", "a whole .json file"),
        ("a.json", "[1", "Expecting ',' delimiter: line 1 column 3 (char 2)", "a whole .json file"),
        ("a.npy", "no array", MAGIC, "a whole .npy file"),
    ],
)
def test_damaged_files(
    tmp_path: Path, complaint: Callable[..., str], name: str, text: str, found: str, expected: str
) -> None:
    path = written(tmp_path / name, text)
    assert complaint(read_content, path) == (
        f"the file cannot be read\n  where:    {path}\n  found:    {found}\n  expected: {expected}"
    )


def test_nothing_pickled_is_opened(tmp_path: Path, complaint: Callable[..., str]) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "Python objects in dtype" in complaint(read_content, path)


def test_missing_files_and_other_formats(tmp_path: Path, complaint: Callable[..., str]) -> None:
    assert complaint(read_content, tmp_path / "a.npy") == (
        "the file to import is not there\n"
        f"  where:    {tmp_path / 'a.npy'}\n"
        "  found:    no file of that name\n"
        "  expected: a file of answers, labels or accuracies\n"
        "  fix:      check the path; a relative one begins in the working folder"
    )
    path = written(tmp_path / "a.xlsx", "")
    assert complaint(read_content, path) == (
        "this format cannot be imported\n"
        f"  where:    {path}\n"
        "  found:    .xlsx\n"
        "  expected: .npy, .npz, .json, .csv, .tsv, .txt, .parquet"
    )


def test_cells_keep_their_digits(tmp_path: Path) -> None:
    text = 'model,top1,top5\n"a, b",76.10,\nc,7.5e1,93.0\n'
    cells = read_cells(written(tmp_path / "a.csv", text))
    assert cells.to_dict("list") == {"model": ["a, b", "c"], "top1": ["76.10", "7.5e1"], "top5": ["", "93.0"]}
    frame = pd.DataFrame({"top1": [0.5, None]}, index=["a", "b"])
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_cells(tmp_path / "a.parquet").to_dict("list") == {"": ["a", "b"], "top1": ["0.5", ""]}
    frame.reset_index(names="model").to_json(tmp_path / "a.json", orient="records")
    assert read_cells(tmp_path / "a.json").to_dict("list") == {"model": ["a", "b"], "top1": ["0.5", ""]}


@pytest.mark.parametrize(
    "text, found",
    [
        ("model,a\nx,1,2\n", "row 2 has 3 cells, the header 2"),
        ("model,a,a\nx,1,2\n", 'two columns are called "a"'),
    ],
)
def test_uneven_tables(tmp_path: Path, complaint: Callable[..., str], text: str, found: str) -> None:
    path = written(tmp_path / "a.csv", text)
    assert complaint(read_cells, path) == (
        f"the file cannot be read\n  where:    {path}\n  found:    {found}\n  expected: a table with a header"
    )
