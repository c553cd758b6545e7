"""Views whose groups or kept classes stand in a file, as ImageNet-9 and ObjectNet publish them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evalshift.errors import RegistryError
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import View

LETTERS = "classes: {letters: [a, b, c, d, e, f]%s}\nviews:\n  v: {of: letters, %s}\n"


@pytest.fixture
def declared(tmp_path: Path) -> Callable[..., View]:
    """The view v of six letters with what a file says, by its content and name."""

    def make(content: object, name: str = "groups.json", key: str = "groups", more: str = "") -> View:
        (tmp_path / "lists").mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "lists" / name).write_text(text, "utf-8")
        (tmp_path / "mine.yaml").write_text(LETTERS % (more, f"{key}: lists/{name}"), "utf-8")
        found = load_registry(tmp_path / "mine.yaml").view("v")
        assert found is not None
        return found

    return make


@pytest.mark.parametrize(
    "content",
    [
        {"0": 0, "1": 0, "2": -1, "3": -1, "4": 1, "5": 1},
        {"a": 0, "B": 0, "e": 1, "f": 1, "c": None},
        [0, 0, -1, None, 1, 1],
    ],
)
def test_the_group_of_each_class(declared: Callable[..., View], content: object) -> None:
    view = declared(content)
    assert view.meaning == (0, 0, None, None, 1, 1)
    assert view.space.names == ("0", "1")
    named = declared(content, more=", v: [dog, cat]")
    assert (named.meaning, named.space.names) == (view.meaning, ("dog", "cat"))


def test_groups_by_name_for_each_class(declared: Callable[..., View]) -> None:
    view = declared({"a": "x", "b": "y", "c": "x", "d": "", "e": None, "f": "y"})
    assert (view.meaning, view.space.names) == ((0, 1, 0, None, None, 1), ("x", "y"))


@pytest.mark.parametrize(
    "content", [{"x": "a; b", "y": ["e", 5]}, {"x": [0, "1"], "y": "e;f"}, {"x": "0-1", "y": "4-5"}]
)
def test_the_classes_of_each_group(declared: Callable[..., View], content: object) -> None:
    view = declared(content)
    assert (view.meaning, view.space.names) == ((0, 0, None, None, 1, 1), ("x", "y"))


@pytest.mark.parametrize(
    "content, name",
    [(["a", 4, "f"], "kept.json"), ("# kept\na\n4\nf\n", "kept.txt"), ("\ufeffa\ne\n\nf\n", "kept.txt")],
)
def test_the_classes_that_are_kept(declared: Callable[..., View], content: object, name: str) -> None:
    assert declared(content, name, "keep").labels == (0, 4, 5)


@pytest.mark.parametrize(
    "content, problem, found",
    [
        ("{", "the file of classes is not JSON", "groups.json: invalid JSON: expecting property name"),
        ([0, 1], "this file does not say which classes belong together", "groups.json: a list of 2"),
        ({}, "this file does not say which classes belong together", "groups.json: dict"),
        ("3", "this file does not say which classes belong together", "groups.json: int"),
        ([0, 1, 0.5, 0, 1, 1], "a group is neither a number nor a name", "groups.json: 0.5"),
        ({"0": 0, "1": -2, "2": 1}, "a group has an invalid number", "groups.json: -2"),
        ({"0": 0, "1": 0}, "a view has at least two groups", "1"),
        ({"x": "a; z", "y": "b"}, "this is not a class of letters", "z"),
        ({"x": "a", "y": "a"}, "duplicate class in the groups", "a (label 0) in x and y"),
    ],
)
def test_malformed_files_are_refused(
    declared: Callable[..., View], tmp_path: Path, content: object, problem: str, found: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        declared(content)
    assert caught.value.problem == problem
    assert found in str(caught.value.found)
    assert "line 3: views.v.groups" in str(caught.value.where)


def test_a_group_beyond_the_declared_names_and_a_missing_file(declared: Callable[..., View], tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="a group has an invalid number"):
        declared([0, 0, 1, 1, 2, 2], more=", v: [dog, cat]")
    (tmp_path / "mine.yaml").write_text(LETTERS % ("", "groups: nowhere.json"), "utf-8")
    with pytest.raises(RegistryError, match="the file of classes was not found") as caught:
        load_registry(tmp_path / "mine.yaml")
    assert caught.value.found == str(tmp_path / "nowhere.json")
