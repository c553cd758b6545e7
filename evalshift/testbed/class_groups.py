"""Groups of ImageNet's classes in published test sets with classes of their own, and the folders of their images."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Each is the name of a view of imagenet-1k; spaces/README.md says where its groups are from.
GROUPED_VIEWS = ("imagenet-9", "geirhos-16", "objectnet", "imagenet-d")


@dataclass(frozen=True)
class ClassGroup:
    """Classes that a test set takes as one.

    name     what the test set calls them
    folders  the names of its folders with images of them
    labels   labels of imagenet-1k and ranges of them, both ends included
    """

    name: str
    folders: tuple[str, ...]
    labels: tuple[str, ...]


@cache
def class_groups(view: str) -> tuple[ClassGroup, ...]:
    """The groups of one of GROUPED_VIEWS, in their order; KeyError for any other name."""
    return _tables()[view]


@cache
def group_of_folder(view: str) -> Mapping[str, str]:
    """The group of each folder of a test set whose classes one of GROUPED_VIEWS has."""
    return {folder: group.name for group in class_groups(view) for folder in group.folders}


@cache
def _tables() -> Mapping[str, tuple[ClassGroup, ...]]:
    text = (Path(__file__).with_name("spaces") / "class_groups.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {
        view: tuple(
            ClassGroup(name, tuple(folders.split("|")), tuple(labels.split(",")))
            for of, name, folders, labels in rows
            if of == view
        )
        for view in GROUPED_VIEWS
    }
