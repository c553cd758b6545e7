"""Accuracy by groups of images, and the worst group."""

import numpy as np
import pytest
from scipy import stats

from evalshift.analysis.statistics.groups import MOST_GROUPS, Grouping, group_accuracies, groupings

LABELS = np.array([0, 0, 0, 1, 1, 1])
NAMES = ("land", "water")


def test_by_hand() -> None:
    """Group a: correct, wrong, correct; group b: wrong, correct; the last image has no group."""
    correct = np.array([[True, False, True, False, True, True], [True, True, True, False, False, True]])
    grouping = Grouping("place", ("a", "b"), np.array([0, 0, 0, 1, 1, -1]))
    found = group_accuracies(correct, grouping)
    assert found.accuracies.correct.tolist() == [[2, 1], [3, 0]]
    assert found.accuracies.total.tolist() == [3, 2]
    assert found.worst.tolist() == [1, 1]
    assert found.worst_accuracy.tolist() == [0.5, 0.0]


def test_exact_intervals_as_scipy_has_them() -> None:
    correct = np.arange(91)[None, :] < 25
    grouping = Grouping("place", ("a", "b"), (np.arange(91) >= 46).astype(np.int64))
    bounds = group_accuracies(correct, grouping, level=0.9).accuracies.interval
    for group, (right, images) in enumerate([(25, 46), (0, 45)]):
        theirs = stats.binomtest(right, images).proportion_ci(0.9, "exact")
        assert (bounds.low[0, group], bounds.high[0, group]) == pytest.approx((theirs.low, theirs.high))


def test_none_correct_in_a_group_has_the_closed_form() -> None:
    found = group_accuracies(np.zeros((1, 20), bool), Grouping("x", ("a", "b"), np.repeat([0, 1], 10)))
    assert found.worst_interval.low.tolist() == [0.0]
    assert found.worst_interval.high == pytest.approx([1 - 0.025 ** (1 / 10)])


def test_groups_sum_to_the_whole() -> None:
    rng = np.random.default_rng(20)
    correct = rng.random((5, 200)) < 0.7
    values = rng.integers(0, 7, 200).astype(str).tolist()
    for grouping in groupings({"g": values}, rng.integers(0, 2, 200), NAMES)[0]:
        found = group_accuracies(correct, grouping)
        assert found.accuracies.total.sum() == 200
        np.testing.assert_array_equal(found.accuracies.correct.sum(axis=1), correct.sum(axis=1))
        assert (found.worst_accuracy <= correct.mean(axis=1)).all()


def test_an_attribute_alone_and_with_the_labels() -> None:
    found, reasons = groupings({"place": ["0", "1", "0", "1", "1", ""]}, LABELS, NAMES)
    assert reasons == {}
    assert [(one.name, one.groups) for one in found] == [
        ("place", ("0", "1")),
        ("label, place", ("land, 0", "land, 1", "water, 1")),
    ]
    assert found[0].member.tolist() == [0, 1, 0, 1, 1, -1]
    assert found[1].member.tolist() == [0, 1, 0, 2, 2, -1]


def test_values_in_the_order_of_numbers() -> None:
    found, _ = groupings({"year": ["10", "9", "2000", "9", "10", "10"]}, LABELS, NAMES)
    assert found[0].groups == ("9", "10", "2000")


def test_many_numbers_are_parted_into_ranges() -> None:
    found, _ = groupings({"brightness": [f"{value / 100}" for value in range(100)]}, np.zeros(100, np.int64), NAMES)
    assert len(found[0].groups) == 5
    assert np.bincount(found[0].member).min() >= 15
    assert found[0].groups[0].startswith("[0, ")
    assert found[0].groups[-1].endswith(", 0.99]")


def test_what_makes_no_groups_has_a_reason() -> None:
    many = [f"image {number}" for number in range(MOST_GROUPS + 1)]
    found, reasons = groupings({"same": ["x"] * 61, "name": many}, np.zeros(61, np.int64), NAMES)
    assert found == []
    assert reasons == {
        "same": "all images have the same value",
        "name": f"{MOST_GROUPS + 1} values are too many groups (at most {MOST_GROUPS})",
    }


def test_selection_frequencies_are_parted_at_the_released_edges() -> None:
    values = ["0.1", "0.2", "", "0.79", "0.8", "1", "0.65", "0"]
    (grouping, _), reasons = groupings({"frequency": values}, np.zeros(8, np.int64), ["a"])
    assert reasons == {}
    assert grouping.groups == ("[0, 0.2)", "[0.2, 0.4)", "[0.6, 0.8)", "[0.8, 1]")
    assert grouping.member.tolist() == [0, 1, -1, 2, 3, 3, 2, 0]
    # Counts that are called so are groups as any others.
    (other, *_), _ = groupings({"frequency": ["1", "2", "3"]}, np.zeros(3, np.int64), ["a"])
    assert other.groups == ("1", "2", "3")
