"""Mistakes within the superclass."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.hierarchical_errors import hierarchical_errors, share_change
from evalshift.analysis.statistics.intervals import difference_interval

# Classes 0, 1, 2 are dogs, 3 and 4 cats, 5 is in no superclass.
OF_CLASS = np.array([0, 0, 0, 1, 1, -1])


def test_by_hand() -> None:
    """Image 5 is of no superclass; it is left out, and so is a missing prediction (−1)."""
    labels = np.array([0, 1, 3, 4, 5, 0])
    predicted = np.array(
        [
            [1, 1, 4, 0, 0, 5],  # mistakes: 1 for 0 within, 4 for 3 within, 0 for 4 outside, 5 for 0 outside
            [0, 1, 3, 4, 0, 0],  # none
            [-1, 3, 5, 3, 5, -1],  # 3 for 1 outside, 5 for 3 outside, 3 for 4 within
        ]
    )
    found = hierarchical_errors(predicted, labels, OF_CLASS)
    assert found.mistakes.tolist() == [4, 0, 3]
    assert found.within.tolist() == [2, 0, 1]
    assert found.share.tolist() == pytest.approx([1 / 2, np.nan, 1 / 3], nan_ok=True)
    # Of five other classes, two are dogs for a dog, and one is a cat for a cat.
    expected = [(2 / 5 + 1 / 5 + 1 / 5 + 2 / 5) / 4, np.nan, (2 / 5 + 1 / 5 + 1 / 5) / 3]
    assert found.expected.tolist() == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found.interval.low).tolist() == [False, True, False]


def test_several_correct_labels_by_hand() -> None:
    """0 and 3 are both correct on the first image: dogs and cats alike are within; 5 is in no superclass."""
    truth = np.array([[0, 3], [1, 1], [5, 0], [5, 5]])
    predicted = np.array([[3, 2, 1, 0], [4, 3, 5, 0], [5, 1, 3, 5]])
    found = hierarchical_errors(predicted, truth, OF_CLASS)
    assert found.mistakes.tolist() == [2, 2, 2]  # the last image is left out
    assert found.within.tolist() == [2, 1, 0]
    # Of the four incorrect classes of the first image three are dogs or cats; of the third's, two are dogs.
    assert found.expected.tolist() == pytest.approx([(2 / 5 + 2 / 4) / 2, (3 / 4 + 2 / 5) / 2, (3 / 4 + 2 / 4) / 2])


def test_all_mistakes_within_have_the_closed_form() -> None:
    found = hierarchical_errors(np.ones((1, 20), np.int64), np.zeros(20, np.int64), OF_CLASS, level=0.9)
    assert (found.share.tolist(), found.interval.high.tolist()) == ([1.0], [1.0])
    assert found.interval.low == pytest.approx([0.05 ** (1 / 20)])


def test_classes_that_are_never_predicted_are_no_other_classes() -> None:
    """Class 2 is not kept: of the four other classes that may be predicted one is a dog."""
    kept = np.array([0, 0, -1, 1, 1, -1])
    found = hierarchical_errors(np.array([[1, 3]]), np.array([0, 0]), kept, classes=5)
    assert found.expected.tolist() == [1 / 4]
    with pytest.raises(ValueError, match="classes: found 1; expected at least 2"):
        hierarchical_errors(np.array([[1]]), np.array([0]), OF_CLASS, classes=1)
    with pytest.raises(ValueError, match="level: found 95"):
        hierarchical_errors(np.array([[1]]), np.array([0]), OF_CLASS, level=95.0)


def test_as_pandas_counts_and_scipy_bounds() -> None:
    rng = np.random.default_rng(9)
    labels, of_class = rng.integers(0, 30, 500), rng.integers(-1, 5, 30)
    predicted = np.where(rng.random((4, 500)) < 0.4, labels, rng.integers(-1, 30, (4, 500)))
    found = hierarchical_errors(predicted, labels, of_class, level=0.9)
    for model in range(4):
        frame = pd.DataFrame({"label": labels, "predicted": predicted[model]})
        frame["own"] = frame["label"].map(dict(enumerate(of_class)))
        frame["given"] = frame["predicted"].map(dict(enumerate(of_class)))
        frame = frame.query("own >= 0 and predicted >= 0 and predicted != label")
        within = int((frame["own"] == frame["given"]).sum())
        assert (found.within[model], found.mistakes[model]) == (within, len(frame))
        theirs = stats.binomtest(within, len(frame)).proportion_ci(0.9, "exact")
        assert (found.interval.low[model], found.interval.high[model]) == pytest.approx((theirs.low, theirs.high))


def test_expected_is_what_mistakes_at_random_give() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 6, 60_000)
    found = hierarchical_errors(((labels + rng.integers(1, 6, (1, 60_000))) % 6), labels, OF_CLASS)
    assert found.share[0] == pytest.approx(found.expected[0], abs=4 * np.sqrt(0.25 / 50_000))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(2, 9), st.integers(1, 3))
def test_counts_agree_with_accuracies_in_classes_and_in_superclasses(
    seed: int, images: int, classes: int, several: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (images, several))
    predicted, of_class = rng.integers(0, classes, (3, images)), rng.integers(0, 3, classes)
    found = hierarchical_errors(predicted, truth, of_class)
    correct = (predicted[:, :, None] == truth).any(axis=2).sum(axis=1)
    coarse = (of_class[predicted][:, :, None] == of_class[truth]).any(axis=2).sum(axis=1)
    np.testing.assert_array_equal(found.mistakes, images - correct)
    np.testing.assert_array_equal(found.within, coarse - correct)
    some = found.mistakes > 0
    assert ((found.expected[some] >= 0) & (found.expected[some] <= 1)).all()
    assert (found.interval.low[some] <= found.share[some]).all()
    assert (found.share[some] <= found.interval.high[some]).all()
    change = share_change(found, found)
    assert (change.difference[some] == 0).all()
    np.testing.assert_allclose(change.interval.low[some], -change.interval.high[some])


def test_the_change_is_that_of_two_independent_shares() -> None:
    labels = np.zeros(150, np.int64)
    before = hierarchical_errors(np.array([np.repeat([1, 3], [48, 32]), np.zeros(80)], np.int64), labels[:80], OF_CLASS)
    after = hierarchical_errors(np.array([np.repeat([1, 3], [56, 14]), np.ones(70)], np.int64), labels[:70], OF_CLASS)
    change = share_change(before, after, level=0.95)
    assert change.difference.tolist() == pytest.approx([56 / 70 - 48 / 80, np.nan], nan_ok=True)
    theirs = difference_interval(np.array([56]), np.array([70]), np.array([48]), np.array([80]))
    # Newcombe 1998, table II (a): 56/70 against 48/80, method 10.
    assert (theirs.low.round(4), theirs.high.round(4)) == (0.0524, 0.3339)
    assert change.interval.low.tolist() == pytest.approx([theirs.low[0], np.nan], nan_ok=True)
    assert change.interval.high.tolist() == pytest.approx([theirs.high[0], np.nan], nan_ok=True)
