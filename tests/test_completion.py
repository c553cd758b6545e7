"""What the shell offers after Tab: for every option and argument that takes one of several known values."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from evalshift.cli import app
from evalshift.console import completion

REGISTRY = """
classes: {shades: [dark, light]}
datasets:
  bright: {source: npy, images: x.npy, labels: y.npy, classes: shades}
  dim: {source: npy, images: x.npy, labels: y.npy, classes: shades}
models:
  first: {source: checkpoint, builder: "a.py:f", weights: w.pt, classes: shades, family: deep, preprocess: {}}
  second: {source: checkpoint, builder: "a.py:f", weights: w.pt, classes: shades, family: wide, preprocess: {}}
pairs: [bright:dim]
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks a completion for what follows some letters, where the command has these parameters already."""
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    monkeypatch.chdir(tmp_path)

    def ask(complete: Any, incomplete: str = "", **params: Any) -> list[str]:
        return complete(SimpleNamespace(params=params), incomplete)

    return ask


def test_names_of_the_registry_complete(asked: Any) -> None:
    assert asked(completion.models, "f") == ["first"]
    assert asked(completion.datasets, "di") == ["digits", "digits-new-writers", "dim"]  # and those built in
    assert asked(completion.datasets_and_models, "fi") == ["first"]
    assert asked(completion.pairs) == ["bright:dim"]
    assert asked(completion.sources, "np") == ["npy"]
    assert "shades" in asked(completion.classes)
    assert asked(completion.classes, "imagenet") == ["imagenet-1k"]


def test_list_completes_what_it_lists(asked: Any) -> None:
    assert asked(completion.entries, what="models") == ["first", "second"]
    assert asked(completion.entries, "bright,di", what="datasets")[-1] == "bright,dim"
    assert asked(completion.entries, what="pairs") == ["bright:dim"]
    assert asked(completion.entries, what="own_models") == []


def test_families_are_those_of_the_registry_or_of_the_published_testbed(asked: Any) -> None:
    assert asked(completion.families) == ["deep", "wide"]
    assert asked(completion.families, "deep,w") == ["deep,wide"]
    assert asked(completion.families, "fi", published="recht2019") == ["fisher-vector"]
    assert asked(completion.families, published="nosuch") == []


def test_pairs_of_the_published_testbed(asked: Any) -> None:
    found = asked(completion.pairs, "cifar10:cifar10-a", published="robustbench")
    assert found == ["cifar10:cifar10-autoattack-linf", "cifar10:cifar10-autoattack-l2"]
    assert asked(completion.pairs, published="nosuch") == []


def test_kinds_of_corruptions_complete_after_a_comma_too() -> None:
    assert completion.corruptions("al") == ["all"]
    assert "fog,frost" in completion.corruptions("fog,f")


def test_what_cannot_be_read_completes_to_nothing(asked: Any) -> None:
    Path("registry.yaml").write_text("datasets: [")
    assert asked(completion.families) == asked(completion.sources) == asked(completion.datasets) == []


def commands(of: typer.Typer, path: str = "evalshift") -> Iterator[tuple[str, Any]]:
    for one in of.registered_commands:
        assert one.callback is not None
        yield f"{path} {one.name or one.callback.__name__}", one.callback
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{path} {group.name}")


def parameters() -> Iterator[tuple[str, Any, Any]]:
    for command, callback in commands(app):
        for name, parameter in inspect.signature(callback).parameters.items():
            if hasattr(parameter.annotation, "__metadata__"):
                yield f"{command} {name}", *parameter.annotation.__metadata__, parameter.annotation.__origin__


# Names that a user gives, and numbers for which a word may stand.
FREE = {
    "evalshift import predictions model",
    "evalshift combine name",
    "evalshift dataset corrupt severity",
    "evalshift dataset sample name",
    "evalshift dataset sample classes",
    "evalshift dataset show classes",
    "evalshift dataset duplicates among",
    "evalshift dataset duplicates prefilter",
}
KNOWN = {"NAME", "GLOB", "FAMILY", "MODEL", "A:B", "A", "B", "[B]", "DATASET", "LIST"}


def test_each_parameter_with_known_values_completes_them() -> None:
    silent = {
        where
        for where, declared, kind in parameters()
        if declared.autocompletion is None
        and kind is not bool
        and not declared.hidden
        and ("|" in (declared.metavar or "") or declared.metavar in KNOWN)
    }
    assert silent - FREE == set()
