"""Making CINIC-10: CIFAR-10 and images of ImageNet's synsets, in three splits of equal size.

Source: Darlow, Crowley, Antoniou, Storkey 2018, section 2, and the README of BayesWatch/cinic-10.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from evalshift.errors import DataError, UsageError
from evalshift.file_faults import file_fault
from evalshift.files import read_bytes, read_text, sha256_of_text
from evalshift.shapes import Images
from evalshift.stopping import removed_if_stopped
from evalshift.testbed.archives import UNREADABLE_ARCHIVE, open_tar
from evalshift.testbed.cinic10_synsets import read_synset_groups, synset_groups
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.image_files import SUFFIXES, BytesImage, open_rgb
from evalshift.testbed.small_image_entries import Cifar10Dataset
from evalshift.testbed.work_record import refuse_other_settings

SPLITS = ("train", "valid", "test")
# Images of ImageNet in each class of the official dataset.
PER_CLASS = 21_000
_IMAGE = re.compile(r"n\d{8}_\d+")
# Of ImageNet, whatever its files are called; CIFAR-10's begin with cifar10.
_MADE = re.compile(r"n\d{8}_.+")


@dataclass(frozen=True)
class MadeCinic10:
    """What was written.

    per_split  images in each of the three splits
    unreadable  files of ImageNet that are no images, which others replaced
    found_ready  images of ImageNet that an earlier run had made
    """

    per_split: Mapping[str, int]
    unreadable: tuple[str, ...] = ()
    found_ready: int = 0


@dataclass(frozen=True)
class _Synset:
    """The images of one synset: a folder of files, or a .tar of them."""

    path: Path
    names: Mapping[str, str] = field(repr=False)  # image, such as n02691156_10 → file in the folder or the archive

    def read(self, images: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The files of some images."""
        wanted = [(image, self.names[image]) for image in images]
        if self.path.is_dir():
            for image, name in wanted:
                yield image, read_bytes(self.path / name)
            return
        with open_tar(self.path) as archive:
            for image, name in wanted:
                stream = archive.extractfile(name)
                yield image, b"" if stream is None else stream.read()


def make_cinic10(
    cifar: Path,
    imagenet: Path,
    out: Path,
    *,
    per_class: int = PER_CLASS,
    seed: int = 0,
    contributors: Path | None = None,
    groups: Path | None = None,
    workers: int = 2,
    advance: Callable[[int], None] = lambda _: None,
) -> MadeCinic10:
    """Write CINIC-10 as PNG files to `out`/SPLIT/CLASS, named as the official ones are.

    cifar         cifar-10-python.tar.gz or its unpacked folder: all test images become test images, the training images
                  are distributed at random, so that each split has as many of each class
    imagenet      a folder of synsets of Fall 2011: n02691156/n02691156_10.JPEG, or n02691156.tar
    per_class     images of ImageNet in each class, a multiple of 3: chosen at random, made 32 × 32 by the box filter
    contributors  imagenet-contributors.csv of the authors: their choice and their splits instead of random ones
    groups        a list of the synsets of each class instead of the authors', see `read_synset_groups`
    advance       called after every n images written or found

    Classes that an earlier run finished are kept. Raises UsageError for an impossible `per_class` and where `out` was
    made with other settings, DataError where a class has too few images.
    """
    if per_class < 0 or per_class % len(SPLITS):
        raise UsageError(
            "invalid number of images (`per_class`)", found=per_class, expected="a multiple of 3, such as 21000"
        )
    synsets = _synsets(imagenet)
    chosen = None if contributors is None else _read_contributors(contributors)
    of_class = synset_groups() if groups is None else read_synset_groups(groups)
    candidates = _candidates(synsets, of_class, per_class if chosen is None else 0)
    settings = {"per_class": per_class, "seed": seed, "contributors": contributors is not None}
    own = {} if groups is None else {"groups": sha256_of_text(json.dumps(of_class))[:12]}
    refuse_other_settings(out, {**settings, **own})
    space = built_in("cifar10")
    halves = [_cifar(cifar, split) for split in ("train", "test")]
    _refuse_uneven(halves)
    unreadable: list[str] = []
    ready = 0
    with ThreadPoolExecutor(workers) as pool:
        for label, name in enumerate(space.names):
            rng = np.random.default_rng([seed, label])
            for split, images in _cifar_splits(halves, label, rng).items():
                _write(out / split / name, images, pool)
                advance(len(images))
            if chosen is None and _is_whole(out, name, per_class):
                ready += per_class
                advance(per_class)
                continue
            _remove_earlier(out, name)
            if chosen is None:
                order = rng.permutation(candidates[name]).tolist()
                made, broken = _first_readable(synsets, order, per_class, pool, name)
                unreadable += broken
                parts = dict(zip(SPLITS, _thirds(made), strict=True))
            else:
                parts = {split: _all_readable(synsets, chosen[split, name], pool, split, name) for split in SPLITS}
            for split, images in parts.items():
                _write(out / split / name, images, pool)
                advance(len(images))
    return MadeCinic10(_counted(out, space.names), tuple(unreadable), ready)


def _cifar(path: Path, split: Literal["train", "test"]) -> Dataset:
    entry = Cifar10Dataset(source="cifar10", split=split, path=path)
    return load_dataset(f"CIFAR-10 {split}", entry, built_in("cifar10"))


def _refuse_uneven(halves: Sequence[Dataset]) -> None:
    train, test = (np.bincount(half.labels, minlength=10) for half in halves)
    if len(set(train)) > 1 or len(set(test)) > 1 or (train + test)[0] % 3 or train[0] < 2 * test[0]:
        raise DataError(
            "CIFAR-10 cannot be distributed among three splits of equal size",
            found=f"{min(train):,} to {max(train):,} training and {min(test):,} to {max(test):,} test images per class",
            expected="5,000 and 1,000, as in CIFAR-10",
        )


def _cifar_splits(
    halves: Sequence[Dataset], label: int, rng: np.random.Generator
) -> dict[str, dict[str, UInt8[np.ndarray, "h w 3"]]]:
    """The images of a class in each split by name: all test images, and as many of the rest in each."""
    train, test = halves
    of_test = np.flatnonzero(test.labels == label).tolist()
    of_train = rng.permutation(np.flatnonzero(train.labels == label)).tolist()
    size = (len(of_train) + len(of_test)) // 3
    ends = (size, 2 * size, len(of_train))
    parts = dict(zip(SPLITS, (of_train[: ends[0]], of_train[ends[0] : ends[1]], of_train[ends[1] :]), strict=True))
    found = {
        split: {f"cifar10-train-{place}": _pixels(train.images, place) for place in places}
        for split, places in parts.items()
    }
    found["test"] |= {f"cifar10-test-{place}": _pixels(test.images, place) for place in of_test}
    return found


def _pixels(images: object, place: int) -> UInt8[np.ndarray, "h w 3"]:
    assert isinstance(images, np.ndarray)
    return images[place]


def _synsets(imagenet: Path) -> dict[str, _Synset]:
    """The synsets that there are, and the images of each. DataError where there are none."""
    if not imagenet.is_dir():
        raise DataError("the folder was not found", where=imagenet, expected="a folder of ImageNet's synsets")
    found = {}
    for path in sorted(imagenet.iterdir()):
        if not re.fullmatch(r"n\d{8}(\.tar)?", path.name):
            continue
        names = [file.name for file in path.iterdir()] if path.is_dir() else _members(path)
        synset = path.name[:9]
        stems = {_image_name(synset, name): name for name in sorted(names) if _is_image(name)}
        found[synset] = _Synset(path, stems)
    if not found:
        raise DataError(
            "there are no synsets of ImageNet", where=imagenet, expected="folders n02691156, or files n02691156.tar"
        )
    return found


def _image_name(synset: str, file: str) -> str:
    """What an image is called: as its file, such as n02691156_10; the synset before names that begin otherwise."""
    stem = PurePosixPath(file).stem
    return stem if stem.startswith(f"{synset}_") else f"{synset}_{stem}"


def _members(path: Path) -> list[str]:
    try:
        with open_tar(path) as archive:
            return [member.name for member in archive if member.isfile()]
    except UNREADABLE_ARCHIVE as error:
        # Some downloads of Fall 2011 are empty; the authors went on without them.
        if path.stat().st_size == 0:
            return []
        raise DataError("an archive cannot be read", where=path, found=file_fault(error), expected="a .tar") from error


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _candidates(
    synsets: Mapping[str, _Synset], groups: Mapping[str, Sequence[str]], per_class: int
) -> dict[str, list[str]]:
    """The images of each class, sorted; those of a synset of two classes are of the first. DataError for too few."""
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for name, group in groups.items():
        found[name] = [image for synset in group if synset in synsets for image in synsets[synset].names]
        found[name] = sorted(set(found[name]) - taken)
        taken.update(found[name])
    few = {name: len(images) for name, images in found.items() if len(images) < per_class}
    if few:
        raise DataError(
            "too few images of ImageNet",
            found=", ".join(f"{name} {count:,}" for name, count in few.items()),
            expected=f"at least {per_class:,} of each class (`per_class`)",
            fix="add synsets of the Fall 2011 release, or ask for fewer images per class",
        )
    return found


def _first_readable(
    synsets: Mapping[str, _Synset], order: Sequence[str], count: int, pool: Executor, name: str
) -> tuple[dict[str, UInt8[np.ndarray, "h w 3"]], list[str]]:
    """The first `count` images of an order that can be read, in this order, and the names of those that cannot."""
    made: dict[str, np.ndarray] = {}
    broken: list[str] = []
    begun = 0
    while len(made) < count:
        part = order[begun : begun + count - len(made)]
        if not part:
            raise DataError(
                "too few images of ImageNet can be read",
                found=f"{len(made):,} of the class {name}; {len(broken):,} cannot, such as {broken[0]}",
                expected=f"{count:,} (`per_class`)",
            )
        begun += len(part)
        small = _small(synsets, part, pool)
        broken += [image for image in part if small[image] is None]
        made |= {image: pixels for image in part if (pixels := small[image]) is not None}
    return made, broken


def _all_readable(
    synsets: Mapping[str, _Synset], images: Sequence[str], pool: Executor, split: str, name: str
) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """Images that the authors chose. DataError where one is missing or cannot be read."""
    absent = [image for image in images if image not in getattr(synsets.get(image[:9]), "names", ())]
    small = {} if absent else _small(synsets, images, pool)
    made = {image: pixels for image, pixels in small.items() if pixels is not None}
    lost = absent or [image for image in images if image not in made]
    if lost:
        raise DataError(
            "images of CINIC-10 are missing in ImageNet",
            where=f"{split}/{name}",
            found=f"{len(lost):,} of {len(images):,} are absent or damaged, such as {lost[0]}",
            expected="all images that the list of contributors names",
        )
    return made


def _small(
    synsets: Mapping[str, _Synset], images: Sequence[str], pool: Executor
) -> dict[str, UInt8[np.ndarray, "h w 3"] | None]:
    """Each image at 32 × 32 pixels by the box filter; None for what is no image."""
    of_synset = defaultdict(list)
    for image in images:
        of_synset[image[:9]].append(image)
    found = {}
    for synset, some in of_synset.items():
        read = synsets[synset].read(some)
        found.update(pool.map(lambda pair: (pair[0], _resized(BytesImage(*pair))), read))
    return {image: found[image] for image in images}


def _resized(image: BytesImage) -> UInt8[np.ndarray, "h w 3"] | None:
    from PIL import Image

    try:
        return np.asarray(open_rgb(image).resize((32, 32), Image.Resampling.BOX))
    except DataError:
        return None


def _thirds(made: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    names = list(made)
    for start in range(len(SPLITS)):
        size = len(names) // len(SPLITS)
        yield {name: made[name] for name in names[start * size : (start + 1) * size]}


def _read_contributors(path: Path) -> dict[tuple[str, str], list[str]]:
    """The images of each split and class: columns synset, image_num, cinic_set, class. DataError for another file."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    try:
        rows = list(csv.DictReader(read_text(path, "utf-8-sig").splitlines(), skipinitialspace=True))
        for row in rows:
            if row["class"] is None:
                raise ValueError(f"a row that ends after {row['cinic_set']}")
            image = f"{row['synset']}_{row['image_num']}"
            if not _IMAGE.fullmatch(image) or row["cinic_set"] not in SPLITS:
                raise ValueError(f"{image} in {row['cinic_set']}")
            found[row["cinic_set"], row["class"]].append(image)
        if not rows:
            raise ValueError("no rows")
    except (OSError, UnicodeDecodeError, KeyError, ValueError, csv.Error) as error:
        raise DataError(
            "the list of contributors cannot be read",
            where=path,
            found=file_fault(error),
            expected="CSV with the columns synset, image_num, cinic_set (train, valid or test) and class",
        ) from error
    return found


def _write(folder: Path, images: Mapping[str, Images | np.ndarray], pool: Executor) -> None:
    """Write PNG files, renamed when they are whole; without a flush to disk of each of 270,000."""
    folder.mkdir(parents=True, exist_ok=True)
    list(pool.map(lambda pair: _write_png(folder / f"{pair[0]}.png", pair[1]), images.items()))


def _write_png(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    part = path.with_suffix(".part")
    with removed_if_stopped(part):
        Image.fromarray(pixels).save(part, "PNG")
        part.replace(path)


def _is_whole(out: Path, name: str, per_class: int) -> bool:
    """Whether all three splits have as many images of ImageNet as they should."""
    return all(len(_earlier(out, split, name)) == per_class // len(SPLITS) for split in SPLITS)


def _earlier(out: Path, split: str, name: str) -> list[Path]:
    return [path for path in (out / split / name).glob("n*.png") if _MADE.fullmatch(path.stem)]


def _remove_earlier(out: Path, name: str) -> None:
    """Remove the images of a class that an earlier run did not finish, or that has others."""
    for split in SPLITS:
        for path in _earlier(out, split, name):
            path.unlink()


def _counted(out: Path, names: Sequence[str]) -> dict[str, int]:
    """The images that lie in each split. DataError where classes have different numbers of them."""
    counts = {
        (split, name): sum(path.suffix == ".png" for path in (out / split / name).iterdir())
        for split in SPLITS
        for name in names
    }
    if len(set(counts.values())) > 1:
        (split, name), fewest = min(counts.items(), key=lambda pair: pair[1])
        raise DataError(
            "classes have different numbers of images",
            where=out,
            found=f"{fewest:,} in {split}/{name}, {max(counts.values()):,} elsewhere",
            expected="as many in each class of each split",
            fix="write to an empty folder",
        )
    return {split: sum(counts[split, name] for name in names) for split in SPLITS}
