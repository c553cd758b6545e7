"""Corrupting a dataset: one new dataset per kind and severity, written as arrays or as image files."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8

from evalshift.errors import UsageError, did_you_mean
from evalshift.files import file_name, write_atomic
from evalshift.testbed.corruptions import STYLES, corrupt_image
from evalshift.testbed.csv_records import csv_bytes
from evalshift.testbed.datasets import Dataset, fingerprint
from evalshift.testbed.image_files import StoredImage, open_image, open_rgb
from evalshift.testbed.work_record import WorkRecord, refuse_other_settings

# As for ImageNet-C: torchvision's Resize(256) and CenterCrop(224), then JPEG of this quality.
_RESIZED, _CROPPED, _JPEG_QUALITY = 256, 224, 85
# Of image files, by style.
_SUFFIX = {"cifar10-c": ".png", "imagenet-c": ".jpg"}
# Images of at most so many pixels on a side are small.
_SMALL = 64


@dataclass(frozen=True)
class Corrupted:
    """What was written: the entry of each new dataset by name, and the files or folders that they read.

    found_ready  how many corrupted images an earlier run had made
    """

    entries: Mapping[str, Mapping[str, Any]]
    style: str
    written: tuple[Path, ...]
    found_ready: int = 0


def choose_style(dataset: Dataset, style: str | None = None) -> str:
    """Whose constants fit: cifar10-c for images of at most 64 pixels on a side, by the first one; else imagenet-c.

    Raises UsageError for an unknown `style`.
    """
    if style is not None:
        if style not in STYLES:
            raise UsageError(
                f'unknown `style` "{style}"', expected=" or ".join(STYLES), fix=did_you_mean(style, STYLES)
            )
        return style
    first = dataset.images[0]
    if isinstance(first, np.ndarray):
        size = first.shape[:2]
    else:
        with open_image(first) as opened:
            size = opened.size
    return "cifar10-c" if max(size) <= _SMALL else "imagenet-c"


def corrupt_dataset(
    dataset: Dataset,
    out: Path,
    kinds: Sequence[str],
    severities: Sequence[int],
    *,
    style: str | None = None,
    seed: int = 0,
    pool: Executor | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Corrupted:
    """Corrupt all images by each kind at each severity, and write them to `out`.

    Arrays become KIND-SEVERITY.npy with labels.npy and ids.txt. Image files become files below KIND/SEVERITY with a
    list of their labels; in the style of imagenet-c, they are resized to 256 pixels, cropped to 224, and stored as
    JPEG of quality 85, as ImageNet-C was. The noise of an image depends on `seed`, kind, severity and its position.
    advance is called after every n images done or found. What an earlier run of the same images, style, seed and
    versions of the libraries finished is kept if its checksum holds: arrays of a kind and severity, or single files.
    Raises UsageError for an unknown `style` and where `out` was made with other settings, DataError for what is no
    image.
    """
    chosen = choose_style(dataset, style)
    settings = {"images": len(dataset), "data": fingerprint(dataset), "style": chosen, "seed": seed}
    refuse_other_settings(out, {**settings, "made by": ", ".join(_versions())})
    write = _write_arrays if isinstance(dataset.images, np.ndarray) else _write_files
    entries, written, ready = {}, [], 0
    with pool or ThreadPoolExecutor(2) as executor, WorkRecord(out) as record:
        for kind in kinds:
            for severity in severities:
                work = partial(_corrupt, kind=kind, severity=severity, style=chosen, seed=seed)
                path, entry, kept = write(dataset, record, f"{kind}-{severity}", work, executor, advance)
                spoken = f"{kind.replace('_', ' ')}, severity {severity}"
                made = f"in the style of {chosen}, seed {seed}; made by evalshift, not the official files"
                entries[f"{dataset.name}-{kind}-{severity}"] = {
                    **entry,
                    "title": f"{dataset.title or dataset.name}, {spoken}",
                    "note": f"{spoken} {made}",
                }
                written.append(path)
                ready += kept
    return Corrupted(entries, chosen, tuple(written), ready)


# Of what evalshift makes of the same image and settings, and the libraries that have a part in it.
_VERSION = 1
_LIBRARIES = ("numpy", "pillow", "scikit-image", "scipy")


def _versions() -> list[str]:
    return [f"corruptions {_VERSION}", *(f"{name} {metadata.version(name)}" for name in _LIBRARIES)]


def _corrupt(
    image: UInt8[np.ndarray, "h w c"] | StoredImage, position: int, *, kind: str, severity: int, style: str, seed: int
) -> np.ndarray | bytes:
    """One image of a dataset: pixels for pixels, a file for a file."""
    given = [seed, position]
    if isinstance(image, np.ndarray):
        return corrupt_image(image, kind, severity, style, given)
    picture = open_rgb(image)
    if style == "imagenet-c":
        picture = _cropped(picture)
    return _encoded(corrupt_image(np.asarray(picture), kind, severity, style, given), style)


def _cropped(picture: Any) -> Any:
    """The middle 224 × 224 pixels of an image whose shorter side is made 256 pixels long, as torchvision has it."""
    from PIL import Image

    width, height = picture.size
    short = min(width, height)
    width, height = (int(_RESIZED * side / short) for side in (width, height))
    left, top = (round((side - _CROPPED) / 2) for side in (width, height))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + _CROPPED, top + _CROPPED))


def _encoded(pixels: UInt8[np.ndarray, "h w c"], style: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    if style == "imagenet-c":
        Image.fromarray(pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    else:
        Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write_arrays(
    dataset: Dataset, record: WorkRecord, name: str, work: partial, executor: Executor, advance: Callable[[int], None]
) -> tuple[Path, dict[str, str], int]:
    path = record.folder / f"{name}.npy"
    ready = record.has(path)
    if ready:
        advance(len(dataset))
    else:
        made = np.empty_like(dataset.images)
        for position, image in enumerate(executor.map(work, dataset.images, range(len(dataset)), chunksize=64)):
            made[position] = image
            advance(1)
        record.write(path, _npy(made))
    write_atomic(record.folder / "labels.npy", _npy(dataset.labels))
    write_atomic(record.folder / "ids.txt", "".join(f"{line}\n" for line in dataset.ids).encode())
    entry = {
        "source": "npy",
        "images": f"{name}.npy",
        "labels": "labels.npy",
        "ids": "ids.txt",
        "classes": dataset.classes.name,
    }
    return path, entry, len(dataset) if ready else 0


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _write_files(
    dataset: Dataset, record: WorkRecord, name: str, work: partial, executor: Executor, advance: Callable[[int], None]
) -> tuple[Path, dict[str, str], int]:
    folder = record.folder / name.replace("-", "/")
    suffix = _SUFFIX[work.keywords["style"]]
    paths = [folder / f"{stem}{suffix}" for stem in _safe_paths(dataset.ids)]
    left = []
    for place, path in enumerate(paths):
        if record.has(path):
            advance(1)
        else:
            left.append(place)
    results = executor.map(work, [dataset.images[place] for place in left], left, chunksize=8)
    for place, content in zip(left, results, strict=True):
        record.write(paths[place], content)
        advance(1)
    rows = [(path.relative_to(folder).as_posix(), n) for path, n in zip(paths, dataset.labels.tolist(), strict=True)]
    write_atomic(record.folder / f"{name}.csv", csv_bytes(("image", "label"), rows))
    entry = {
        "source": "list",
        "labels": f"{name}.csv",
        "path": name.replace("-", "/"),
        "classes": dataset.classes.name,
    }
    return folder, entry, len(paths) - len(left)


def _safe_paths(ids: Sequence[str]) -> Iterator[str]:
    """A path below one folder for each id, without its suffix; unique, as the ids are."""
    taken: set[str] = set()
    for name in ids:
        parts = [file_name(part) for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
        stem = str(PurePosixPath(*parts).with_suffix("")) if parts else "image"
        while stem.lower() in taken:
            stem += "_"
        taken.add(stem.lower())
        yield stem
