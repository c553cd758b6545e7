"""Ranks by hand, against scipy, and as a property of any counts."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from evalshift.analysis.statistics.ranks import rank, rank_changes

counts = st.lists(st.integers(0, 50), min_size=1, max_size=40).map(np.array)


def test_trap_32_ties_share_the_better_rank():
    # 90 and 90 stand first together; two models are better than 80, four than 70.
    assert rank(np.array([70, 90, 80, 80, 90])).tolist() == [5, 1, 3, 3, 1]


def test_all_tied_are_all_first():
    assert rank(np.array([7, 7, 7])).tolist() == [1, 1, 1]


def test_changes_by_hand():
    # original ranks 1 2 3 4, new ranks 3 1 2 3 (65 twice)
    assert rank_changes(np.array([90, 80, 70, 60]), np.array([65, 75, 70, 65])).tolist() == [-2, 1, 1, 1]


@given(counts)
def test_agrees_with_scipy(correct):
    assert rank(correct).tolist() == rankdata(-correct, method="min").tolist()


@given(counts)
def test_a_rank_is_one_more_than_the_number_of_better_models(correct):
    assert rank(correct).tolist() == [1 + int((correct > own).sum()) for own in correct]


@given(counts, st.randoms(use_true_random=False))
def test_the_order_of_the_models_does_not_matter(correct, random):
    order = random.sample(range(len(correct)), len(correct))
    assert rank(correct[order]).tolist() == rank(correct)[order].tolist()


def test_counts_of_any_integer_type():
    assert rank(np.array([1, 127, -128], dtype=np.int8)).tolist() == [2, 1, 3]
    assert rank(np.array([1, 2])).dtype == np.int64


def test_no_models_have_no_ranks():
    assert rank(np.array([], dtype=int)).tolist() == []


def test_different_numbers_of_models():
    # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
    with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
        inspect.unwrap(rank_changes)(np.array([1, 2]), np.array([1]))
    assert str(complaint.value) == "found 2 original and 1 new counts; expected one per model"


def test_with_names_tied_models_are_numbered_on_in_alphabetical_order():
    # As in tables 7 to 16 of Recht et al. 2019. "b" and "c" tie for the second place, "a" and "e" for the fourth.
    correct, names = np.array([80, 90, 90, 95, 80]), ["e", "c", "b", "d", "a"]
    assert rank(correct, names).tolist() == [5, 3, 2, 1, 4]
    # On the new set, where nothing ties, the places are 3, 2, 5, 4 and 1.
    assert rank_changes(correct, np.array([70, 75, 60, 65, 80]), names).tolist() == [2, 1, -3, -3, 3]


@given(counts)
def test_names_move_tied_models_alone(correct):
    names = [f"model-{place}" for place in range(len(correct))]
    shared, numbered = rank(correct), rank(correct, names)
    assert sorted(numbered.tolist()) == list(range(1, len(correct) + 1))
    tied = np.array([(correct == count).sum() for count in correct])
    assert ((numbered >= shared) & (numbered < shared + tied)).all()


def test_as_many_names_as_counts():
    with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
        rank(np.array([1, 2]), ["a"])
    assert str(complaint.value) == "found 2 counts and 1 name; expected one per model"
