import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

import evalshift
from evalshift.evaluate.environment import git_revision, library_versions


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "registry.yaml").write_text("models: {}\n")
    git(tmp_path, "add", "registry.yaml")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_versions_are_those_that_are_installed() -> None:
    found = library_versions()
    assert found["evalshift"] == evalshift.__version__
    assert found["python"] == platform.python_version()
    for name in ("torch", "torchvision", "numpy", "pillow"):
        assert found[name] == version(name)


def test_the_revision_is_that_of_the_checkout_around_a_folder(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    (checkout / "deep" / "down").mkdir(parents=True)
    assert git_revision(checkout) == git_revision(checkout / "deep" / "down") == commit


def test_a_changed_file_is_noted_and_an_unknown_one_is_not(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "results").write_text("what a run leaves behind")
    assert git_revision(checkout) == commit
    (checkout / "registry.yaml").write_text("models: {other: {}}\n")
    assert git_revision(checkout) == f"{commit}+changes"


def test_outside_a_checkout_there_is_no_revision(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / ".git").rename(tmp_path / "not-git")
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "nowhere") is None


def test_a_checkout_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None


def test_without_git_there_is_no_revision(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout) is None
