"""The file of messages belongs to the tests: each text in it has its test, and a test fails on other words."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from messages import FILE, ROOT, SNAPSHOT, read, says

from evalshift.errors import DataError


def _functions(file: Path) -> set[str]:
    """The tests of a file as pytest names them, without their parameters: functions, and those of classes."""
    names, owner = set(), ""
    for indented, kind, name in re.findall(r"^( {4})?(def|class) (\w+)", file.read_text("utf-8"), re.MULTILINE):
        if not indented:
            owner = name if kind == "class" else ""
        names.add(f"{owner}::{name}" if indented else name)
    return names


def test_every_text_belongs_to_a_test() -> None:
    names = {tuple(test.partition("[")[0].split("::", 1)) for test in read()}
    tests = {file: _functions(ROOT / file) for file, _ in names}
    assert [f"{file}::{test}" for file, test in sorted(names) if test not in tests[file]] == []


def test_a_text_is_compared_whole_and_a_field_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/x.py::test (call)")
    monkeypatch.setattr(SNAPSHOT, "renew", False)
    monkeypatch.setattr(SNAPSHOT, "said", {})
    monkeypatch.setitem(SNAPSHOT.kept, "tests/x.py::test", ["a\n  where:    b\n  fix:      …", "c"])
    says(DataError("a", where="b", fix="d"), where="b", fix="d")
    with pytest.raises(AssertionError):
        says(DataError("other words"))
    with pytest.raises(AssertionError, match="`make messages` adds it"):
        says(DataError("c"))
    with pytest.raises(AssertionError):
        says(DataError("a", where="elsewhere"), where="b")


def test_texts_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "messages.txt"
    monkeypatch.setattr("messages.FILE", file)
    monkeypatch.setattr(SNAPSHOT, "said", {"a.py::one": ["x\n\n  where:    y", "z"], "b.py::two[p q]": ["w"]})
    file.write_text("a.py::gone\n    v\n\nc.py::kept\n    u\n", "utf-8")
    SNAPSHOT.write({"a.py::one", "b.py::two[p q]"}, set())
    assert read() == {"a.py::one": ["x\n\n  where:    y", "z"], "b.py::two[p q]": ["w"], "c.py::kept": ["u"]}
    assert FILE.name == file.name


_TESTS = """
import pytest
from messages import says

@pytest.mark.parametrize("number", [1, 2])
def test_a(number): says(f"a{number}")

def test_b(): says("b")

def test_c():
    says("c")
    assert CONDITION
    says("more of c")
"""


@pytest.mark.late
def test_texts_of_tests_that_do_not_run_or_fail_are_kept(tmp_path: Path) -> None:
    for name in ("conftest.py", "messages.py", "browser.py", "shapes_checked.py"):
        (tmp_path / name).write_bytes((ROOT / "tests" / name).read_bytes())
    tests, file = tmp_path / "test_x.py", tmp_path / "messages.txt"
    file.write_text("test_x.py::test_gone\n    gone\n", "utf-8")

    def renew(*arguments: str, condition: bool = True) -> dict[str, list[str]]:
        tests.write_text(_TESTS.replace("CONDITION", str(condition)))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--renew-messages", *arguments]
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTEST_ADDOPTS": ""}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == int(not condition), done.stdout + done.stderr
        return {test.partition("::")[2]: texts for test, texts in read(file).items()}

    one = {"test_gone": ["gone"], "test_b": ["b"]}
    assert renew("test_x.py::test_b") == one
    everything = {"test_a[1]": ["a1"], "test_a[2]": ["a2"], "test_b": ["b"], "test_c": ["c", "more of c"]}
    assert renew() == everything
    assert renew("-k", "test_b") == everything
    assert renew("test_x.py::test_a[2]") == everything
    assert renew(condition=False) == everything
