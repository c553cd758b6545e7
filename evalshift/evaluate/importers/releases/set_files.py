"""The files of a release in a folder: a checkout of the repository, or the sets and labels alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.releases.release import Release, ReleasedSet
from evalshift.file_faults import file_fault
from evalshift.testbed.arrays import python_2_headers


@dataclass(frozen=True)
class SetFiles:
    """The files of one set; `predictions` by the name that stands before their suffix."""

    labels: Path | None
    predictions: Mapping[str, Path]


def find_files(release: Release, folder: Path) -> dict[ReleasedSet, SetFiles]:
    """The files of each set that the folder has; raises DataError where it has none of the release."""
    if not folder.is_dir():
        raise DataError("the folder to import is not there", where=folder, found="no folder of that name")
    found: dict[ReleasedSet, SetFiles] = {}
    for released in release.sets:
        for place in released.predictions:
            files = {
                path.name.removesuffix(release.suffix): path
                for path in (folder / place).glob(f"*{release.suffix}")
                if not path.name.startswith(".")
            }
            if files:
                labels = (folder / labels for labels in released.labels)
                found[released] = SetFiles(next((path for path in labels if path.is_file()), None), files)
                break
    if not found:
        raise DataError(
            f"the folder holds no predictions of {release.name}",
            where=folder,
            found=", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing",
            expected=f"a checkout of {release.repository}, or {', '.join(one.predictions[0] for one in release.sets)}",
        )
    return found


def unpack_archives(release: Release, folder: Path, empty: Path) -> Path:
    """The folder itself; where its sets are .npz files, a file per model with `labels`, these unpacked into `empty`.

    An archive is called by what follows the last "imagenetv2-" of its dataset: b-23.npz. Raises DataError for one that
    cannot be read or has no labels.
    """
    archives = {
        released: path
        for released in release.sets
        if (path := folder / f"{released.dataset.removeprefix('imagenetv2-')}.npz").is_file()
    }
    for released, path in archives.items():
        try:
            _unpack(path, empty / released.labels[0], empty / released.predictions[0], release.suffix)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                "the archive cannot be read",
                where=path,
                found=file_fault(error),
                expected="labels, and classes (n, 5) for each model",
            ) from error
    return empty if archives else folder


def _unpack(archive: Path, labels: Path, predictions: Path, suffix: str) -> None:
    """Write the labels of an archive into a file, and the predictions of each model into one of a folder."""
    predictions.mkdir(parents=True)
    with python_2_headers(), np.load(archive, allow_pickle=False) as content:
        np.save(labels, content["labels"])
        for model in content.files:
            if model != "labels":
                np.save(predictions / f"{model}{suffix}", content[model])
