"""The files of a release from the authors' repository, each checked as it arrives."""

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.releases.labels import labels_of_json
from evalshift.evaluate.importers.releases.published import best_first, correct_counts, published_counts
from evalshift.evaluate.importers.releases.release import Release, ReleasedSet, listed_files
from evalshift.evaluate.importers.releases.set_files import SetFiles
from evalshift.shapes import Labels
from evalshift.testbed.arrays import load_array
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.download import RemoteFile, cache_dir, fetch

# Before the checksum of labels without ids.
_LABELS = "labels:"
_GITHUB = "https://raw.githubusercontent.com"


def download_files(release: Release, say: Callable[[str], None]) -> dict[ReleasedSet, SetFiles]:
    """All files of a release in the cache; each is checked by its hash, or where none is known by what it holds."""
    folder = cache_dir() / "released" / release.name
    space = built_in(release.classes)
    found: dict[ReleasedSet, SetFiles] = {}
    for released in release.sets:
        rows = [row for row in listed_files(release.listing) if row["dataset"] == released.dataset]
        if not rows:
            continue
        say(f"{released.dataset}: {len(rows)} files from github.com/{release.repository}")
        labels = None
        for row in (row for row in rows if row["path"].endswith(f"{Path(released.labels[1]).name}")):
            labels = fetch(_remote(release, row, partial(_check_labels, space=space, expected=row["content"])), folder)
        predictions = {}
        for row in rows:
            stem = Path(row["path"]).name.removesuffix(release.suffix)
            if row["path"].endswith(release.suffix):
                check = partial(
                    _check_top,
                    release=release,
                    released=released,
                    model=release.model_name(stem),
                    labels=labels,
                    expected=row["content"],
                )
                predictions[stem] = fetch(_remote(release, row, check), folder)
        found[released] = SetFiles(labels, predictions)
    return found


def _remote(release: Release, row: Mapping[str, str], check: Callable[[Path], None]) -> RemoteFile:
    urls = tuple(f"{_GITHUB}/{release.repository}/{commit}/{row['path']}" for commit in release.commits)
    # Files of one name lie in several folders, so the folder is part of the name in the cache and on a mirror.
    name = row["path"].replace("/", "--")
    return RemoteFile(name, urls, row["sha256"]) if row["sha256"] else RemoteFile(name, urls, None, check=check)


def _check_labels(path: Path, space: ClassSpace, expected: str) -> None:
    """Raises DataError unless these are the ids and labels of a released set."""
    ids, labels = labels_of_json(path, space)
    if expected.startswith(_LABELS):  # a revision, which need not have as many images of each class
        if _checksum(labels) != expected.removeprefix(_LABELS):
            raise DataError("other labels than those released", where=path, found=f"{len(labels):,} rows")
        return
    text = "\n".join(f"{name} {label}" for name, label in zip(ids, labels, strict=True))
    if expected and hashlib.sha256(text.encode()).hexdigest() != expected:
        raise DataError("other ids or labels than those released", where=path, found=f"{len(ids):,} rows")
    if not _balanced(labels, len(space.names)):
        raise DataError("not as many images of each class", where=path, found=f"{len(ids):,} rows")


def _checksum(values: np.ndarray) -> str:
    return hashlib.sha256(values.astype("<i2").tobytes()).hexdigest()


def _balanced(labels: Labels, classes: int) -> bool:
    """Whether there are as many images of each class, as all of these sets have."""
    return bool((np.bincount(labels, minlength=classes) == len(labels) / classes).all())


def _check_top(
    path: Path, release: Release, released: ReleasedSet, model: str, labels: Path | None, expected: str
) -> None:
    """Raises DataError unless these are a model's published predictions: by checksum, or by the number correct."""
    space = built_in(release.classes)
    top = np.array(load_array(path, str(path)))
    if top.ndim != 2 or top.dtype.kind not in "iu" or top.min() < 0 or top.max() >= len(space.names):
        raise DataError("no classes of ImageNet, best first", where=path, found=f"{top.dtype}, shape {top.shape}")
    if expected:
        if _checksum(top) != expected:
            raise DataError("these are not the released predictions", where=path, found=f"shape {top.shape}")
    elif labels is not None:
        _, truth = labels_of_json(labels, space)
        known = published_counts(release.name).get((released.dataset, model))
        correct = correct_counts(best_first(top, truth, released, model), truth) if len(top) == len(truth) else None
        if known is not None and correct != known:
            raise DataError(
                "these are not the published predictions", where=path, found=f"{correct} correct of {len(truth):,}"
            )
