"""Per-image predictions that came with a paper, from the authors' repositories or a folder → the store.

recht2019-cifar10    30 models on CIFAR-10 and both versions of CIFAR-10.1
recht2019-imagenet   67 models on ImageNet's validation set and the three ImageNetV2 sets
"""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.class_names import ClassNames
from evalshift.evaluate.importers.files import read_array
from evalshift.evaluate.importers.labels import known_of, labels_alone
from evalshift.evaluate.importers.predictions import (
    ImportReport,
    count_correct,
    provenance_of,
    refuse_overwriting,
    store_predictions,
)
from evalshift.evaluate.importers.values import top_classes
from evalshift.evaluate.predictions import Imported, Predictions
from evalshift.evaluate.rows import are_positions, order_of
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import sha256_of
from evalshift.formatting import name_some
from evalshift.shapes import Labels
from evalshift.testbed.arrays import load_array
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.dataset_entries import Cifar101Dataset
from evalshift.testbed.datasets import data_folder, load_dataset, source_checksum
from evalshift.testbed.download import RemoteFile, cache_dir, fetch
from evalshift.testbed.published import load_published
from evalshift.testbed.registry import Registry, load_registry


@dataclass(frozen=True)
class ReleasedSet:
    """Where the predictions on one dataset lie, and its labels: in the repository, and in a folder of these alone.

    predictions, labels   places below the folder, tried in turn
    """

    dataset: str
    predictions: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """What the authors released: sets, and the suffix that their files have behind the model's name."""

    name: str
    repository: str
    commits: tuple[str, ...]
    classes: str
    suffix: str
    sets: tuple[ReleasedSet, ...]

    @property
    def pairs(self) -> tuple[str, ...]:
        """Original and new sets, as the report is to find them."""
        first, *others = (one.dataset for one in self.sets)
        return tuple(f"{first}:{other}" for other in others)


RELEASES = {
    release.name: release
    for release in (
        Release(
            name="recht2019-cifar10",
            repository="modestyachts/CIFAR-10.1",
            # Both hold the same predictions.
            commits=("99e9c521dc78417090ea487d8c84c2353e09e6f5", "a986f1e5d8ffacf3ab89b8daf091817ca00fd28f"),
            classes="cifar10",
            suffix="_predictions.json",
            sets=tuple(
                ReleasedSet(
                    dataset,
                    (f"{folder}_predictions", f"model_predictions/{folder}_predictions"),
                    (f"{labels}_labels.npy", f"datasets/{labels}_labels.npy"),
                )
                for dataset, folder, labels in (
                    ("cifar10", "original", "cifar10_test"),
                    ("cifar10.1-v4", "v4", "cifar10.1_v4"),
                    ("cifar10.1-v6", "v6", "cifar10.1_v6"),
                )
            ),
        ),
        Release(
            name="recht2019-imagenet",
            repository="modestyachts/ImageNetV2",
            commits=("b14e00d85f3065a18486d1a43181990a538e0122",),
            classes="imagenet-1k",
            suffix=".npy",
            sets=tuple(
                ReleasedSet(
                    dataset,
                    (short, f"data/predictions/{revision}", f"predictions/{revision}", revision),
                    (f"{short}_labels.npy", f"data/datasets/{revision}.json", f"datasets/{revision}.json"),
                )
                for dataset, short, revision in (
                    ("imagenet", "imagenet-val", "imagenet-validation-original"),
                    ("imagenetv2-matched-frequency", "matched-frequency", "imagenetv2-b-33"),
                    ("imagenetv2-threshold0.7", "threshold0.7", "imagenetv2-a-44"),
                    ("imagenetv2-topimages", "topimages", "imagenetv2-c-12"),
                )
            ),
        ),
    )
}

# File names that are not what the paper's tables 7 and 8 call the model: the accuracies there are these files'.
RENAMED = {
    "random_features_256k_no_aug": "random_features_256k",
    "random_features_32k_no_aug": "random_features_32k",
    "resnet_preact_basic_110": "resnet_v2_basic_110",
    "resnet_preact_bottleneck_164": "resnet_v2_bottleneck_164",
    "resnetv2_tf": "resnetv2_tf_32",
    "shake_shake_26_2x32d_SSI": "shake_shake_32d",
    "shake_shake_26_2x64d_SSI": "shake_shake_64d",
    "shake_shake_26_2x64d_SSI_cutout16": "shake_shake_64d_cutout",
    "wide_resnet_tf": "wide_resnet_tf_28_10",
}

# Two files of ImageNetV2 are called fv_16k_model and fv_64k_model; the other sets and the paper have fv_16k and fv_64k.
SUFFIX_OF_SOME = "_model"

# Predictions that the release stores worst first. The paper's table 11 has 19.2 % for fv_16k on MatchedFrequency, which
# is what the last column gives; the first gives 2.5 %. Applied only where the last column is correct more often.
REVERSED = frozenset(
    {
        ("imagenetv2-matched-frequency", "fv_16k"),
        ("imagenetv2-threshold0.7", "fv_16k"),
        ("imagenetv2-topimages", "fv_16k"),
    }
)


_GITHUB = "https://raw.githubusercontent.com"


def model_name(stem: str) -> tuple[str, str | None]:
    """The paper's name of the model that a file is named after, and the rule that led there, if one was needed.

    >>> model_name("fv_64k_model")
    ('fv_64k', 'the file is called fv_64k_model; the paper calls the model fv_64k')
    """
    name = RENAMED.get(stem) or stem.removesuffix(SUFFIX_OF_SOME)
    return name, None if name == stem else f"the file is called {stem}; the paper calls the model {name}"


def import_released(
    name: str,
    results: str | Path | Results = "results",
    folder: str | Path | None = None,
    *,
    registry: str | Path | Registry | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ImportReport:
    """Store the released predictions called `name`: all sets that `folder` has, or all there are, downloaded.

    folder   a checkout of the authors' repository, or a folder with the sets and labels alone
    say      is told of each set as it is read

    Raises UsageError for an unknown name, DownloadError where the files are not available, DataError where they are not
    those published; nothing is stored then.
    """
    if name not in RELEASES:
        raise UsageError(
            f'"{name}" is not a released set', expected=", ".join(RELEASES), fix=did_you_mean(name, RELEASES)
        )
    release = RELEASES[name]
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    space = known.class_space(release.classes)
    found = _found_in(release, Path(folder)) if folder is not None else _downloaded(release, say)
    read: list[tuple[StoredDataset, list[Predictions]]] = []
    rules: dict[str, None] = {}
    for released, files in found.items():
        say(f"{released.dataset}: {len(files.predictions)} models")
        rows = _rows(released, files, space, known, download=folder is None)
        dataset, order = _in_store(rows, store)
        predictions = [
            _read_model(stem, path, release, rows, dataset, order) for stem, path in sorted(files.predictions.items())
        ]
        for one in predictions:
            refuse_overwriting(store, one.dataset, one.model, force)
        rules |= dict.fromkeys(_differences(release, predictions, dataset, strict=folder is None))
        read.append((dataset, predictions))
    for dataset, predictions in read:
        for one in predictions:
            store_predictions(store, dataset, one)
            shared = one.provenance.imported.rules if one.provenance.imported else []
            rules |= {f"{one.model} on {one.dataset}: {rule}": None for rule in shared if " is called " not in rule}
    names = {one.dataset for one in found}
    pairs = tuple(pair for pair in release.pairs if set(pair.split(":")) <= names | set(store.datasets()))
    store.add_pairs(pairs)
    renamed = {rule: None for _, ones in read for one in ones for rule in _renaming(one)}
    rows_read = tuple(count_correct(one, dataset) for dataset, ones in read for one in ones)
    return ImportReport(rows_read, (*renamed, *rules), pairs)


def _renaming(predictions: Predictions) -> list[str]:
    imported = predictions.provenance.imported
    return [rule for rule in (imported.rules if imported else []) if " is called " in rule]


@dataclass(frozen=True)
class _Files:
    """The files of one set; `predictions` by the name that stands before their suffix."""

    labels: Path | None
    predictions: Mapping[str, Path]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The labels of a set in the order of the files, and the images' names where the release has them."""

    dataset: StoredDataset
    release_order: np.ndarray  # where each row of `dataset` stands in the files
    source: Mapping[str, str] = field(default_factory=dict)


def _found_in(release: Release, folder: Path) -> dict[ReleasedSet, _Files]:
    if not folder.is_dir():
        raise DataError("the folder to import is not there", where=folder, found="no folder of that name")
    found: dict[ReleasedSet, _Files] = {}
    for released in release.sets:
        for place in released.predictions:
            files = {
                path.name.removesuffix(release.suffix): path
                for path in (folder / place).glob(f"*{release.suffix}")
                if not path.name.startswith(".")
            }
            if files:
                labels = (folder / labels for labels in released.labels)
                found[released] = _Files(next((path for path in labels if path.is_file()), None), files)
                break
    if not found:
        raise DataError(
            f"the folder holds no predictions of {release.name}",
            where=folder,
            found=", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing",
            expected=f"a checkout of {release.repository}, or {', '.join(one.predictions[0] for one in release.sets)}",
        )
    return found


# ------------------------------------------------------------------------------------------------------------ download


def _downloaded(release: Release, say: Callable[[str], None]) -> dict[ReleasedSet, _Files]:
    """All files of a release in the cache; each is checked by its hash, or where none is known by what it holds."""
    folder = cache_dir() / "released" / release.name
    found: dict[ReleasedSet, _Files] = {}
    for released in release.sets:
        rows = [row for row in _listing() if row["dataset"] == released.dataset]
        if not rows:
            continue
        say(f"{released.dataset}: {len(rows)} files from github.com/{release.repository}")
        labels = None
        for row in (row for row in rows if row["path"].endswith(f"{Path(released.labels[1]).name}")):
            labels = fetch(_remote(release, row, partial(_check_labels, expected=row["content"])), folder)
        predictions = {}
        for row in rows:
            stem = Path(row["path"]).name.removesuffix(release.suffix)
            if row["path"].endswith(release.suffix):
                check = partial(_check_top, released=released, stem=stem, labels=labels, expected=row["content"])
                predictions[stem] = fetch(_remote(release, row, check), folder)
        found[released] = _Files(labels, predictions)
    return found


@cache
def _listing() -> tuple[dict[str, str], ...]:
    """Every released file: its dataset, its path in the repository, and the sha256 of the file or of what it holds."""
    text = resources.files("evalshift.evaluate.importers").joinpath("recht2019.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _remote(release: Release, row: Mapping[str, str], check: Callable[[Path], None]) -> RemoteFile:
    urls = tuple(f"{_GITHUB}/{release.repository}/{commit}/{row['path']}" for commit in release.commits)
    # Files of one name lie in several folders, so the folder is part of the name in the cache and on a mirror.
    name = row["path"].replace("/", "--")
    return RemoteFile(name, urls, row["sha256"]) if row["sha256"] else RemoteFile(name, urls, None, check=check)


def _check_labels(path: Path, expected: str) -> None:
    """Raises DataError unless these are the ids and labels of an ImageNet set."""
    ids, labels = _labels_of_json(path, built_in("imagenet-1k"))
    text = "\n".join(f"{name} {label}" for name, label in zip(ids, labels, strict=True))
    if expected and hashlib.sha256(text.encode()).hexdigest() != expected:
        raise DataError("other ids or labels than those released", where=path, found=f"{len(ids):,} rows")
    if not _balanced(labels):
        raise DataError("not as many images of each class", where=path, found=f"{len(ids):,} rows")


def _balanced(labels: Labels) -> bool:
    """Whether there are as many images of each class of ImageNet, as all of its sets have."""
    return bool((np.bincount(labels, minlength=1000) == len(labels) / 1000).all())


def _check_top(path: Path, released: ReleasedSet, stem: str, labels: Path | None, expected: str) -> None:
    """Raises DataError unless these are a model's published predictions: by checksum, or by the number correct."""
    top = np.array(load_array(path, str(path)))
    if top.ndim != 2 or top.dtype.kind not in "iu" or top.min() < 0 or top.max() >= 1000:
        raise DataError("no classes of ImageNet, best first", where=path, found=f"{top.dtype}, shape {top.shape}")
    if expected:
        if hashlib.sha256(top.astype("<i2").tobytes()).hexdigest() != expected:
            raise DataError("these are not the released predictions", where=path, found=f"shape {top.shape}")
    elif labels is not None:
        _, truth = _labels_of_json(labels, built_in("imagenet-1k"))
        model, _ = model_name(stem)
        published = _published_counts().get((released.dataset, model))
        right = _right(_best_first(top, truth, released.dataset, model), truth) if len(top) == len(truth) else None
        if published is not None and right != published:
            raise DataError(
                "these are not the published predictions", where=path, found=f"{right} correct of {len(truth):,}"
            )


# ---------------------------------------------------------------------------------------------------- labels and order


def _rows(released: ReleasedSet, files: _Files, space: ClassSpace, registry: Registry, *, download: bool) -> _Rows:
    """The labels, with the ids and in the order that the images have where they are read from the official files.

    ImageNet's by the number in their name; ImageNetV2's by class, then by the hash that they are called by.
    """
    name = released.dataset
    if files.labels is None or files.labels.suffix == ".npy":
        labels, source = _plain_labels(name, files.labels, registry, download)
        ids = _named_rows(files.labels)
    else:
        ids, labels = _labels_of_json(files.labels, space)
        source = {files.labels.name: sha256_of(files.labels)}
    entry = {"files": source, **known_of(name, registry)}
    if ids is None:
        digits = len(str(max(len(labels) - 1, 0)))
        plain = [f"{place:0{digits}d}" for place in range(len(labels))]
        return _Rows(labels_alone(name, plain, labels, space, **entry), np.arange(len(labels)), source)
    if name == "imagenet":
        own = [one.removesuffix(".JPEG") for one in ids]
        order = np.argsort(own)
    else:
        own = [f"{label}/{one}.jpeg" for one, label in zip(ids, labels.tolist(), strict=True)]
        order = np.lexsort((np.array(own), labels))
    dataset = labels_alone(name, [own[row] for row in order], labels[order], space, **entry)
    return _Rows(dataset, order, source)


def _plain_labels(name: str, path: Path | None, registry: Registry, download: bool) -> tuple[Labels, dict[str, str]]:
    if path is not None:
        return read_array(path).astype(np.int64), {path.name: sha256_of(path)}
    entry = registry.datasets.get(name)
    if isinstance(entry, Cifar101Dataset) and "labels" in entry.files and entry.path is None:
        file = entry.files["labels"]
        at = fetch(RemoteFile(file.name, file.urls, file.sha256, file.size), data_folder())
        return read_array(at).astype(np.int64), {at.name: sha256_of(at)}
    if entry is None or (not download and source_checksum(entry) is None):
        raise DataError(
            f"the labels of {name} are not available",
            where=f"dataset {name}",
            found="none in the folder, and the dataset is not on this disk",
            expected="the labels of the dataset",
            fix=f"`evalshift fetch {name}`, which downloads them",
        )
    dataset = load_dataset(name, entry, registry.class_space(entry.classes))
    return dataset.labels, {}


def _named_rows(labels: Path | None) -> list[str] | None:
    """The images' names, a line each, in the file beside the labels; None where there is none."""
    if labels is None:
        return None
    ids = labels.with_name(labels.name.replace("_labels.npy", "_ids.txt"))
    return ids.read_text("utf-8").split() if ids.is_file() else None


def _labels_of_json(path: Path, space: ClassSpace) -> tuple[list[str], Labels]:
    """A set of the ImageNetV2 repository: images by name, each with the wnid of its class."""
    try:
        rows = json.loads(path.read_text("utf-8"))["image_filenames"]
        numbers = {wnid: number for number, wnid in enumerate(space.folders)}
        return [str(name) for name, _ in rows], np.array([numbers[wnid] for _, wnid in rows], dtype=np.int64)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            "the labels cannot be read",
            where=path,
            found=f"{type(error).__name__}: {error}",
            expected='"image_filenames", a list of names and wnids',
        ) from error


def _in_store(rows: _Rows, results: Results) -> tuple[StoredDataset, np.ndarray]:
    """The dataset as it is stored, or to be stored, and where each of its rows stands in the released files."""
    own = rows.dataset
    if own.name not in results.datasets():
        return own, rows.release_order
    stored = results.load_dataset(own.name)
    named = not are_positions(stored.ids) and not are_positions(own.ids)
    order = order_of(stored.ids, own.ids) if named else np.arange(len(own)) if len(own) == len(stored) else None
    if order is None or not np.array_equal(own.labels[order], stored.labels):
        raise DataError(
            "these predictions are of other images than those stored",
            where=results.dataset_file(own.name),
            found=f"{len(stored):,} images stored, {len(own):,} released; other ids, or another order of the labels",
            expected=f"the official {own.name}, in its official order",
            fix="choose another folder with `results`",
        )
    return stored, rows.release_order[order]


# --------------------------------------------------------------------------------------------------------- predictions


def _read_model(
    stem: str, path: Path, release: Release, rows: _Rows, dataset: StoredDataset, order: np.ndarray
) -> Predictions:
    values = read_array(path)
    model, renaming = model_name(stem)
    rules = [renaming] if renaming else []
    if len(values) != len(dataset):
        raise DataError(
            "the predictions are not as many as the images",
            where=path,
            found=f"{len(values):,} rows",
            expected=f"{len(dataset):,}, one per image of {dataset.name}",
        )
    if values.ndim == 2:
        truth = np.empty_like(dataset.labels)
        truth[order] = dataset.labels
        turned = _best_first(values, truth, dataset.name, model)
        if turned is not values:
            rules.append(f"the {values.shape[1]} columns are stored worst first, so they are read from the last")
            values = turned
    found = top_classes(values, ClassNames(dataset.class_names), path, "top1" if values.ndim == 1 else "topk")
    imported = Imported(source=release.name, files={path.name: sha256_of(path)}, kind=found.kind, rules=rules)
    entry = {"source": release.name, "repository": release.repository, **_published_facts(release).get(model, {})}
    return Predictions(
        model,
        dataset.name,
        np.ascontiguousarray(found.top[order]),
        None,
        provenance_of(model, dataset, imported, entry),
    )


def _best_first(top: np.ndarray, truth: Labels, dataset: str, model: str) -> np.ndarray:
    """The predictions with their columns reversed where they are known to be stored worst first, and are."""
    if (dataset, model) in REVERSED and (top[:, -1] == truth).sum() > (top[:, 0] == truth).sum():
        return top[:, ::-1]
    return top


def _right(top: np.ndarray, truth: Labels) -> tuple[int, int]:
    return int((top[:, 0] == truth).sum()), int((top == truth[:, None]).any(axis=1).sum())


@cache
def _published_counts() -> dict[tuple[str, str], tuple[int, int | None]]:
    """(dataset, model) -> top-1 and top-5 correct counts, for models with released predictions."""
    counts: dict[tuple[str, str], tuple[int, int | None]] = {}
    for table in load_published("recht2019").tables:
        for dataset in table.images:
            for row, model in enumerate(table.models):
                five = table.correct.get((dataset, "top5"))
                if model.exact:
                    first = int(table.correct[dataset, "top1"][row])
                    counts[dataset, model.name] = first, None if five is None else int(five[row])
    return counts


def _published_facts(release: Release) -> dict[str, dict[str, Any]]:
    testbed = load_published("recht2019")
    table = testbed.table_of(release.pairs[0])
    models = table.models if table else ()
    facts: dict[str, dict[str, Any]] = {}
    for model in models:
        facts[model.name] = {"family": model.family, "year": model.year, "paper": testbed.paper}
        if model.family in testbed.families:
            facts[model.name]["family_title"] = testbed.families[model.family]
    return facts


def _differences(
    release: Release, predictions: list[Predictions], dataset: StoredDataset, *, strict: bool
) -> list[str]:
    """What differs from what was published, in words; what was downloaded may not differ at all."""
    published = {model: counts for (name, model), counts in _published_counts().items() if name == dataset.name}
    lines: list[str] = []
    for one in predictions:
        counted = count_correct(one, dataset)
        if one.model not in published:
            lines.append(f"{one.model} stands in none of the paper's tables")
        elif (counted.top1, counted.top5) != published[one.model]:
            found = f"{counted.top1:,} of {counted.images:,} right, {published[one.model][0]:,} published"
            if strict:
                raise DataError(
                    "these are not the published predictions", where=f"{one.model} on {one.dataset}", found=found
                )
            lines.append(f"{one.model} on {dataset.name} differs from what was published: {found}")
    missing = sorted(published.keys() - {one.model for one in predictions})
    if missing:
        some = name_some(missing, 3)
        lines.append(f"{len(missing)} of {len(published)} models are missing on {dataset.name}: {some}")
    return lines
