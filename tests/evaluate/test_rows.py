import numpy as np
import pytest

from evalshift.evaluate.rows import (
    are_positions,
    duplicates,
    image_keys,
    is_label_checksum,
    label_checksum,
    order_of,
    places_by_number,
    same_labels,
)

LABELS = np.array([1, 0, 2], np.int64)
NAMES = ("b/two.JPEG", "a/one.JPEG", "c/three.JPEG")


def test_marks_of_equal_labels_and_names_are_equal() -> None:
    assert label_checksum(NAMES, LABELS) == label_checksum(("two.png", "one", "there/three.jpg"), LABELS.copy())
    assert label_checksum(("0", "1", "2"), LABELS) == label_checksum(("000", "001", "002"), LABELS)
    assert is_label_checksum(label_checksum(NAMES, LABELS))
    assert not is_label_checksum("ab" * 32)


def test_rows_are_the_same_by_labels_alone_where_one_side_has_no_names() -> None:
    named, bare = label_checksum(NAMES, LABELS), label_checksum(("0", "1", "2"), LABELS)
    assert same_labels(named, bare)
    assert same_labels(bare, named)
    assert same_labels(named, named)


@pytest.mark.parametrize(
    "ids, labels",
    [
        (NAMES, [1, 2, 0]),  # the labels in another order
        (NAMES, [1, 0]),
        (("one", "two", "three"), [1, 0, 2]),  # the images in another order, which the labels alone do not show
    ],
)
def test_other_rows_are_not_the_same(ids: tuple[str, ...], labels: list[int]) -> None:
    other = label_checksum(ids[: len(labels)], np.array(labels, np.int64))
    assert not same_labels(label_checksum(NAMES, LABELS), other)


def test_positions_are_no_names() -> None:
    assert are_positions(("0", "1", "2"))
    assert are_positions(("08", "09")) is False
    assert are_positions(("0", "2")) is False


def test_keys_that_would_be_equal_stay_whole() -> None:
    assert image_keys(("x\\a.png", "y/b.png", "007")) == ("a", "b", "7")
    assert image_keys(("a.png", "a.jpg")) == ("a.png", "a.jpg")
    assert image_keys(("resnet.v1", "resnet.v2")) == ("resnet.v1", "resnet.v2")


def test_predictions_are_put_into_the_order_of_the_dataset() -> None:
    order = order_of(NAMES, ("three.jpg", "one.jpg", "two.jpg"))
    assert order is not None
    assert order.tolist() == [2, 1, 0]
    whole = order_of(("a.png", "a.jpg"), ("a.jpg", "a.png"))  # distinguished by their suffix alone
    assert whole is not None
    assert whole.tolist() == [1, 0]


@pytest.mark.parametrize("given", [("one", "two"), ("one", "two", "four"), ("one", "two", "two"), ("one",) * 4])
def test_no_order_without_the_same_names(given: tuple[str, ...]) -> None:
    assert order_of(NAMES, given) is None


def test_names_that_is_duplicate_are_found() -> None:
    assert duplicates(("a", "b", "a", "c", "b", "b")) == ["a", "b"]


def test_suffixes_of_every_image_format_are_left_out_of_names() -> None:
    """The same image is named with whatever suffix its copy of the dataset has."""
    assert image_keys(("a/1.JFIF", "b/2.avif", "c/3.jp2", "d/4.tiff")) == ("1", "2", "3", "4")
    assert order_of(("cat.jfif", "dog.npy"), ("dog", "cat")) is not None
    assert image_keys(("net.v2", "net.v3")) == ("net.v2", "net.v3")


def test_names_of_more_digits_than_any_number_has() -> None:
    """int() takes up to 4,300 digits, and 64 bits hold 18."""
    long = ("1" * 5000, "0" * 5000, "7" * 20)
    assert not are_positions(long)
    assert image_keys(long) == ("1" * 5000, "0", "7" * 20)
    assert places_by_number(tuple(f"img_{name}.png" for name in long)) is None
    assert are_positions(("000", "001", "2"))
