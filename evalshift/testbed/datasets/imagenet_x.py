"""ImageNet-X: what is unusual about an image of ImageNet's validation set, as 16 factors of variation."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text, refuse_special, stat_checksum
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import imagenet
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.places import data_folder, fetched, state_of_download, stored
from evalshift.testbed.imagenet_entries import ImageNetDataset, ImageNetXDataset
from evalshift.testbed.readiness import State, state_of_files

FACTORS = (
    "pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory", "texture", "larger",
    "darker", "object_blocking", "person_blocking", "style", "brighter", "multiple_objects",
)  # fmt: skip


def read(entry: ImageNetXDataset, space: ClassSpace, where: str) -> Parts:
    """The annotated images in the order of their numbers, with a column of "0" and "1" for each factor."""
    annotations = _annotations(_facts(entry, "annotations"), where)
    prototypes = _names(_facts(entry, "prototypes"), where)
    images = imagenet.read(_images_of(entry), space, where)
    kept = [place for place, name in enumerate(images.ids) if name in annotations and name not in prototypes]
    rows = [annotations[images.ids[place]] for place in kept]
    _refuse_other_classes(rows, images.labels[kept].tolist(), where)
    attributes = {factor: [str(row[factor]) for row in rows] for factor in FACTORS}
    return Parts(
        [images.ids[place] for place in kept],
        tuple(images.images[place] for place in kept),
        images.labels[kept],
        (f"{len(images.ids) - len(kept):,} images without an annotation, or shown to annotators, left out",),
        attributes,
    )


def _images_of(entry: ImageNetXDataset) -> ImageNetDataset:
    files = {role: entry.files[role] for role in ImageNetDataset.roles if role in entry.files}
    return ImageNetDataset(source="imagenet", path=entry.path, devkit=entry.devkit, files=files)


def _facts(entry: ImageNetXDataset, role: str) -> Path:
    own = getattr(entry, role)
    return fetched(entry.files[role]) if own is None else own


def _annotations(path: Path, where: str) -> Mapping[str, Mapping[str, Any]]:
    """The annotation of each image by the stem of its name."""
    try:
        rows = [json_content(line) for line in read_text(path).splitlines() if line.strip()]
        if strange := [row for row in rows if not isinstance(row, dict)]:
            raise ValueError(f"a line that is not a JSON object: {json.dumps(strange[0])[:60]}")
        found = {Path(row["file_name"]).stem: row for row in rows}
        missing = sorted({name for row in rows for name in ("class", *FACTORS) if name not in row})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, file_fault(error), where) from error
    if missing or not rows:
        raise _unreadable(path, f"no {', '.join(missing[:3])}" if missing else "no rows", where)
    return found


def _names(path: Path, where: str) -> frozenset[str]:
    """The stems of the names in a column called file_name."""
    try:
        refuse_special(path)
        with path.open(encoding="utf-8", newline="") as stream:
            return frozenset(Path(row["file_name"]).stem for row in csv.DictReader(stream))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise _unreadable(path, file_fault(error), where) from error


def _unreadable(path: Path, found: str, where: str) -> DataError:
    return DataError(
        "this is not a file of ImageNet-X",
        where=f"{where}, {path}",
        found=found,
        expected='lines such as {"file_name": "ILSVRC2012_val_00004487.JPEG", "class": 762, "pose": 1, …}, and for the '
        "prototypes a column file_name",
    )


def _refuse_other_classes(rows: list[Mapping[str, Any]], labels: list[int], where: str) -> None:
    other = [row for row, label in zip(rows, labels, strict=True) if row["class"] != label]
    if other or not rows:
        raise DataError(
            "the annotations are of other images",
            where=where,
            found=f"class {other[0]['class']} for {other[0]['file_name']}" if other else "none of the images annotated",
            expected="the classes of ImageNet's validation images, numbered by sorted wnid",
        )


def source_checksum(entry: ImageNetXDataset) -> str:
    """A fingerprint of the images and of both files; OSError where one is not there."""
    beside = [getattr(entry, role) or stored(entry.files[role]) for role in ("annotations", "prototypes")]
    paths = [path or data_folder() / "missing" for path in beside]
    return f"{imagenet.source_checksum(_images_of(entry))} {stat_checksum(paths)}"


def state(entry: ImageNetXDataset) -> State:
    """Whether the images are on this disk; the annotations are downloaded."""
    return state_of_files([entry.path]) if entry.path is not None else state_of_download(entry)
