"""Files of every format → their columns, and what is not opened at all."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from messages import says

from evalshift.evaluate.importers.files import WHOLE, read_array, read_file
from evalshift.files import sha256_of

MAGIC = "not a NumPy file: it begins with no arr"


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def columns(path: Path, **options: object) -> dict[str, list]:
    return {name: column.tolist() for name, column in read_file(path, **options).columns.items()}  # pyright: ignore[reportArgumentType]


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1, 2], [3, 4]], np.int16))
    content = read_file(path)
    assert columns(path) == {WHOLE: [[1, 2], [3, 4]]}
    assert (content.columns[WHOLE].dtype, content.sha256, content.named, content.rules) == (
        np.int16,
        sha256_of(path),
        False,
        (),
    )
    assert read_array(path).tolist() == [[1, 2], [3, 4]]
    np.save(path, np.array([0.5], ">f2"))
    assert read_array(path).dtype == np.float32


def test_an_archive_holds_arrays_by_name(tmp_path: Path, complaint: Callable[..., str]) -> None:
    alone, both = tmp_path / "alone.npz", tmp_path / "both.npz"
    np.savez(alone, anything=[1, 2])
    np.savez(both, logits=np.eye(2), ids=np.array([b"x", b"y"]), epoch=np.array(3))
    assert columns(alone) == {WHOLE: [1, 2]}
    assert columns(both) == {"logits": [[1.0, 0.0], [0.0, 1.0]], "ids": ["x", "y"], "epoch": 3}
    assert "found:    logits, ids, epoch\n" in complaint(read_array, both)


BY_NAME = {"image": ["x", "y"], "pred": [1, 0]}
SHAPES_OF_JSON = {
    "values": ([1, 2, 3], {WHOLE: [1, 2, 3]}),
    "lists": ([[1, 2], [2, 1]], {WHOLE: [[1, 2], [2, 1]]}),
    "names": (["cat", "dog"], {WHOLE: ["cat", "dog"]}),
    "values by name": ({"x.png": 1, "y.png": 0}, {"id": ["x.png", "y.png"], "predictions": [1, 0]}),
    "lists by name": ({"x": [1, 0], "y": [0, 1]}, {"id": ["x", "y"], "predictions": [[1, 0], [0, 1]]}),
    "columns": ({"ids": ["x", "y"], "preds": [1, 0], "note": "mine"}, {"ids": ["x", "y"], "preds": [1, 0]}),
    "records": ([{"image": "x", "pred": 1}, {"image": "y", "pred": 0}], BY_NAME),
    "orient split": ({"columns": ["image", "pred"], "index": [0, 1], "data": [["x", 1], ["y", 0]]}, BY_NAME),
    "split with names in its index": (
        {"columns": ["pred"], "index": ["x", "y"], "data": [[1], [0]]},
        {"": ["x", "y"], "pred": [1, 0]},
    ),
    "orient index": ({"x": {"pred": 1}, "y": {"pred": 0}}, {"id": ["x", "y"], "pred": [1, 0]}),
    "orient columns": ({"image": {"0": "x", "1": "y"}, "pred": {"0": 1, "1": 0}}, BY_NAME),
    "columns by name": (
        {"pred": {"x": 1, "y": 0}, "prob": {"x": 0.5, "y": 1}},
        {"": ["x", "y"], "pred": [1, 0], "prob": [0.5, 1.0]},
    ),
    "orient values": ([["x", 1], ["y", 0]], {"1": ["x", "y"], "2": [1, 0]}),
    "orient table": (
        {
            "schema": {"fields": [], "pandas_version": "1.4.0"},
            "data": [{"image": "x", "pred": 1}, {"image": "y", "pred": 0}],
        },
        BY_NAME,
    ),
    "under a name": ({"model": "net", "results": [{"image": "x", "pred": 1}, {"image": "y", "pred": 0}]}, BY_NAME),
    "by name under a name": ({"predictions": {"x": 1, "y": 0}}, {"": ["x", "y"], "predictions": [1, 0]}),
    "an unequal number of classes": ([[3, 5], [1], None], {WHOLE: [[3, 5], [1, "nan"], ["nan", "nan"]]}),
    "null": ([3, None, 5], {WHOLE: [3, "nan", 5]}),
    "numbers and words": ([3, "abstain", 5], {WHOLE: ["3", "abstain", "5"]}),
}


@pytest.mark.parametrize("case", SHAPES_OF_JSON)
def test_shapes_of_json(tmp_path: Path, case: str) -> None:
    content, expected = SHAPES_OF_JSON[case]
    found = columns(written(tmp_path / "a.json", json.dumps(content)))
    assert json.loads(json.dumps(found).replace("NaN", '"nan"')) == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    lines = '{"image": "x", "pred": 1}\n\n{"image": "y", "pred": 0}\n'
    assert columns(written(tmp_path / name, lines)) == BY_NAME


def test_parquet_holds_columns_lists_categories_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame(
        {"logits": [[0.5, 1.0], [1.0, 0.0]], "label": [0, None]}, index=pd.Index(["x", "y"], name="key")
    )
    frame["class"] = pd.Categorical(["cat", "dog"])
    frame.to_parquet(path)
    found = columns(path)
    assert str(found.pop("label")) == "[0.0, nan]"
    assert found == {"logits": [[0.5, 1.0], [1.0, 0.0]], "class": ["cat", "dog"], "key": ["x", "y"]}


def test_torch_files_are_read_without_running_anything(tmp_path: Path, complaint: Callable[..., str]) -> None:
    torch = pytest.importorskip("torch")
    path, ran = tmp_path / "a.pt", tmp_path / "ran"

    def held(content: object) -> dict[str, list]:
        torch.save(content, path)
        return columns(path)

    assert held(torch.tensor([3, 1])) == {WHOLE: [3, 1]}
    assert held(torch.eye(2, dtype=torch.bfloat16, requires_grad=True)) == {WHOLE: [[1.0, 0.0], [0.0, 1.0]]}
    assert held({"logits": torch.eye(2), "ids": ["x", "y"], "epoch": 3}) == {
        "logits": [[1.0, 0.0], [0.0, 1.0]],
        "ids": ["x", "y"],
    }
    assert held([torch.eye(2)[:1], torch.eye(2)]) == {WHOLE: [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]}
    assert held({"x.png": torch.tensor(1), "y.png": torch.tensor(0)}) == {
        "id": ["x.png", "y.png"],
        "predictions": [1, 0],
    }
    torch.save((torch.tensor([1, 2]), torch.tensor([2, 1])), path)
    assert "two tensors of one shape: batches, or predictions and labels" in complaint(read_file, path)

    class Opened:
        def __reduce__(self):
            return (Path.touch, (ran,))

    torch.save(Opened(), path)
    words = complaint(read_file, path)
    assert words.startswith("the file cannot be read without running code in it\n")
    assert "weights_only" not in words
    assert not ran.exists()


def test_safetensors(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file({"preds": np.array([1, 0]), "labels": np.array([1, 1])}, tmp_path / "a.safetensors")
    assert columns(tmp_path / "a.safetensors") == {"preds": [1, 0], "labels": [1, 1]}


@pytest.mark.parametrize(
    "name, text, found, expected",
    [
        ("a.json", "[1, [2]]", "row 0 has one value, row 1 a list of 1 value", "a whole .json file"),
        ("a.json", "[[0.5, 2], [1]]", "row 1 has 1 value, row 0 2 values", "a whole .json file"),
        ("a.jsonl", "{}\n{]\n", "line 2 is not JSON", "a whole .jsonl file"),
        ("a.csv", "", "it has no rows", "a whole .csv file"),
        ("a.csv", "id,pred\nx,1\ny,1,2\n", "line 3 has 3 cells, the header 2", "a whole .csv file"),
        ("a.csv", "id,id\nx,1\n", 'two columns are called "id"', "a whole .csv file"),
        ("a.json", "7", "neither a list nor an object", "a whole .json file"),
        ("a.json", "[1", "invalid JSON: expecting ',' delimiter at line 1, column 3", "a whole .json file"),
        ("a.npy", "no array", MAGIC, "a whole .npy file"),
    ],
)
def test_damaged_files(
    tmp_path: Path, complaint: Callable[..., str], name: str, text: str, found: str, expected: str
) -> None:
    path = written(tmp_path / name, text)
    says(complaint(read_file, path), where=path, found=found, expected=expected)


def test_nothing_pickled_is_opened(tmp_path: Path, complaint: Callable[..., str]) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "an array of Python objects" in complaint(read_file, path)


def test_pickles_are_refused_by_name(tmp_path: Path, complaint: Callable[..., str]) -> None:
    assert complaint(read_file, written(tmp_path / "a.pkl", "")).startswith(
        "this format can run code, so it is not opened\n"
    )


def test_missing_files_and_other_formats(tmp_path: Path, complaint: Callable[..., str]) -> None:
    says(complaint(read_file, tmp_path / "a.npy"), where=tmp_path / "a.npy", found="no file of that name")
    path = written(tmp_path / "a.xlsx", "")
    says(complaint(read_file, path), where=path, found=".xlsx")
