"""What the site makes of the repository's files; `make docs` builds it and checks its links."""

import doctest
import importlib.util
import re
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed (extra docs)")

from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.model_entries import AnyModel

ROOT = Path(__file__).parents[1]
ENTRIES = [entry for union in (AnyDataset, AnyModel) for entry in typing.get_args(typing.get_args(union)[0])]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / f"docs/site/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HOOKS = load("hooks")


@pytest.mark.parametrize("name", ["hooks", "docstrings"])
def test_examples_in_its_code(name: str) -> None:
    assert doctest.testmod(load(name)).failed == 0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_every_field_of_the_registry_has_a_meaning(entry: type) -> None:
    meanings = HOOKS.field_meanings(entry)
    assert [name for name in entry.model_fields if not meanings.get(name)] == []  # pyright: ignore[reportAttributeAccessIssue]


def test_the_registry_reference_has_every_source_and_what_is_required() -> None:
    page = HOOKS.registry_page()
    sources = [typing.get_args(entry.model_fields["source"].annotation)[0] for entry in ENTRIES]
    assert re.findall(r"^### source: (.+)$", page, re.MULTILINE) == sources
    section = page.split("### source: cifar10.1\n")[1].split("###")[0]
    assert "| `version` | `v4`, `v6` | required | v4 (2,021 images) or v6 (2,000 images) |" in section
    assert "| `crop_fraction` | number |  |" in page


def test_every_public_statistic_is_in_the_reference() -> None:
    import evalshift.analysis

    names = re.findall(r"^::: [\w.]+\.(\w+)$", HOOKS.statistics_page(), re.MULTILINE)
    assert sorted(names) == sorted(name for name in evalshift.analysis.__all__ if not name.isupper())


def test_the_tutorial_is_a_page() -> None:
    page = HOOKS.notebook_page(ROOT / "docs/tutorial.ipynb")
    assert page.startswith("# evalshift in a notebook\n")
    assert '```python\nreport.draw("scatter")\n```' in page


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f" {page}\n" not in navigation] == []
