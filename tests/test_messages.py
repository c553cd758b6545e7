"""The file of messages belongs to the tests: each text in it has its test, and a test fails on other words."""

import ast
from pathlib import Path

import pytest
from messages import FILE, ROOT, SNAPSHOT, read, says

from evalshift.errors import DataError


def _functions(file: Path) -> set[str]:
    """The tests of a file as pytest names them, without their parameters."""
    tree = ast.parse(file.read_text("utf-8"))
    methods = [(f"{owner.name}::", owner) for owner in tree.body if isinstance(owner, ast.ClassDef)]
    return {
        f"{prefix}{item.name}"
        for prefix, owner in [("", tree), *methods]
        for item in owner.body
        if hasattr(item, "name")
    }


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
    SNAPSHOT.write({"a.py::one", "b.py::two[p q]"})
    assert read() == {"a.py::one": ["x\n\n  where:    y", "z"], "b.py::two[p q]": ["w"], "c.py::kept": ["u"]}
    assert FILE.name == file.name
