"""How far mistakes are from the true class in a class tree."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.mistake_distances import class_distances, distance_change, mistake_distances
from evalshift.testbed.class_tree import ClassTree, make_tree

# Two dogs, two cats, a car; "animal" is above four of the five.
ABOVE = {
    "thing": [], "animal": ["thing"], "dog": ["animal"], "cat": ["animal"],
    "pug": ["dog"], "corgi": ["dog"], "tabby": ["cat"], "siamese": ["cat"], "car": ["thing"],
}  # fmt: skip
CLASSES = ["pug", "corgi", "tabby", "siamese", "car"]
TREE = make_tree("home", CLASSES, ABOVE)


def binary(levels: int) -> ClassTree:
    """The full binary tree with 2 ** levels classes."""
    above: dict[str, list[str]] = {"": []}
    for level in range(1, levels + 1):
        above |= {f"{place:0{level}b}": [f"{place:0{level}b}"[:-1]] for place in range(2**level)}
    return make_tree("binary", [f"{place:0{levels}b}" for place in range(2**levels)], above)


def random_graph(rng: np.random.Generator, nodes: int) -> dict[str, list[str]]:
    """Each node but the first below one or two of those before it."""
    above = {"0": []}
    for node in range(1, nodes):
        parents = rng.choice(node, size=min(node, int(rng.integers(1, 3))), replace=False)
        above[str(node)] = [str(parent) for parent in sorted(parents)]
    return above


def test_by_hand() -> None:
    bits, heights = class_distances(TREE, 0)
    assert bits.tolist() == pytest.approx([0, 1, 2, 2, np.log2(5)])
    assert heights.tolist() == [0, 1, 2, 2, 3]

    labels = np.array([0, 0, 2, 4, 4])
    predicted = np.array([[1, 2, 2, 0, 4], [0, 0, 2, 4, 4], [-1, 3, 2, 4, 4]])
    found = mistake_distances(predicted, labels, TREE)
    assert found.mistakes.tolist() == [3, 0, 1]  # −1 is no prediction
    # Corgi for pug 1 bit, tabby for pug 2 bits, pug for car log2 5.
    values = [1, 2, np.log2(5)]
    assert found.distance.tolist() == pytest.approx([np.mean(values), np.nan, 2], nan_ok=True)
    assert found.height.tolist() == pytest.approx([2, np.nan, 2], nan_ok=True)
    of_pug = (1 + 2 + 2 + np.log2(5)) / 4
    assert found.expected.tolist() == pytest.approx([(2 * of_pug + np.log2(5)) / 3, np.nan, of_pug], nan_ok=True)
    theirs = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.interval.low[0], found.interval.high[0]) == pytest.approx((max(theirs[0], 0), theirs[1]))
    assert np.isnan(found.interval.low[1:]).all()
    assert found.deviation[0] == pytest.approx(np.std(values, ddof=1))


def test_the_nearest_of_several_correct_labels_counts() -> None:
    """Tabby is 2 bits from the pug and 1 from the Siamese cat; the car is as far from both."""
    found = mistake_distances(np.array([[2, 3], [4, 0]]), np.array([[0, 3], [3, 0]]), TREE)
    assert found.mistakes.tolist() == [1, 1]
    assert found.distance.tolist() == pytest.approx([1, np.log2(5)])
    assert found.height.tolist() == [1, 3]
    assert found.expected.tolist() == pytest.approx([(1 + 1 + np.log2(5)) / 3] * 2)


def test_a_class_above_the_predicted_one_loses_nothing() -> None:
    """A pug is a dog: no bit is lost when "dog" is predicted to be a pug, one when a pug is predicted to be a dog."""
    tree = make_tree("home", ["dog", "pug", "car"], ABOVE)
    assert class_distances(tree, 0)[0].tolist() == pytest.approx([0, 0, np.log2(3 / 2)])
    assert class_distances(tree, 1)[0].tolist() == pytest.approx([1, 0, np.log2(3)])


def test_of_two_ways_up_the_one_that_says_most_counts() -> None:
    above = {**ABOVE, "pug": ["dog", "lap"], "tabby": ["cat", "lap"], "lap": ["animal"]}
    bits, heights = class_distances(make_tree("home", CLASSES, above), 0)
    assert (bits[2], heights[2]) == (1, 1)


def test_classes_that_are_not_kept_neither_count_nor_are_mistakes() -> None:
    tree = make_tree("home", CLASSES, ABOVE, kept=[0, 1, 4])
    found = mistake_distances(np.array([[4, 2]]), np.array([0, 0]), tree)
    assert (found.mistakes.tolist(), found.expected.tolist()) == ([1], pytest.approx([(1 + np.log2(3)) / 2]))
    assert found.distance.tolist() == pytest.approx([np.log2(3)])


def test_classes_without_a_common_ancestor_are_no_mistakes_with_a_distance() -> None:
    tree = make_tree("two", ["a", "b"], {"a": [], "b": []})
    bits, heights = class_distances(tree, 0)
    assert (bits.tolist(), heights.tolist()) == ([0, np.inf], [0, -1])


@pytest.mark.parametrize("levels", [1, 4, 7])
def test_mistakes_at_random_in_a_binary_tree_have_the_closed_form(levels: int) -> None:
    """Of the 2^L − 1 other classes 2^(k − 1) are k bits away: the mean is L − 1 + L/(2^L − 1)."""
    classes = 2**levels
    labels = np.repeat(np.arange(classes), classes - 1)
    predicted = np.concatenate([np.delete(np.arange(classes), label) for label in range(classes)])
    found = mistake_distances(predicted[np.newaxis], labels, binary(levels))
    mean = levels - 1 + levels / (classes - 1)
    assert (found.distance[0], found.expected[0], found.height[0]) == pytest.approx((mean, mean, mean))


def test_as_networkx_finds_them() -> None:
    """On trees, where the lowest common ancestor is one: its descendants and its longest way down, by networkx."""
    rng = np.random.default_rng(12)
    for _ in range(5):
        above = {node: parents[:1] for node, parents in random_graph(rng, 40).items()}
        graph = nx.DiGraph([(parent, node) for node, parents in above.items() for parent in parents])
        leaves = [node for node in graph if graph.out_degree(node) == 0]
        tree = make_tree("random", leaves, above)
        for label, leaf in enumerate(leaves):
            bits, heights = class_distances(tree, label)
            for other, name in enumerate(leaves):
                lowest = nx.lowest_common_ancestor(graph, leaf, name)
                below = {lowest} | nx.descendants(graph, lowest)
                assert bits[other] == pytest.approx(np.log2(len(below & set(leaves))))
                assert heights[other] == len(nx.dag_longest_path(graph.subgraph(below))) - 1


@given(st.integers(0, 2**32), st.integers(3, 30), st.integers(1, 30), st.integers(1, 2))
def test_distances_are_between_nothing_and_all_classes(seed: int, nodes: int, images: int, several: int) -> None:
    rng = np.random.default_rng(seed)
    above = random_graph(rng, nodes)
    classes = [str(node) for node in rng.permutation(nodes)[: int(rng.integers(2, nodes + 1))]]
    tree = make_tree("random", classes, above)
    truth = rng.integers(0, len(classes), (images, several))
    predicted = rng.integers(0, len(classes), (3, images))
    found = mistake_distances(predicted, truth, tree)
    correct = (predicted[:, :, None] == truth).any(axis=2)
    np.testing.assert_array_equal(found.mistakes, (~correct).sum(axis=1))
    some = found.mistakes > 0
    for values, most in ((found.distance, np.log2(len(classes))), (found.height, nodes), (found.expected, 30)):
        assert ((values[some] >= 0) & (values[some] <= most + 1e-9)).all()
        assert np.isnan(values[~some]).all()
    for model in np.flatnonzero(some):
        wanted = [
            min(class_distances(tree, int(label))[0][predicted[model, image]] for label in truth[image])
            for image in np.flatnonzero(~correct[model])
        ]
        assert found.distance[model] == pytest.approx(np.mean(wanted))
    change = distance_change(found, found)
    two = found.mistakes > 1
    np.testing.assert_allclose(change.difference[some], 0)
    np.testing.assert_allclose(change.interval.low[two], -change.interval.high[two])


def test_the_change_is_welch() -> None:
    rng = np.random.default_rng(7)
    labels, predicted = rng.integers(0, 5, (2, 80)), rng.integers(0, 5, (2, 1, 80))
    sides = [mistake_distances(one, of, TREE) for one, of in zip(predicted, labels, strict=True)]
    values = [
        [class_distances(TREE, int(label))[0][given] for given, label in zip(one[0], of, strict=True) if given != label]
        for one, of in zip(predicted, labels, strict=True)
    ]
    theirs = stats.ttest_ind(values[1], values[0], equal_var=False).confidence_interval(0.9)
    change = distance_change(*sides, level=0.9)
    assert (change.interval.low[0], change.interval.high[0]) == pytest.approx((theirs.low, theirs.high))
    with pytest.raises(ValueError, match="level: found 95"):
        distance_change(*sides, level=95.0)


def test_equal_mistakes_leave_no_doubt_and_raise_nothing() -> None:
    """All mistakes 1 bit away: the interval has no width."""
    found = mistake_distances(np.array([[1, 1, 1]]), np.array([0, 0, 0]), TREE)
    change = distance_change(found, found)
    assert (found.interval.low[0], found.interval.high[0], change.interval.low[0]) == (1, 1, 0)
