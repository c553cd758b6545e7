"""Lists of labels, aligned with images."""

import json
from pathlib import Path

import numpy as np
import pytest

from evalshift.errors import DataError
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.several_labels import LabelLists, aligned, padded, read_label_lists

LETTERS = ClassSpace("letters", tuple("abcdef"))


def lists(*labels: tuple[int, ...], ids: tuple[str, ...] | None = None) -> LabelLists:
    return LabelLists(Path("l.json"), labels, ids)


def test_by_name_whatever_its_folder_and_suffix() -> None:
    given = lists((1,), (2, 3), (), ids=("x/b.JPEG", "a", "c.png"))
    assert aligned(given, ("n1/a.png", "n1/b.png"), np.array([2, 1]), "d") == [(2, 3), (1,)]


def test_real_labels_go_by_the_number_of_the_validation_image() -> None:
    """Trap 35: in class folders the images stand in another order than the list."""
    labels: list[tuple[int, ...]] = [()] * 50_000
    labels[292], labels[235] = (5,), (4, 3)
    ids = ("n01440764/ILSVRC2012_val_00000293.JPEG", "n01443537/ILSVRC2012_val_00000236.JPEG")
    assert aligned(lists(*labels), ids, None, "d") == [(5,), (4, 3)]


def test_as_many_as_images_or_refused() -> None:
    with pytest.raises(DataError) as caught:
        aligned(lists((1,), (2,)), ("a", "b", "c"), None, "d")
    assert (caught.value.found, caught.value.expected) == ("2 rows", "3, one per image of d")


def test_images_that_the_file_does_not_name() -> None:
    with pytest.raises(DataError) as caught:
        aligned(lists((1,), ids=("a",)), ("a", "b"), None, "d")
    assert caught.value.found == "1 image without a row, such as b"


def test_wnids_names_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps([["n01440764", 5], ["goldfish, Carassius auratus (n01443537)"]]))
    found = read_label_lists(path, built_in("imagenet-1k"))
    assert found is not None
    assert found.labels == ((0, 5), (1,))


@pytest.mark.parametrize("text", ["[1, 2, 3]", '{"a": 1, "b": 2}', '[{"id": "a", "label": 1}]', "[]"])
def test_files_of_one_label_per_image_are_no_lists(tmp_path: Path, text: str) -> None:
    (tmp_path / "l.json").write_text(text)
    assert read_label_lists(tmp_path / "l.json", LETTERS) is None


def test_the_own_label_comes_first_and_no_label_twice() -> None:
    assert padded([(1, 2, 2), (3,), (4, 5, 0)], np.array([2, 1, 0])).tolist() == [[2, 1, 2], [3, 3, 3], [0, 4, 5]]


def test_labels_for_short_where_the_source_has_none_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text("datasets:\n  imagenet-real: {source: imagenet, path: val, labels: real.json}\n")
    assert load_registry(path).dataset("imagenet-real").multi_labels == tmp_path / "real.json"
