"""Per-image predictions that came with a paper, from the authors' repositories or a folder → the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.files import read_array
from evalshift.evaluate.importers.predictions import (
    ImportReport,
    count_correct,
    provenance_of,
    refuse_overwriting,
    store_predictions,
)
from evalshift.evaluate.importers.releases import RELEASES
from evalshift.evaluate.importers.releases.common_pictures import common_pictures
from evalshift.evaluate.importers.releases.download import download_files
from evalshift.evaluate.importers.releases.labels import read_rows, rows_in_store
from evalshift.evaluate.importers.releases.published import best_first, differences, published_facts
from evalshift.evaluate.importers.releases.release import Release, ReleasedSet
from evalshift.evaluate.importers.releases.set_files import SetFiles, find_files, unpack_archives
from evalshift.evaluate.importers.values import TopClasses, top_classes
from evalshift.evaluate.predictions import Imported, Predictions
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import sha256_of, temporary_folder
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry


@dataclass(frozen=True, eq=False)
class _ReadModel:
    """One model's predictions; the rule by which it was renamed, if it was, and those by which its values were read."""

    predictions: Predictions
    renaming: str | None
    reading: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _ReadSet:
    """One set with its models' predictions, and how their counts differ from those published."""

    dataset: StoredDataset
    models: tuple[_ReadModel, ...]
    differences: tuple[str, ...]

    @property
    def renamings(self) -> list[str]:
        return [one.renaming for one in self.models if one.renaming is not None]

    @property
    def readings(self) -> list[str]:
        name = self.dataset.name
        return [f"{one.predictions.model} on {name}: {rule}" for one in self.models for rule in one.reading]


def import_released(
    name: str,
    results: str | Path | Results = "results",
    folder: str | Path | None = None,
    *,
    registry: str | Path | Registry | None = None,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ImportReport:
    """Store the released predictions `name`: the sets in `folder`, or, after a download, all of them.

    name      such as "recht2019-imagenet"
    results   folder of stored predictions
    folder    a checkout of the authors' repository, or a folder with just the predictions and labels
    force     overwrite predictions from a run
    say       called with a message for each set
    registry  a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift

    Raises UsageError for an unknown name, DownloadError if the files are not available, DataError if they are not the
    published ones; nothing is stored then.
    """
    if name not in RELEASES:
        raise UsageError(
            f'"{name}" is not a released set', expected=", ".join(RELEASES), fix=did_you_mean(name, RELEASES)
        )
    release = RELEASES[name]
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    read: list[_ReadSet] = []
    with temporary_folder() as unpacked:
        source = None if folder is None else unpack_archives(release, Path(folder), unpacked)
        found = download_files(release, say) if source is None else find_files(release, source)
        for released, files in found.items():
            say(f"{released.dataset}: {len(files.predictions)} models")
            read.append(_read_set(release, released, files, store, known, download=folder is None))
            for one in read[-1].models:
                refuse_overwriting(store, released.dataset, one.predictions.model, force)
    return _store(release, _with_pictures(release, read), store)


def _with_pictures(release: Release, read: list[_ReadSet]) -> list[_ReadSet]:
    """The sets with what tells their images apart, where several hold the same ones and no pixels are known."""
    bare = {one.dataset.name: one for one in read if one.dataset.pictures is None}
    sets = {
        name: (one.dataset.labels, {model.predictions.model: model.predictions.top[:, 0] for model in one.models})
        for name, one in bare.items()
    }
    pictures = common_pictures(sets, release.common_images)
    return [
        replace(one, dataset=replace(one.dataset, pictures=pictures[one.dataset.name]))
        if one.dataset.name in pictures
        else one
        for one in read
    ]


def _store(release: Release, read: list[_ReadSet], store: Results) -> ImportReport:
    for one in read:
        for model in one.models:
            store_predictions(store, one.dataset, model.predictions)
    names = {one.dataset.name for one in read}
    pairs = tuple(pair for pair in release.pairs if set(pair.split(":")) <= names | set(store.datasets()))
    store.add_pairs(pairs)
    counted = tuple(count_correct(model.predictions, one.dataset) for one in read for model in one.models)
    rules = chain(
        chain.from_iterable(one.renamings for one in read),
        chain.from_iterable(one.differences for one in read),
        chain.from_iterable(one.readings for one in read),
    )
    return ImportReport(counted, tuple(dict.fromkeys(rules)), pairs)


def _read_set(
    release: Release, released: ReleasedSet, files: SetFiles, store: Results, registry: Registry, *, download: bool
) -> _ReadSet:
    rows = read_rows(released, files, registry.class_space(release.classes), registry, download=download)
    dataset, order = rows_in_store(rows, store)
    facts = published_facts(release.facts_from or release.name)
    models = tuple(
        _read_model(stem, path, release, released, dataset, order, facts)
        for stem, path in sorted(files.predictions.items())
    )
    unlike = differences(release, [one.predictions for one in models], dataset, strict=download)
    return _ReadSet(dataset, models, tuple(unlike))


def _read_model(
    stem: str,
    path: Path,
    release: Release,
    released: ReleasedSet,
    dataset: StoredDataset,
    order: np.ndarray,
    facts: Mapping[str, Mapping[str, Any]],
) -> _ReadModel:
    model = release.model_name(stem)
    renaming = None if model == stem else f"the file is called {stem}; the paper calls the model {model}"
    found, reading = _read_values(path, released, model, dataset, order)
    rules = [*([] if renaming is None else [renaming]), *reading]
    imported = Imported(source=release.name, files={path.name: sha256_of(path)}, kind=found.kind, rules=rules)
    entry = {"source": release.name, "repository": release.repository, **facts.get(model, {})}
    top, provenance = np.ascontiguousarray(found.top[order]), provenance_of(model, dataset, imported, entry)
    return _ReadModel(Predictions(model, dataset.name, top, None, provenance), renaming, reading)


def _read_values(
    path: Path, released: ReleasedSet, model: str, dataset: StoredDataset, order: np.ndarray
) -> tuple[TopClasses, tuple[str, ...]]:
    """The classes that a file holds, best first, in the order of the file; and the rules by which they were read."""
    values = read_array(path)
    if len(values) != len(dataset):
        raise DataError(
            "the numbers of predictions and images differ",
            where=path,
            found=f"{len(values):,} rows",
            expected=f"{len(dataset):,}, one per image of {dataset.name}",
        )
    reading: tuple[str, ...] = ()
    if values.ndim == 2:
        truth = np.empty_like(dataset.labels)
        truth[order] = dataset.labels
        turned = best_first(values, truth, released, model)
        if turned is not values:
            reading = (f"the {values.shape[1]} columns are stored worst first, so they are read from the last",)
            values = turned
    kind = "top1" if values.ndim == 1 else "topk"
    return top_classes(values, ClassNames(dataset.class_names), path, kind), reading
