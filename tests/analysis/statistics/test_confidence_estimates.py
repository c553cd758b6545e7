"""Accuracy without labels from confidence: by hand, in closed form, against a plain search, and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.statistics.confidence_estimates import confidence_estimates


def test_four_images_by_hand():
    # 2 of 4 are correct: 0.9 and 0.8 exceed 0.6. Of the new ones 0.95 and 0.7 do. Means 0.675 and 0.6375.
    original, correct = np.array([[0.9, 0.8, 0.6, 0.4]]), np.array([[True, False, True, False]])
    found = confidence_estimates(original, correct, np.array([[0.95, 0.7, 0.5, 0.4]]))
    assert found.threshold == pytest.approx([0.6])
    assert found.atc == pytest.approx([0.5])
    assert found.confidence == pytest.approx([0.6375])
    assert found.doc == pytest.approx([0.5 - (0.675 - 0.6375)])


def test_of_images_at_the_threshold_a_part_counts():
    # 3 of 5 are correct, 2 exceed 0.7 and 2 have it: half of those count, on the new set too.
    original = np.array([[0.9, 0.8, 0.7, 0.7, 0.1]])
    found = confidence_estimates(original, np.array([[True] * 3 + [False] * 2]), np.array([[0.7, 0.7, 0.9, 0.2]]))
    assert found.atc == pytest.approx([(1 + 0.5 * 2) / 4])


def test_all_or_none_correct():
    prob, new = np.array([[0.9, 0.6]]), np.array([[0.6, 0.5, 0.95]])
    every = confidence_estimates(prob, np.array([[True, True]]), new)
    none = confidence_estimates(prob, np.array([[False, False]]), new)
    assert (every.threshold[0], every.atc[0]) == (0.6, pytest.approx(2 / 3))
    assert (none.threshold[0], none.atc[0]) == (0.9, pytest.approx(1 / 3))


def test_atc_is_that_of_the_authors_search_for_a_threshold():
    # find_ATC_threshold and get_ATC_acc of saurabhgarg1996/ATC_code, written out for distinct scores: the threshold
    # with the least difference of the share below it from the error rate.
    rng = np.random.default_rng(0)
    original, new = rng.random((1, 500)), rng.random((1, 300)) ** 1.3
    correct = rng.random((1, 500)) < original
    ordered = np.sort(original[0])
    below = np.arange(500)
    threshold = ordered[np.argmin(np.abs(below - np.sum(~correct)))]
    theirs = np.mean(new[0] >= threshold)
    found = confidence_estimates(original, correct, new)
    assert found.atc[0] == pytest.approx(theirs, abs=1 / 300)


def test_the_error_of_doc_is_the_change_in_over_confidence():
    rng = np.random.default_rng(1)
    original, new = rng.uniform(0.5, 1, (3, 200)), rng.uniform(0.5, 1, (3, 300))
    correct, new_correct = rng.random((3, 200)) < 0.7, rng.random((3, 300)) < 0.6
    found = confidence_estimates(original, correct, new)
    over = [(prob - right).mean(axis=1) for prob, right in ((original, correct), (new, new_correct))]
    assert found.doc - new_correct.mean(axis=1) == pytest.approx(over[1] - over[0])


def test_without_probabilities_it_is_undefined_and_images_without_one_are_incorrect():
    original = np.array([[0.9, np.nan, 0.6], [np.nan] * 3])
    correct = np.array([[True, False, False]] * 2)
    found = confidence_estimates(original, correct, np.array([[0.95, np.nan], [0.9, 0.9]]))
    assert found.atc[0] == pytest.approx(0.5)
    assert found.confidence[0] == pytest.approx(0.475)
    assert np.isnan([found.atc[1], found.doc[1], found.threshold[1], found.confidence[1]]).all()


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(1, 20), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_on_the_original_images_themselves_both_are_right(images, seed, steps, rate):
    rng = np.random.default_rng(seed)
    prob = np.ceil(rng.random((1, images)) * steps) / steps
    correct = rng.random((1, images)) < rate
    found = confidence_estimates(prob, correct, prob)
    assert found.atc == pytest.approx(correct.mean(axis=1))
    assert found.doc == pytest.approx(correct.mean(axis=1))


def test_impossible_probabilities_are_refused():
    with pytest.raises(ValueError, match="expected fractions from 0 to 1"):
        confidence_estimates(np.array([[0.5]]), np.array([[True]]), np.array([[1.5]]))
