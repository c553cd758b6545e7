"""Making Downsampled ImageNet: images of ImageNet's classes, made small as its authors did, in its .npz format.

Each image becomes RGB and is resized to a square by one of Pillow's six filters, whatever its aspect ratio was. The
work is done in parts, each stored as it is done, so that a run that was stopped goes on where it was.
"""

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.files import stat_checksum, write_atomic
from evalshift.shapes import Labels
from evalshift.stopping import removed_if_stopped
from evalshift.testbed.arrays import load_npz
from evalshift.testbed.classes import built_in, devkit_from_labels
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.datasets.downsampled import NAMES, read_mean
from evalshift.testbed.datasets.folder import class_folders, class_root
from evalshift.testbed.image_files import StoredImage, open_rgb
from evalshift.testbed.imagenet_entries import ImageNetDataset
from evalshift.testbed.own_dataset_entries import FolderDataset

if TYPE_CHECKING:
    from PIL.Image import Image

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
# Images a part: so few that little is lost when a run is stopped.
PART = 1000


@dataclass(frozen=True)
class Downsampled:
    """What was written: the files, how many images are in them, and how many of these an earlier run had made.

    mean_from  the batch of training images whose mean image is in the files; None where these are of the training
               images themselves, or have none
    """

    files: tuple[Path, ...]
    images: int
    found_ready: int
    mean_from: Path | None = None


def downsample(
    source: Path,
    out: Path,
    size: int = 32,
    filter: str = "box",
    *,
    split: str = "val",
    batches: int = 1,
    seed: int = 0,
    devkit: Path | None = None,
    mean: Path | None = None,
    workers: int = 2,
    advance: Callable[[int], None] = lambda _: None,
) -> Downsampled:
    """Make the images in `source` size × size, and write them to `out` in the format of Downsampled ImageNet.

    source   class folders named by wnid, or ImageNet's validation images side by side, with the devkit beside them
    split    "val": val_data.npz, in the order of the dataset; "train": train_data_batch_1.npz and so on, shuffled
    batches  how many files the training images are shared among, 10 in the official release
    seed     of the shuffling
    mean     for "val", a batch of training images with their mean image; None for one that lies in `out`
    advance  is told of every n images done

    Each file has data, shape (n, 3 · size²), labels from 1 in the order of the devkit, and mean, the average row of all
    training images (Chrabaszcz et al. 2017, section 2); validation images have no mean where it is not known. Raises
    UsageError for a filter that Pillow does not have, DataError for what is no image and no batch.
    """
    _check(size, filter, split, batches)
    if mean is not None and split == "train":
        raise UsageError("the mean image (`mean`) is computed where the training images are made", found=mean)
    mean_from = mean if split == "train" else mean or _batch_in(out)
    known_mean = None if mean_from is None else read_mean(mean_from, size, "the mean image (`mean`)")
    images, labels = _images_of(source, devkit)
    if batches > len(labels):
        raise UsageError("there are fewer images than batches", found=f"{len(labels)} images, {batches} batches")
    order = np.arange(len(labels))
    if split == "train":
        np.random.default_rng(seed).shuffle(order)
    images, labels = [images[place] for place in order], labels[order]
    folder = out / f".parts-{_key(images, size, filter)}"
    parts, ready, total = [], 0, np.zeros(3 * size * size, dtype=np.int64)
    with ThreadPoolExecutor(workers) as pool:  # Pillow releases the interpreter while it decodes and resizes
        for start in range(0, len(images), PART):
            chosen, path = images[start : start + PART], folder / f"{start:08d}.npz"
            rows = _ready(path, len(chosen), size)
            ready += 0 if rows is None else len(chosen)
            if rows is None:
                rows = np.stack(list(pool.map(lambda image: small(image, size, filter), chosen)))
                _write(path, {"data": rows})
            parts.append(path)
            total += rows.sum(axis=0, dtype=np.int64)
            advance(len(chosen))
    shared = total / len(labels) if split == "train" else known_mean
    written = tuple(_batches(out, parts, labels, {} if shared is None else {"mean": shared}, split, batches))
    shutil.rmtree(folder, ignore_errors=True)
    return Downsampled(written, len(labels), ready, mean_from)


def _batch_in(folder: Path) -> Path | None:
    """A batch of training images in a folder."""
    return next((path for name in NAMES["train"] if (path := folder / f"{name}.npz").is_file()), None)


def downsample_to_tree(
    source: Path,
    out: Path,
    size: int = 32,
    filter: str = "box",
    *,
    devkit: Path | None = None,
    workers: int = 2,
    advance: Callable[[int], None] = lambda _: None,
) -> Downsampled:
    """Make the images in `source` size × size, and write them to `out`/WNID as PNG files, named as the images are.

    Takes what `downsample` takes. What an earlier run with the same images, size and filter wrote is kept. Raises
    UsageError where another run wrote to `out`, and for a filter that Pillow does not have; DataError for what is no
    image.
    """
    _check(size, filter, "val", 1)
    images, labels = _images_of(source, devkit)
    mark = out / f".{_key(images, size, filter)}.made"
    if others := [path for path in out.glob(".*.made") if path != mark]:
        raise UsageError("another run wrote to this folder (`out`)", where=others[0], fix="name another folder")
    write_atomic(mark, b"")
    folders = built_in("imagenet-1k").folders
    paths = [out / folders[label] / f"{image.stem}.png" for image, label in zip(images, labels.tolist(), strict=True)]
    if len(set(paths)) < len(paths):
        paths = [path.with_name(f"{image.name}.png") for path, image in zip(paths, images, strict=True)]

    def make(image: Path, path: Path) -> int:
        ready = path.is_file()
        if not ready:
            path.parent.mkdir(exist_ok=True)
            row = small(image, size, filter)
            _write_png(path, row.reshape(3, size, size).transpose(1, 2, 0))
        advance(1)
        return ready

    with ThreadPoolExecutor(workers) as pool:
        ready = sum(pool.map(make, images, paths))
    return Downsampled((out,), len(labels), ready)


def _write_png(path: Path, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
    """Write a PNG file, renamed when it is whole; without a flush to disk of each of a million."""
    from PIL import Image

    part = path.with_name(f"{path.name}.part")
    with removed_if_stopped(part):
        Image.fromarray(np.ascontiguousarray(pixels)).save(part, "PNG")
        part.replace(path)


def small(image: StoredImage, size: int, filter: str) -> UInt8[np.ndarray, " row"]:
    """One image as a row: all of the red, then green, then blue. DataError where it is no image."""
    return np.asarray(make_small(open_rgb(image), size, filter)).transpose(2, 0, 1).reshape(-1)


def make_small(picture: "Image", size: int, filter: str) -> "Image":
    """A picture at size × size pixels, whatever its aspect ratio was."""
    from PIL import Image

    return picture.resize((size, size), Image.Resampling[filter.upper()])


def check_small(size: int, filters: Sequence[str]) -> None:
    """Raise UsageError for a filter that Pillow does not have, and for a size out of range."""
    for filter in filters:
        if filter not in FILTERS:
            raise UsageError(
                f'Pillow has no filter "{filter}"', expected=", ".join(FILTERS), fix=did_you_mean(filter, FILTERS)
            )
    if not 1 <= size <= 1024:
        raise UsageError("invalid image size", found=size, expected="1 to 1024, such as 16, 32 or 64")


def _check(size: int, filter: str, split: str, batches: int) -> None:
    check_small(size, [filter])
    if split not in NAMES:
        raise UsageError(f'there is no split "{split}"', expected=", ".join(NAMES))
    most = len(NAMES[split])
    if not 1 <= batches <= most:
        expected = "1" if most == 1 else f"1 to {most}"
        raise UsageError(f"the {split} split has other batches", found=batches, expected=expected)


def _images_of(source: Path, devkit: Path | None) -> tuple[list[Path], Labels]:
    """The images and their labels by sorted wnid, in the order of the dataset."""
    if not source.is_dir():
        raise DataError("the folder was not found", where=source, expected="a folder of ImageNet's images")
    space = built_in("imagenet-1k")
    root = class_root(source)
    if class_folders(root):
        dataset = load_dataset(source.name, FolderDataset(source="folder", path=root, classes=space.name), space)
    else:
        entry = ImageNetDataset(source="imagenet", path=source, devkit=devkit)
        dataset = load_dataset(source.name, entry, space)
    return [image for image in dataset.images if isinstance(image, Path)], dataset.labels


def _key(images: list[Path], size: int, filter: str) -> str:
    """What the parts of one piece of work have in common: touched images, another size or filter begin anew."""
    return hashlib.sha256(f"{stat_checksum(images)} {size} {filter}".encode()).hexdigest()[:12]


def _ready(path: Path, count: int, size: int) -> np.ndarray | None:
    """A part as an earlier run left it; None where it is not there or not whole."""
    if not path.is_file():
        return None
    try:
        (data,) = load_npz(path, ("data",), "a part")
    except DataError:
        return None
    return data if data.shape == (count, 3 * size * size) and data.dtype == np.uint8 else None


def _batches(
    out: Path, parts: list[Path], labels: Labels, mean: dict[str, np.ndarray], split: str, batches: int
) -> Iterator[Path]:
    """Write the parts as batches, one after another, so that never more than one batch is in memory."""
    numbers = devkit_from_labels(labels)
    shares = np.array_split(np.arange(len(labels)), batches)
    for name, share in zip(NAMES[split], shares, strict=False):
        first, last = (int(place) // PART for place in (share[0], share[-1]))
        rows = np.concatenate([load_npz(path, ("data",), "a part")[0] for path in parts[first : last + 1]])
        path = out / f"{name}.npz"
        _write(path, {"data": rows[share - first * PART], "labels": numbers[share], **mean})
        yield path


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    # All are numbers, so nothing is pickled; NumPy 1.26 would store `allow_pickle=False` as an array of that name.
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomic(path, buffer.getvalue())
