"""The order of a heat map: by hand, at the edges, against brute force, and for any matrix."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial import distance

from evalshift.analysis.plot_data.ordering import alike_first, both_ends, first_of


def symmetric(size: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(size=(size, size))
    similarity = (values + values.T) / 2
    np.fill_diagonal(similarity, 1)
    return similarity


def test_two_groups_stand_apart_whatever_their_order_was():
    # 0, 2 and 4 agree on nine images in ten, 1, 3 and 5 on eight, one of either group with one of the other on two.
    group = np.arange(6) % 2
    similarity = np.where(group[:, np.newaxis] == group, np.where(group, 0.8, 0.9), 0.2)
    np.fill_diagonal(similarity, 1)

    order = alike_first(similarity)

    assert set(order[:3]) == {0, 2, 4}  # the more alike come first
    assert set(order[3:]) == {1, 3, 5}


def test_what_stands_on_a_line_is_put_in_its_order():
    place = np.array([3.0, 0.0, 2.0, 1.0, 4.0])

    order = alike_first(1 - np.abs(np.subtract.outer(place, place)) / 4)

    assert place[order].tolist() in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])


@pytest.mark.parametrize("size", [0, 1, 2])
def test_up_to_two_keep_their_places(size):
    assert alike_first(np.ones((size, size))).tolist() == list(range(size))


def turned(node: Any) -> list[list[int]]:
    """All orders of the leaves of a tree: either branch of each fork may come first."""
    if node.is_leaf():
        return [[node.id]]
    left, right = turned(node.get_left()), turned(node.get_right())
    return [order for one, other in product(left, right) for order in (one + other, other + one)]


@pytest.mark.parametrize("seed", range(5))
def test_hardly_an_order_of_the_same_clusters_has_neighbours_more_alike(seed):
    similarity = symmetric(6, seed)
    clusters = hierarchy.linkage(distance.squareform(1 - similarity), "average")
    orders = turned(hierarchy.to_tree(clusters))
    assert len(orders) == 2**5

    def alike(places: list[int]) -> float:
        return sum(similarity[one, other] for one, other in pairwise(places))

    order = alike_first(similarity).tolist()
    assert order in orders
    # scipy's search does not always find the best (3.07 at seed 3, where it finds 2.89), but is never far from it.
    assert alike(order) > 0.9 * max(map(alike, orders))


@given(size=st.integers(3, 9), seed=st.integers(0, 1000))
def test_each_stands_once(size, seed):
    assert sorted(alike_first(symmetric(size, seed)).tolist()) == list(range(size))


def test_a_matrix_that_is_not_symmetric_is_refused():
    with pytest.raises(ValueError, match="found a matrix that is not symmetric; expected one that is"):
        alike_first(np.triu(np.ones((3, 3))))


def test_of_many_both_ends_are_shown():
    assert both_ends(7, 4).tolist() == [0, 1, 5, 6]
    assert both_ends(4, 4).tolist() == [0, 1, 2, 3]
    assert both_ends(0, 4).tolist() == []


@given(st.integers(0, 30), st.integers(1, 12), st.sets(st.integers(0, 29)))
def test_rows_to_keep_are_shown_wherever_they_stand(count: int, most: int, kept: set[int]) -> None:
    kept = {row for row in kept if row < count}
    for choose in (first_of, both_ends):
        rows = choose(count, most, kept).tolist()
        assert rows == sorted(set(rows))
        assert len(rows) <= max(most, 0 if count > most else count)
        assert len(kept) > most or kept <= set(rows)
