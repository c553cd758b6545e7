import os
import subprocess
from pathlib import Path

import pytest

from evalshift.evaluate.git_revision import git_revision


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


def test_the_revision_is_that_of_the_checkout_around_a_folder(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    (checkout / "deep" / "down").mkdir(parents=True)
    assert git_revision(checkout) == git_revision(checkout / "deep" / "down") == commit


@pytest.mark.parametrize("config", ["fsmonitor", "filter", "hooks"])
def test_nothing_that_a_checkout_configures_is_run(checkout: Path, tmp_path: Path, config: str) -> None:
    """`core.fsmonitor` of a stranger's .git/config is a program that `git status` runs, and so is a filter."""
    commit, ran = git(checkout, "rev-parse", "HEAD"), tmp_path / "ran"
    hook = tmp_path / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    hook.chmod(0o755)
    if config == "fsmonitor":
        git(checkout, "config", "core.fsmonitor", str(hook))
    elif config == "filter":
        git(checkout, "config", "filter.evil.clean", str(hook))
        (checkout / ".gitattributes").write_text("*.yaml filter=evil\n")
    else:
        git(checkout, "config", "core.hooksPath", str(tmp_path / "hooks"))
        (tmp_path / "hooks").mkdir()
        hook.rename(tmp_path / "hooks" / "post-index-change")
    (checkout / "registry.yaml").write_text("pairs: []\n")
    ran.unlink(missing_ok=True)
    assert git_revision(checkout) == commit
    assert not ran.exists()
    if config == "fsmonitor":
        subprocess.run(["git", "-C", checkout, "status", "--porcelain"], check=False, capture_output=True)
        assert ran.exists()  # the trap works


def test_a_branch_among_packed_references(checkout: Path) -> None:
    git(checkout, "branch", "other")
    git(checkout, "tag", "-a", "v1", "-m", "a tag with a line of its own below it")
    git(checkout, "pack-refs", "--all")
    assert (checkout / ".git" / "packed-refs").is_file()
    assert git_revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_detached_head(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--detach")
    assert git_revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_worktree_has_its_own_head(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    beside = tmp_path_factory.mktemp("worktrees") / "beside"
    git(checkout, "worktree", "add", "--quiet", "-b", "side", str(beside))
    git(beside, "commit", "--quiet", "--allow-empty", "-m", "second")
    assert git_revision(beside) == git(beside, "rev-parse", "HEAD") != git_revision(checkout)


@pytest.mark.parametrize(
    "head", ["ref: ../secret", "ref: refs/../../secret", "ref: /etc/hostname", "a password", "", "ref: refs/heads/x"]
)
def test_a_head_that_leads_elsewhere_tells_nothing(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / "secret").write_text("0" * 40)
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert git_revision(tmp_path) is None


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "commondir"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(checkout: Path, name: str) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(checkout / ".git" / name)
    assert git_revision(checkout) == (None if name == "HEAD" else commit)


def test_outside_a_checkout_there_is_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "nowhere") is None


def test_a_checkout_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None


def test_git_need_not_be_installed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout) == commit
