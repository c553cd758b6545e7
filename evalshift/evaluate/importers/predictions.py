"""Predictions made elsewhere, one file per model and dataset, into the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, UsageError, did_you_mean
from evalshift.evaluate.importers.checks import hold_correctness, hold_labels, refuse_reversed, refuse_shifted
from evalshift.evaluate.importers.columns import (
    check_named,
    columns_of_rows,
    find_correctness,
    find_labels,
    find_predictions,
    without_repeated_rows,
)
from evalshift.evaluate.importers.files import WHOLE, FileContent, read_file
from evalshift.evaluate.importers.images_of_rows import Rows, find_rows
from evalshift.evaluate.importers.label_spaces import left_out_words, with_all_images, without_left_out
from evalshift.evaluate.importers.labels import class_names_of, dataset_for_import
from evalshift.evaluate.importers.matching import Match
from evalshift.evaluate.importers.seen_values import as_labels_in, hold_several, top_classes_in
from evalshift.evaluate.importers.values import NO_CLASS, TopClasses, check_kind, top_classes
from evalshift.evaluate.predictions import Imported, Predictions, Provenance, among, labels_for
from evalshift.evaluate.store import SCHEMA_VERSION, Results, StoredDataset
from evalshift.formatting import name_some
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.published import load_published, published_names
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

# What an image without a prediction counts as: incorrect where the file marks it (−1, an empty cell, "abstain"), also
# where the file has no row for it, or never.
MISSING = ("marked", "incorrect", "error")

# What of a registry entry is said of a model that evalshift did not run.
_FACTS = (
    "title", "family", "family_title", "year", "training_data", "parameters", "gmacs", "image_size", "selected_on",
    "expected", "paper",
)  # fmt: skip


@dataclass(frozen=True)
class ImportedModel:
    """One model on one dataset as it was imported: how many of the images it predicts correctly.

    missing   images without a prediction, which count as incorrect
    """

    model: str
    dataset: str
    images: int
    top1: int
    top5: int | None
    missing: int = 0


@dataclass(frozen=True)
class ImportReport:
    """What an import brought, and what was decided on the way, in words; `pairs` were noted for the report."""

    models: tuple[ImportedModel, ...]
    rules: tuple[str, ...]
    pairs: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        models = dict.fromkeys(one.model for one in self.models)
        datasets = dict.fromkeys(one.dataset for one in self.models)
        return f"ImportReport({name_some(list(models), 3)} on {name_some(list(datasets), 3)})"


def import_predictions(
    file: str | Path,
    model: str,
    dataset: str,
    results: str | Path | Results = "results",
    *,
    registry: str | Path | Registry | None = None,
    labels: str | Path | None = None,
    classes: str | None = None,
    kind: str = "auto",
    id_column: str | None = None,
    column: str | None = None,
    first_class: int | None = None,
    file_order: bool = False,
    missing: str = "marked",
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
) -> ImportReport:
    """Store the predictions of `model` on `dataset`, read from a file in one of the FORMATS.

    file         the file
    model        name of the model
    dataset      name of the dataset
    results      folder of stored predictions
    registry     a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift
    labels       a file of labels, if neither the results nor the registry have the dataset
    classes      the label space of the numbers in the file
    kind         "top1", "topk", "logits", "probabilities", or "auto"
    id_column    the column that identifies the images, if it is ambiguous
    column       the column of predictions, if it is ambiguous; or the prefix of numbered columns: "top" for top1, top2,
                 …
    first_class  number of the first class, 0 or 1; by default 0, refusing a file whose classes seem to start at 1
    file_order   rows are in dataset order, whatever columns of names say
    missing      count images as incorrect if the file marks them as without prediction ("marked"), also if they have no
                 row ("incorrect"), or refuse the file ("error")
    facts        such as family and year; by default, those of a model of this name in the registry
    force        overwrite predictions from a run

    Raises UsageError or DataError if the file is not what it is said to be; nothing is stored then.
    """
    check_kind(kind)
    _check_missing(missing)
    path = Path(file)
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    refuse_overwriting(store, dataset, model, force)
    target, source = dataset_for_import(
        dataset, store, known, labels=None if labels is None else Path(labels), classes=classes
    )
    names = class_names_of(target, known)
    images = with_all_images(target)
    content = read_file(path, rows=len(target), values={*names.spellings(), *(one.lower() for one in images.ids)})
    choices = (kind, id_column, column, first_class, file_order, missing, classes)
    try:
        top, rules = _read(content, target, names, *choices)
    except DataError:
        if images is target:
            raise
        # Files of others have rows for images that the dataset leaves out.
        top, rules = _read(content, images, names, *choices)
    lacking = int((top.top[:, 0] == NO_CLASS).sum())
    rules = (source, *left_out_words(target), *content.rules, *rules)
    imported = Imported(
        source="predictions", files={path.name: content.sha256}, kind=top.kind, rules=list(rules), missing=lacking
    )
    entry = {"source": "import", **known_facts(known, model), **(facts or {})}
    predictions = Predictions(model, dataset, top.top, top.prob, provenance_of(model, target, imported, entry))
    store_predictions(store, target, predictions)
    pairs = note_pairs(store, known, [dataset], [model])
    unlike = unlike_words(store, known, [dataset])
    return ImportReport((count_correct(predictions, target),), (*rules, *unlike), pairs)


def _check_missing(missing: str) -> None:
    if missing not in MISSING:
        raise UsageError(
            "unknown way to treat images without a prediction",
            found=f'`missing` "{missing}"',
            expected=", ".join(MISSING),
            fix=did_you_mean(missing, MISSING),
        )


def _read(
    content: FileContent,
    dataset: StoredDataset,
    classes: ClassNames,
    kind: str,
    id_column: str | None,
    column: str | None,
    first_class: int | None,
    file_order: bool,
    missing: str,
    predicted_in: str | None,
) -> tuple[TopClasses, list[str]]:
    """The predictions of a file in dataset order, compared with the columns next to them, and the rules applied."""
    path = content.path
    check_named(content, (id_column, column))
    columns, set_aside = columns_of_rows(content, len(dataset), (column, id_column))
    columns, repeated = (columns, []) if file_order else without_repeated_rows(columns, id_column)
    rows = find_rows(content, columns, dataset, classes, id_column=id_column, column=column, file_order=file_order)
    taken = () if rows.column is None else (rows.column,)
    found = find_predictions(content, columns, classes, taken, column)
    values, ordered = found.values, rows
    if (dataset.labels == NO_CLASS).any():
        dataset, rows = without_left_out(dataset), _of_places(rows, np.flatnonzero(dataset.labels != NO_CLASS))
        values, ordered = _read_alone(values, rows)
    if dataset.view is None:
        top = top_classes(values, classes, path, kind, first_class)
    else:
        top = top_classes_in(dataset.view, values, classes, path, kind, first_class, predicted_in)
    top = _in_dataset_order(top, ordered)
    _refuse_missing(top, rows, dataset, path, missing)
    if first_class is None and not (dataset.view and dataset.view.has_groups):
        refuse_shifted(top.top[:, 0], labels_for(top.top, dataset.labels, dataset.accepted), path)
    if kind == "auto" and dataset.view is None and dataset.accepted is None:
        places = np.arange(len(dataset)) if ordered.match is None else ordered.match.places
        refuse_reversed(values, places, top, dataset.labels, path)
    labels, correct = find_labels(columns, found, taken, classes), find_correctness(columns, found, taken)
    held = _held(labels, correct, top.top[:, 0], rows, dataset, classes, path)
    read = {*found.names, *taken, *labels, *correct, WHOLE}
    unread = [name for name in (*columns, *set_aside) if name not in read]
    rules = [
        *repeated,
        *rows.rules,
        *found.rules,
        *top.rules,
        *held,
        *_unread_words(unread),
        *_missing_words(top, rows),
    ]
    return top, rules


def _held(
    labels: Mapping[str, np.ndarray],
    correct: Mapping[str, np.ndarray],
    predicted: np.ndarray,
    rows: Rows,
    dataset: StoredDataset,
    classes: ClassNames,
    path: Path,
) -> list[str]:
    """Results of comparing the columns next to the predictions with the images that have rows in the file."""
    places = np.arange(len(dataset)) if rows.match is None else rows.match.places
    there = np.flatnonzero(places >= 0)
    beside = {name: values[places[there]] for name, values in labels.items()}
    truth, first = dataset.truth[there], predicted[there]
    if dataset.accepted is not None:
        held = hold_several(beside, truth, classes, path)
    else:
        if dataset.view is not None:
            beside = {name: as_labels_in(dataset.view, column, truth, classes) for name, column in beside.items()}
        held = hold_labels(beside, dataset, truth, first, classes, path, by_name=rows.match is not None)
    said = {name: values[places[there]] for name, values in correct.items()}
    return held + hold_correctness(said, among(first[:, None], truth), dataset, path)


def _of_places(rows: Rows, used: np.ndarray) -> Rows:
    """Rows of these images alone."""
    if rows.match is None:
        return Rows(None, Match(used, (), ""), rows.rules)
    return Rows(rows.column, replace(rows.match, places=rows.match.places[used]), rows.rules)


def _read_alone(values: np.ndarray, rows: Rows) -> tuple[np.ndarray, Rows]:
    """The rows that images have, in the order of the images, and where each stands among them then."""
    match = rows.match
    assert match is not None
    there = match.places >= 0
    places = np.where(there, np.cumsum(there) - 1, -1)
    return values[match.places[there]], Rows(rows.column, replace(match, places=places), rows.rules)


def _in_dataset_order(top: TopClasses, rows: Rows) -> TopClasses:
    """Rows as the dataset has them; images without a row have no prediction."""
    if rows.match is None:
        return top
    places, absent = rows.match.places, rows.match.places < 0
    ordered, prob = top.top[places], None if top.prob is None else top.prob[places]
    ordered[absent] = NO_CLASS
    if prob is not None:
        prob[absent] = np.nan
    return TopClasses(np.ascontiguousarray(ordered), prob, top.kind, top.rules)


def _refuse_missing(top: TopClasses, rows: Rows, dataset: StoredDataset, path: Path, missing: str) -> None:
    lacking = np.flatnonzero(top.top[:, 0] == NO_CLASS)
    absent = np.flatnonzero(rows.match.places < 0) if rows.match is not None else np.array([], np.int64)
    if len(lacking) == len(dataset):
        raise DataError("no image has a prediction", where=path, expected="a prediction for each image, or for most")
    if len(absent) and missing != "incorrect":
        raise DataError(
            "some images have no row in the file",
            where=path,
            found=f"{len(absent):,} of {len(dataset):,} without one, such as {dataset.ids[absent[0]]}",
            expected=f"a row for each image of {dataset.name}",
            fix='`missing` "incorrect" counts them as incorrect',
        )
    if len(lacking) and missing == "error":
        raise DataError(
            "some images have no prediction",
            where=path,
            found=f"{len(lacking):,} of {len(dataset):,} without one, such as {dataset.ids[lacking[0]]}",
            expected=f"a prediction for each image of {dataset.name}",
            fix='`missing` "marked" counts them as incorrect',
        )


def _unread_words(names: Sequence[str]) -> list[str]:
    quoted = [f'"{name}"' for name in names]
    return [f"not read: {name_some(quoted, 6)}"] if names else []


def _missing_words(top: TopClasses, rows: Rows) -> list[str]:
    lacking = int((top.top[:, 0] == NO_CLASS).sum())
    absent = 0 if rows.match is None else rows.match.absent
    words = [no_prediction_words(lacking, len(top.top))] if lacking else []
    return words + ([f"{absent:,} of these {'has' if absent == 1 else 'have'} no row in the file"] if absent else [])


def no_prediction_words(missing: int, images: int) -> str:
    """What is said of images without a prediction."""
    verbs = ("has", "counts") if missing == 1 else ("have", "count")
    return f"{missing:,} of {images:,} images {verbs[0]} no prediction and {verbs[1]} as incorrect"


def refuse_overwriting(results: Results, dataset: str, model: str, force: bool) -> None:
    """Raises UsageError where a run made what would be overwritten: it may have cost hours. Imports make way."""
    stored = None if force else results.provenance(dataset, model)
    if stored is not None and stored.imported is None:
        raise UsageError(
            f"predictions of {model} on {dataset} are stored already, from a run",
            where=results.predictions_file(dataset, model),
            found=f"run {stored.start[:10]} on {stored.device}",
            expected="an import, or nothing",
            fix="import under another name of the `model`, or overwrite them with `force`",
        )


def known_facts(registry: Registry, model: str) -> dict[str, Any]:
    """What the registry says of a model, without how to run it."""
    written = registry.written.get(f"models/{model}", {})
    return {name: written[name] for name in _FACTS if name in written}


def provenance_of(model: str, dataset: StoredDataset, imported: Imported, entry: Mapping[str, Any]) -> Provenance:
    """How imported predictions came about; they belong to the dataset by its labels, and its ids where it has any."""
    return Provenance(
        schema_version=SCHEMA_VERSION,
        model=model,
        dataset=dataset.name,
        classes=dataset.classes,
        entry=dict(entry),
        identity={},
        dataset_fingerprint=dataset.label_checksum,
        streams=None,
        start=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=[no_prediction_words(imported.missing, len(dataset))] if imported.missing else [],
        imported=imported,
    )


def store_predictions(results: Results, dataset: StoredDataset, predictions: Predictions) -> None:
    """Save imported predictions, and first their dataset where it is not stored."""
    if dataset.name not in results.datasets():
        results.save_dataset(dataset)
    else:
        if dataset.superclasses:
            results.note_superclasses(dataset.name, dataset.superclasses)
        facts = results.dataset_facts(dataset.name)
        if dataset.pictures is not None:
            results.note_pictures(dataset.name, dataset.pictures)
        if dataset.corrected_checksum not in (None, facts and facts.corrected_checksum):
            results.note_corrected(dataset)
    results.save_predictions(predictions)


def note_pairs(results: Results, registry: Registry, datasets: Iterable[str], models: Iterable[str]) -> tuple[str, ...]:
    """Note the pairs that these datasets complete for one of these models, for a plain `evalshift report` to find.

    Pairs are known from the registry and from what was published.
    """
    known = [str(pair) for pair in registry.pairs]
    known += [pair for name in published_names() for pair in load_published(name).pairs]
    touched = [pair for pair in dict.fromkeys(known) if set(pair.split(":")) & set(datasets)]
    pairs = tuple(
        pair for pair in touched if set(models).intersection(*(_models(results, name) for name in pair.split(":")))
    )
    results.add_pairs(pairs)
    return pairs


def unlike_words(results: Results, registry: Registry, datasets: Iterable[str]) -> tuple[str, ...]:
    """What to say of datasets that look like a pair but are of different classes: one in a view, the other whole."""
    words = []
    for pair in registry.pairs:
        whole = [name.rpartition("@")[0] for name in (pair.original, pair.new)]
        sides = [base or name for base, name in zip(whole, (pair.original, pair.new), strict=True)]
        seen = [name for base, name in zip(whole, (pair.original, pair.new), strict=True) if base]
        if not seen or not set(datasets) & set(sides) or any(_models(results, name) for name in seen):
            continue
        if all(_models(results, name) for name in sides):
            words.append(
                f"{':'.join(sides)} is not a pair: one is of all classes, the other of a part. "
                f"The pair is {pair}; import what was measured on these classes as {', '.join(seen)}"
            )
    return tuple(words)


def _models(results: Results, dataset: str) -> set[str]:
    _, counted = results.load_counts(dataset) or (None, {})
    return {*results.models(dataset), *counted}


def count_correct(predictions: Predictions, dataset: StoredDataset) -> ImportedModel:
    """What a table of an import says of one file."""
    five = predictions.k >= 5 and len(dataset.class_names) > 5
    return ImportedModel(
        model=predictions.model,
        dataset=dataset.name,
        images=len(dataset),
        top1=int(predictions.hits(dataset.truth).sum()),
        top5=int(predictions.hits(dataset.truth, 5).sum()) if five else None,
        missing=0 if predictions.provenance.imported is None else predictions.provenance.imported.missing,
    )
