"""What the package offers: each public name is there, listed, documented, and costs nothing until it is used."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evalshift

PACKAGE = Path(evalshift.__file__).parent
SOURCES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}
LAZY = ["evalshift", "evalshift.analysis"]
LISTING = [name for name, path in SOURCES.items() if re.search("^__all__ = ", path.read_text("utf-8"), re.MULTILINE)]


def listed(module: str) -> list[str]:
    return importlib.import_module(module).__all__


def imported(statements: list[ast.stmt]) -> set[str]:
    """The names that `from ... import ...` binds."""
    froms = [statement for statement in statements if isinstance(statement, ast.ImportFrom)]
    return {alias.asname or alias.name for statement in froms for alias in statement.names}


def test_importing_the_package_loads_nothing_large() -> None:
    program = "import sys; before = set(sys.modules); import evalshift; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "evalshift",
        "evalshift._version",
    }


@pytest.mark.parametrize("module", LISTING)
def test_names_are_listed_in_order_and_once(module: str) -> None:
    def place(name: str) -> tuple[bool, bool, str]:
        return not name.isupper(), not name[0].isupper(), name  # CONSTANTS, Classes, functions: as ruff sorts them

    assert listed(module) == sorted(set(listed(module)), key=place)


@pytest.mark.parametrize("module", LISTING)
def test_every_listed_name_can_be_imported(module: str) -> None:
    home = importlib.import_module(module)
    assert [name for name in listed(module) if getattr(home, name, None) is None] == []


@pytest.mark.parametrize("package", LAZY)
def test_a_package_lists_what_type_checkers_see(package: str) -> None:
    (checked,) = (
        statement.body
        for statement in TREES[package].body
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
    )
    assert set(listed(package)) == imported(checked)
    assert set(listed(package)) <= set(dir(importlib.import_module(package)))


@pytest.mark.parametrize("package", LAZY)
def test_listed_names_come_from_where_type_checkers_think(package: str) -> None:
    for statement in ast.walk(TREES[package]):
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if alias.name in listed(package):
                    home = importlib.import_module(statement.module)
                    assert getattr(importlib.import_module(package), alias.name) is getattr(home, alias.name)


@pytest.mark.parametrize("module", ["statistics.ranks", "statistics.scales", "statistics.line_fit", "outcomes"])
def test_a_light_part_of_the_analysis_loads_no_other_library_than_it_needs(module: str) -> None:
    program = f"import sys, evalshift.analysis.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"statsmodels", "pandas", "pyarrow", "matplotlib"} & set(done.stdout.split())


def test_star_import_brings_the_listed_names() -> None:
    names: dict[str, object] = {}
    exec("from evalshift import *", names)
    assert set(names) - {"__builtins__"} == set(evalshift.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = evalshift.evaluat  # pyright: ignore[reportAttributeAccessIssue]
    assert str(caught.value) == "module 'evalshift' has no attribute 'evaluat'"


@pytest.mark.parametrize("module", TREES)
def test_everything_public_is_documented(module: str) -> None:
    assert list(undocumented(module, TREES[module])) == []


def undocumented(module: str, tree: ast.Module) -> Iterator[str]:
    """The module itself, and its public functions and classes, where they have no docstring."""
    if ast.get_docstring(tree) is None:
        yield module
    for node in tree.body:
        defines = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if defines and not node.name.startswith("_") and ast.get_docstring(node) is None:
            yield f"{module}.{node.name}"


def test_what_is_undocumented_is_found() -> None:
    tree = ast.parse('def f(): ...\n\n\nclass C:\n    """Said."""\n\n\ndef _g(): ...\n')
    assert list(undocumented("m", tree)) == ["m", "m.f"]
