"""Which classes of ImageNetV2 had been reviewed at each revision, as its authors released it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text
from evalshift.testbed.classes import ClassSpace

_FACTS = ("reviewed", "problematic")


@dataclass(frozen=True, eq=False)
class Review:
    """What a reviewing pass found of each class.

    reviewed  whether its images were looked at, in this pass or unchanged in an earlier one
    accepted  whether they were, and none was to be replaced
    """

    reviewed: Bool[np.ndarray, " classes"]
    accepted: Bool[np.ndarray, " classes"]


def read_reviews(folder: Path, datasets: Sequence[str], space: ClassSpace) -> dict[str, Review]:
    """The reviews of revisions, from the files DATASET_review.json in `folder`; those without one are left out.

    folder  data/dataset_reviews of a checkout of modestyachts/ImageNetV2
    space   whose folders, such as wnids, name the classes
    Raises DataError where no revision has a file, and for a file of other content.
    """
    paths = {name: folder / f"{name}_review.json" for name in datasets}
    found = {name: _read(path, space) for name, path in paths.items() if path.is_file()}
    if not found:
        raise DataError(
            "there are no reviews of these revisions (`reviews`)",
            where=folder,
            found="a folder without them" if folder.is_dir() else "no folder of that name",
            expected=f"files such as {datasets[0]}_review.json, from data/dataset_reviews of modestyachts/ImageNetV2",
        )
    return found


def _read(path: Path, space: ClassSpace) -> Review:
    try:
        content = json_content(read_text(path))
        if set(content) != set(space.folders):
            raise ValueError(f"{len(content):,} classes")
        reviewed, problematic = (np.array([content[name][fact] for name in space.folders]) for fact in _FACTS)
        if reviewed.dtype != bool or problematic.dtype != bool:
            raise ValueError("values other than true and false")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            "a review cannot be read",
            where=path,
            found=file_fault(error),
            expected=f"reviewed and problematic, true or false, of each of the {len(space):,} classes by wnid",
        ) from error
    return Review(reviewed, reviewed & ~problematic)
