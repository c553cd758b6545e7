"""Corrected labels in whatever file they come, aligned with a dataset's images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalshift.errors import DataError
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.corrected_labels import corrected_labels, read_corrected_labels
from evalshift.testbed.views import view_of_part

LETTERS = ClassSpace("letters", tuple("abcdef"))
IDS = ("n1/x.png", "n1/y.png", "n2/z.png")
TRUTH = np.array([0, 1, 2])


def write(path: Path, content: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, np.asarray(content))
    elif path.suffix == ".parquet":
        pd.DataFrame(content).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        path.write_text(str(content))
    return path


def read_aligned(
    path: Path, space: ClassSpace = LETTERS, ids: tuple[str, ...] = IDS, **more: object
) -> list[list[int]]:
    given: dict = {"ids": ids, "whole": None, "truth": TRUTH[: len(ids)], "where": "d", **more}
    return corrected_labels(path, space, given.pop("view", None), **given).tolist()


@pytest.mark.parametrize(
    "name, content",
    [
        ("real.json", [[0], [1, 3], []]),
        ("single_and_null.json", [0, [1, 3], None]),
        ("names.json", ["a", ["b", "d"], []]),
        ("by_id.json", {"z": None, "x": 0, "y": [1, 3]}),
        ("by_path.json", {"n1/y.png": [1, 3], "n2/z.png": -1, "n1/x.png": [0]}),
        ("records.json", [{"image": "y", "label": 0, "corrected_label": [1, 3]}, {"image": "x", "corrected_label": 0}]),
        ("nested.json", {"y": {"correct_multi_labels": [1, 3]}, "x": {"correct_multi_labels": [0]}}),
        ("columns.json", {"id": ["y", "x"], "corrected_labels": [[1, 3], [0]]}),
        ("lines.jsonl", '{"file_name": "n1/x.png", "labels": [0]}\n{"file_name": "n1/y.png", "labels": [1, 3]}\n'),
        ("order.csv", 'id,label,corrected_labels\ny,5,"[1, 3]"\nx,0,[0]\n'),
        ("semicolons.csv", "filename,real\ny.png,1;3\nx.png,0\nz.png,\n"),
        ("names.csv", "image,labels\ny,b;d\nx,a\n"),
        ("bare.csv", "n1/x.png,0\nn1/y.png,1 3\nn2/z.png,-1\n"),
        ("tabs.tsv", "path\tlabel\nn1/y.png\t1 3\nn1/x.png\t0\n"),
        ("one_hot.npy", [[1, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0], [0] * 6]),
        ("filled.npy", [[0, -1], [1, 3], [-1, -1]]),
        ("lists.parquet", {"id": ["y", "x"], "corrected": [[1, 3], [0]]}),
    ],
)
def test_every_form_gives_the_same_labels(tmp_path: Path, name: str, content: object) -> None:
    assert read_aligned(write(tmp_path / name, content)) == [[0, -1], [1, 3], [-1, -1]]


@pytest.mark.parametrize(
    "name, content",
    [
        ("plain.npy", [0, 1, 4]),
        ("floats.npy", [0.0, 1.0, 4.0]),
        ("names.npy", ["a", "b", "e"]),
        ("column.txt", "0\n1\n4\n"),
        ("header.csv", "label\n0\n1\n4\n"),
        ("gaps.csv", "id,true_label\nx,0.0\ny,1.0\nz,4.0\n"),
    ],
)
def test_one_label_per_image(tmp_path: Path, name: str, content: object) -> None:
    assert read_aligned(write(tmp_path / name, content)) == [[0], [1], [4]]


def test_wnids_and_names_with_commas(tmp_path: Path) -> None:
    imagenet = built_in("imagenet-1k")
    path = write(tmp_path / "l.csv", f'id,labels\nx,n01440764;n01443537\ny,"{imagenet.names[2]}"\n')
    assert read_corrected_labels(path, imagenet).labels == ((0, 1), (2,))


def test_all_validation_images_go_by_their_number(tmp_path: Path) -> None:
    lists: list[list[int]] = [[] for _ in range(50_000)]
    lists[292], lists[235] = [5], [4, 3]
    ids = ("n0/ILSVRC2012_val_00000293.JPEG", "n1/ILSVRC2012_val_00000236.JPEG")
    path = write(tmp_path / "real.json", lists)
    assert read_aligned(path, ids=ids, truth=np.array([5, 3])) == [[5, -1], [4, 3]]


def test_rows_of_all_images_of_the_source_where_some_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "l.json", [[9 - 4], [0], [1], [2]])
    assert read_aligned(path, whole=("gone", *IDS)) == [[0], [1], [2]]


def test_a_view_reads_them_as_it_reads_the_own_labels(tmp_path: Path) -> None:
    """Classes that the view leaves out are no labels: an image that has no other one is left out."""
    view = view_of_part("abd", LETTERS, [0, 1, 3])
    path = write(tmp_path / "l.json", [[0, 2], [1], [2]])
    assert read_aligned(path, view=view) == [[0], [1], [-1]]


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("far.json", [[0], [6], [2]], "a label is not a class"),
        ("unknown.json", [["a"], ["bee"], ["c"]], "a label is not a class"),
        ("negative.json", [[0], [-2], [2]], "a label is not a class"),
        ("short.json", [[0], [1]], "corrected labels and images differ in number"),
        ("others.json", {"p": 0, "q": 1}, "the corrected labels are of other images"),
        ("moved.json", [[5], [4], [3]], "the corrected labels contradict those of the dataset"),
        ("none.json", [[], [], []], "no image has a corrected label"),
        ("empty.json", [], "a file of corrected labels without labels"),
        ("number.json", 3, "the corrected labels cannot be read"),
        ("broken.json.jsonl", "{", "the corrected labels cannot be read"),
        ("twice.csv", "id,label\nx,0\nx,1\n", "duplicate image in the corrected labels"),
        ("unnamed.csv", "id,size,kind\nx,0,1\ny,1,1\n", "the corrected labels cannot be read"),
        ("cube.npy", np.zeros((3, 2, 2), int), "the corrected labels cannot be read"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: object, problem: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        read_aligned(path)
    assert caught.value.problem == problem
    assert str(path) in str(caught.value.where)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file of corrected labels was not found"):
        read_aligned(tmp_path / "real.json")


def test_only_changed_labels_are_refused_with_the_fix(tmp_path: Path) -> None:
    """A list of the images whose label was changed says nothing of the others: accuracy would be of the mistakes."""
    with pytest.raises(DataError) as caught:
        read_aligned(write(tmp_path / "l.csv", "id,label\nx,4\ny,1\nz,5\n"))
    assert caught.value.found == "1 of 3 images of d have their own label among the corrected ones"
    assert "add the others with their own label" in str(caught.value.fix)
