"""Predictions that someone else made, one file a model and dataset, into the store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalshift.errors import UsageError
from evalshift.evaluate.importers.answers import check_answers, check_kind
from evalshift.evaluate.importers.files import read_content
from evalshift.evaluate.importers.labels import dataset_for_import, folders_of
from evalshift.evaluate.predictions import Imported, Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Results, StoredDataset
from evalshift.testbed.published import load_published, published_names
from evalshift.testbed.registry import Registry, load_registry

# What of a registry entry is said of a model that evalshift did not run.
_FACTS = ("family", "year", "selected_on", "expected", "paper")


@dataclass(frozen=True)
class ImportedModel:
    """One model on one dataset as it was imported: how many of the images it gets right."""

    model: str
    dataset: str
    images: int
    top1: int
    top5: int | None


@dataclass(frozen=True)
class ImportReport:
    """What an import brought, and what was decided on the way, in words; `pairs` were noted for the report."""

    models: tuple[ImportedModel, ...]
    rules: tuple[str, ...]
    pairs: tuple[str, ...] = field(default=())


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
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
) -> ImportReport:
    """Store what `model` answered on `dataset`, read from an npy, npz, JSON, CSV or Parquet file.

    labels, classes     a file of labels and their label space, where neither results nor registry know the dataset
    kind                "top1", "topk", "logits", "probabilities", or "auto"
    id_column, column   where the file holds the images' names and the answers, when that is not plain
    facts               such as family and year; what a registry says of a model of that name is taken otherwise
    force               put them in the place of predictions that a run made

    Raises UsageError or DataError where the file cannot be what it is said to be; nothing is stored then.
    """
    check_kind(kind)
    path = Path(file)
    store = results if isinstance(results, Results) else Results(results)
    known = registry if isinstance(registry, Registry) else load_registry(registry)
    refuse_overwriting(store, dataset, model, force)
    target, source = dataset_for_import(
        dataset, store, known, labels=None if labels is None else Path(labels), classes=classes
    )
    content = read_content(path, rows=len(target), class_names=target.class_names, id_column=id_column, column=column)
    answers = check_answers(content, target, kind, folders_of(target, known))
    rules = (source, *answers.rules)
    imported = Imported(source="predictions", files={path.name: content.sha256}, kind=answers.kind, rules=list(rules))
    entry = {"source": "import", **known_facts(known, model), **(facts or {})}
    predictions = Predictions(model, dataset, answers.top, answers.prob, provenance_of(model, target, imported, entry))
    store_predictions(store, target, predictions)
    pairs = note_pairs(store, known, [dataset], [model])
    return ImportReport((count_right(predictions, target),), rules, pairs)


def refuse_overwriting(results: Results, dataset: str, model: str, force: bool) -> None:
    """Raises UsageError where a run made what would be overwritten: it may have cost hours. Imports make way."""
    stored = None if force else results.provenance(dataset, model)
    if stored is not None and stored.imported is None:
        raise UsageError(
            f"predictions of {model} on {dataset} are stored already, from a run",
            where=results.predictions_file(dataset, model),
            found=f"run {stored.start[:10]} on {stored.device}",
            expected="an import, or nothing",
            remedy="import under another --model name, or overwrite them with --force",
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
        dataset_fingerprint=dataset.rows,
        streams=None,
        start=datetime.now(UTC).isoformat(timespec="seconds"),
        imported=imported,
    )


def store_predictions(results: Results, dataset: StoredDataset, predictions: Predictions) -> None:
    """Save imported predictions, and first their dataset where it is not stored."""
    if dataset.name not in results.datasets():
        results.save_dataset(dataset)
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


def _models(results: Results, dataset: str) -> set[str]:
    _, counted = results.load_counts(dataset) or (None, {})
    return {*results.models(dataset), *counted}


def count_right(predictions: Predictions, dataset: StoredDataset) -> ImportedModel:
    """What a table of an import says of one file."""
    five = predictions.k >= 5 and len(dataset.class_names) > 5
    return ImportedModel(
        model=predictions.model,
        dataset=dataset.name,
        images=len(dataset),
        top1=int(predictions.hits(dataset.labels).sum()),
        top5=int(predictions.hits(dataset.labels, 5).sum()) if five else None,
    )
