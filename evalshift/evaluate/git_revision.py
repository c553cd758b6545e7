"""The commit of the checkout around a folder, read from git's own files.

git itself is never started: `core.fsmonitor`, hooks and filters of a folder from a stranger would run with it.
"""

import re
from pathlib import Path

from evalshift.files import refuse_special

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE = re.compile(r"refs/[^\s\x00]+")
# The files that are read are one line long, but for packed-refs, which has a line for each tag.
_MOST_BYTES = 16 << 20


def git_revision(folder: Path = Path()) -> str | None:
    """The commit that is checked out around `folder`, all of its digits; None outside a checkout or without a commit.

    Says nothing of files that differ from it: only git can tell, by running what the checkout configures.
    Format: https://git-scm.com/docs/gitrepository-layout
    """
    try:
        git = _git_folder(folder)
        return None if git is None else _commit(git)
    except (OSError, ValueError):
        return None


def _git_folder(folder: Path) -> Path | None:
    """The folder that holds HEAD, of the nearest checkout at or above `folder`."""
    here = folder.absolute()
    for above in (here, *here.parents):
        place = above / ".git"
        if place.is_dir():
            return place
        if place.is_file():  # a worktree or a submodule names its folder: "gitdir: PATH"
            kind, _, named = _text(place).partition(": ")
            return above / named.strip() if kind == "gitdir" else None
    return None


def _commit(git: Path) -> str | None:
    head = _text(git / "HEAD").strip()
    reference = head.removeprefix("ref: ")
    if reference == head:
        return _as_commit(head)
    if not _REFERENCE.fullmatch(reference) or ".." in reference:
        return None
    shared = git / "commondir"  # of a worktree: where the branches are
    common = git / _text(shared).strip() if shared.is_file() else git
    loose = common / reference
    return _as_commit(_text(loose).strip()) if loose.is_file() else _packed(common, reference)


def _packed(common: Path, reference: str) -> str | None:
    packed = common / "packed-refs"
    lines = _text(packed).splitlines() if packed.is_file() else []
    found = [line.partition(" ")[0] for line in lines if line.partition(" ")[2] == reference]
    return _as_commit(found[0]) if found else None


def _as_commit(text: str) -> str | None:
    """Only what can be a commit: nothing else that a file holds gets into the record."""
    return text if _COMMIT.fullmatch(text) else None


def _text(path: Path) -> str:
    refuse_special(path)
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES).decode("utf-8")
