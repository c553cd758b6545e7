"""Class trees: what kinds the classes of a label space are, and which kinds are above them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from evalshift.testbed.wordnet import hypernyms as wordnet

_WNID = re.compile(r"\bn\d{8}\b")


@dataclass(frozen=True, eq=False)
class ClassTree:
    """The classes of a label space below their kinds. A kind may be below several, so this need not be a tree.

    name       what it is taken from
    nodes      the classes' kinds and all above them, by name
    ancestors  of each class: its own node and all above it, as places in `nodes`
    members    of each node: the classes at or below it that may be predicted, as sorted labels
    heights    of each node: the edges of the longest way down to such a class
    """

    name: str
    nodes: tuple[str, ...] = field(repr=False)
    ancestors: tuple[tuple[int, ...], ...] = field(repr=False)
    members: tuple[np.ndarray, ...] = field(repr=False)
    heights: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        """How many classes the label space has."""
        return len(self.ancestors)


def make_tree(
    name: str, classes: Sequence[str], parents: Mapping[str, Sequence[str]], kept: Sequence[int] | None = None
) -> ClassTree:
    """The tree of some classes.

    classes  the node that each label means
    parents  node -> those directly above it; of a root none
    kept     labels that may be predicted; None for all
    Raises KeyError for a node without an entry in `parents`, ValueError where a node is above itself.

    >>> tree = make_tree("pets", ["tabby", "pug"], {"tabby": ["pet"], "pug": ["dog"], "dog": ["pet"], "pet": []})
    >>> [tree.nodes[node] for node in tree.ancestors[1]], dict(zip(tree.nodes, tree.heights))
    (['pet', 'dog', 'pug'], {'pet': 2, 'tabby': 0, 'dog': 1, 'pug': 0})
    """
    nodes = _from_the_top(classes, parents)
    place = {node: position for position, node in enumerate(nodes)}
    above: list[set[int]] = []
    for position, node in enumerate(nodes):
        above.append({position}.union(*(above[place[parent]] for parent in parents[node])))
    members: list[list[int]] = [[] for _ in nodes]
    for label in range(len(classes)) if kept is None else sorted(kept):
        for node in above[place[classes[label]]]:
            members[node].append(label)
    heights = [0] * len(nodes)
    for position in reversed(range(len(nodes))):
        for parent in parents[nodes[position]] if members[position] else ():
            heights[place[parent]] = max(heights[place[parent]], heights[position] + 1)
    return ClassTree(
        name,
        nodes,
        tuple(tuple(sorted(above[place[node]])) for node in classes),
        tuple(np.array(labels, dtype=np.int64) for labels in members),
        tuple(heights),
    )


def _from_the_top(classes: Sequence[str], parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The classes and all above them, each node after those above it."""
    found: dict[str, None] = {}
    for one in classes:
        waiting, entered = [one], set()
        while waiting:
            node = waiting[-1]
            missing = [] if node in found else [parent for parent in parents[node] if parent not in found]
            if not missing:
                found[waiting.pop()] = None
            elif node in entered:
                raise ValueError(f"{node} is above itself")
            else:
                entered.add(node)
                waiting.extend(missing)
    return tuple(found)


@cache
def known_tree(names: tuple[str, ...], kept: tuple[int, ...] | None = None) -> ClassTree | None:
    """The WordNet tree of classes named by synsets ("n01440764", "tench (n01440764)"), or as in CIFAR-10.

    names  of the classes, position = label
    kept   labels that may be predicted; None for all
    None where a class has no name of these kinds, where it is not one of ImageNet's synsets, and where two are one.
    """
    synsets = [_synset(name) for name in names]
    if "" in synsets or len(set(synsets)) < max(2, len(synsets)):
        return None
    parents = wordnet.hypernyms()
    return make_tree(wordnet.NAME, synsets, parents, kept) if all(synset in parents for synset in synsets) else None


def _synset(name: str) -> str:
    """The synset that a name has in it, or that a class of CIFAR-10 means; "" without one, and with several."""
    found = _WNID.findall(name)
    return wordnet.CIFAR10_SYNSETS.get(name, found[0] if len(found) == 1 else "")
