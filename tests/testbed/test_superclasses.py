"""Superclasses: the groups of views as the datasets of a label space know them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from evalshift.testbed.classes import CIFAR100, CIFAR100_SUPERCLASSES, built_in
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import Superclasses, built_in_view

VIEWS = """\
classes: {letters: [a, b, c, d, e, f]}
views:
  ends: {of: letters, groups: {left: [a, b], right: [e, f]}}
  same: {of: letters, groups: {first: [a, b], last: [e, f]}}
  pairs: {of: letters, groups: {ab: [a, b], cd: [c, d], ef: [e, f]}}
  single: {of: letters, groups: {a: a, b: b}}
  part: {of: letters, keep: [a, b, e]}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Registry]:
    def from_text(text: str) -> Registry:
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        return load_registry(tmp_path / "mine.yaml")

    return from_text


def test_each_way_to_take_classes_together_once(load: Callable[[str], Registry]) -> None:
    found = load(VIEWS).superclasses("letters", tuple("abcdef"), None)
    assert found == (
        Superclasses("ends", ("left", "right"), (0, 0, -1, -1, 1, 1), 6),
        Superclasses("pairs", ("ab", "cd", "ef"), (0, 0, 1, 1, 2, 2), 6),
    )


def test_of_a_part_only_the_classes_that_it_keeps(load: Callable[[str], Registry]) -> None:
    registry = load(VIEWS)
    found = registry.superclasses("letters", tuple("abcdef"), registry.view("part"))
    assert [(one.name, one.of_class, one.classes) for one in found] == [
        ("ends", (0, 0, -1, -1, 1, -1), 3),
        ("pairs", (0, 0, -1, -1, 2, -1), 3),
    ]


def test_seen_in_the_groups_there_are_none_below(load: Callable[[str], Registry]) -> None:
    registry = load(VIEWS)
    view = registry.view("ends")
    assert registry.superclasses("letters", ("left", "right"), view) == ()


def test_those_of_cifar_100_are_built_in(load: Callable[[str], Registry]) -> None:
    registry = load("classes: {letters: [a, b]}\n")
    (found,) = registry.superclasses("cifar100", CIFAR100, None)
    assert (found.name, found.classes) == ("cifar100-superclasses", 100)
    assert Counter(found.of_class) == dict.fromkeys(range(20), 5)
    for fine, group in zip(CIFAR100, found.of_class, strict=True):
        assert fine in CIFAR100_SUPERCLASSES[found.names[group]]
    assert registry.superclasses("imagenet-1k", built_in("imagenet-1k").names, built_in_view("imagenet-a")) == ()


def test_they_come_back_from_facts() -> None:
    one = Superclasses("ends", ("left", "right"), (0, 0, -1, -1, 1, 1), 6)
    assert Superclasses.from_facts(one.facts()) == one
