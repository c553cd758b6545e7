"""Results on disk: Parquet files that explain themselves, written whole or not at all.

    results/datasets/<dataset>.parquet              id, label (null where an image is left out), labels where
                                                    there are several, attribute.<name>; the rest as metadata
    results/predictions/<dataset>/<model>.parquet   top: fixed list of k int32, prob: float32; provenance as metadata
    results/counts/<dataset>.parquet                model, top1, top5, within, provenance: counts, one row per model
    results/logits/<dataset>/<model>.npy            float16 (float32 where that is too narrow), only when asked for
    results/pairs.json                              the pairs that were run or imported, in order

SCHEMA_VERSION history
4   2026-11  `source_checksum` in a dataset's metadata; before, it was called `stamp`, and is still read so;
             superclasses of a dataset's classes
3   2026-11  datasets: several labels per image, rows of images that are left out; their view, also of counts
2   2026-11  imports: `imported` in the provenance, null for what only a run knows; prob may be missing; counts/
1   2026-11  the first
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from pydantic import ValidationError

from evalshift.errors import StoreError, did_you_mean, first_line
from evalshift.evaluate.predictions import Failure, Predictions, Provenance
from evalshift.evaluate.rows import label_checksum
from evalshift.files import file_name, registry_name, write_atomic
from evalshift.parquet import read_metadata, read_table, table_bytes
from evalshift.shapes import Labels
from evalshift.testbed.several_labels import padded
from evalshift.testbed.views import (
    BUILT_IN_VIEWS,
    Superclasses,
    View,
    built_in_groupings,
    built_in_view,
    superclasses_among,
)

SCHEMA_VERSION = 4

# Metadata keys of ours begin so; pyarrow and pandas keep theirs beside them.
_PREFIX = "evalshift."
# Keys of earlier schemas and their present names.
_RENAMED = {"stamp": "source_checksum"}
# Columns of a dataset that hold an attribute of its images.
_ATTRIBUTE = "attribute."


@dataclass(frozen=True, eq=False)
class StoredDataset:
    """A dataset as the store knows it: everything but the images.

    labels        class numbers, shape (n,)
    class_names   shape (classes,), position = class number
    fingerprint   sha256 over ids, labels and image content; the label checksum where the images were not available
    source_checksum  of names, sizes and modification times of the source files: while it is unchanged, the fingerprint
                  holds; None where the source files are unknown
    view          the View in which predictions are read; None where they are taken as they are
    attributes    further facts about each image, such as its place or year: name → text, shape (n,)
    accepted      all correct labels of each image, `labels` first, shape (n, c), shorter lists filled up with their
                  first; None where each image has one
    whole         names of all images of its source, in order, where some are left out: those without a label, or of
                  classes that the view leaves out; else None
    superclasses  of its classes, as the registry declares them
    """

    name: str
    ids: tuple[str, ...]
    labels: Labels
    classes: str
    class_names: tuple[str, ...]
    fingerprint: str
    source_checksum: str | None
    entry: dict
    view: View | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    accepted: Int[np.ndarray, "_ several"] | None = None
    whole: tuple[str, ...] | None = None
    superclasses: tuple[Superclasses, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def truth(self) -> Int[np.ndarray, "..."]:
        """What predictions are held against: `accepted`, or `labels` where each image has one."""
        return self.labels if self.accepted is None else self.accepted

    @cached_property
    def label_checksum(self) -> str:
        """Checksum of ids and labels in their order; tells whether imported predictions belong to this dataset."""
        return label_checksum(self.ids, self.truth)

    @cached_property
    def places(self) -> Labels:
        """Where each image stands among all of its source, shape (n,)."""
        if self.whole is None:
            return np.arange(len(self), dtype=np.int64)
        place = {name: position for position, name in enumerate(self.whole)}
        return np.array([place[name] for name in self.ids], dtype=np.int64)


@dataclass(frozen=True)
class CountedDataset:
    """A dataset of which only counts were imported: neither its labels nor its images are known.

    classes  the name of its label space, None where the import did not know it
    view     the classes that the counts are of, where they are not all of the label space
    title    what figures and tables call it, where the registry of the import gave it one
    """

    name: str
    images: int
    classes: str | None
    view: View | None = None
    title: str | None = None

    def __len__(self) -> int:
        return self.images

    @property
    def class_names(self) -> tuple[str, ...]:
        return ()

    @property
    def fingerprint(self) -> str:
        return "counts alone"

    @property
    def entry(self) -> dict:
        return {} if self.title is None else {"title": self.title}


@dataclass(frozen=True)
class Counted:
    """Numbers of correct predictions of one model on a dataset, where its predictions are unknown.

    top1, top5  images whose label is the first, or one of the first five predictions; None where not given
    within      the counts may be off by as many images: they were worked out from rounded accuracies
    """

    model: str
    top1: int
    top5: int | None
    within: int
    provenance: Provenance


class Results:
    """A results folder. Making one reads and writes nothing; the folder need not be there yet.

    only       look at these pairs alone, as the handle does that a run gives back; none means all that were run here
    failures   of the run that gave this handle
    """

    def __init__(
        self, path: str | Path = "results", only: tuple[str, ...] = (), failures: tuple[Failure, ...] = ()
    ) -> None:
        self.path = Path(path)
        self.only = only
        self.failures = failures

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r})"

    def dataset_file(self, dataset: str) -> Path:
        return self.path / "datasets" / f"{file_name(dataset)}.parquet"

    def predictions_file(self, dataset: str, model: str) -> Path:
        return self.path / "predictions" / file_name(dataset) / f"{file_name(model)}.parquet"

    def logits_file(self, dataset: str, model: str) -> Path:
        return self.path / "logits" / file_name(dataset) / f"{file_name(model)}.npy"

    def counts_file(self, dataset: str) -> Path:
        return self.path / "counts" / f"{file_name(dataset)}.parquet"

    def datasets(self) -> list[str]:
        """Names of the stored datasets, sorted."""
        return _names(self.path / "datasets")

    def models(self, dataset: str) -> list[str]:
        """Names of the models with predictions on `dataset`, sorted."""
        return _names(self.path / "predictions" / file_name(dataset))

    def pairs(self) -> list[str]:
        """The pairs to look at, "original:new", in the order of their first run."""
        return list(self.only) or self._all_pairs()

    def _all_pairs(self) -> list[str]:
        path = self.path / "pairs.json"
        try:
            with _reading(path, "delete it, and name the pairs with `pairs`"):
                written = json.loads(path.read_text("utf-8"))
                _refuse_newer(written["schema_version"], path)
                return [str(pair) for pair in written["pairs"]]
        except FileNotFoundError:
            return []

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Note that these pairs were run or imported; known ones keep their place."""
        known = self._all_pairs()
        wanted = [*known, *(pair for pair in dict.fromkeys(pairs) if pair not in known)]
        if wanted != known:
            text = json.dumps({"schema_version": SCHEMA_VERSION, "pairs": wanted}, indent=1) + "\n"
            write_atomic(self.path / "pairs.json", text.encode())

    def save_dataset(self, dataset: StoredDataset) -> None:
        table = _table_of(dataset)
        facts = {
            "schema_version": SCHEMA_VERSION,
            "dataset": dataset.name,
            "classes": dataset.classes,
            "class_names": dataset.class_names,
            "fingerprint": dataset.fingerprint,
            "source_checksum": dataset.source_checksum,
            "entry": dataset.entry,
            "view": None if dataset.view is None else dataset.view.facts(),
            "superclasses": [superclasses.facts() for superclasses in dataset.superclasses],
        }
        _write(table, facts, self.dataset_file(dataset.name))

    def dataset_facts(self, dataset: str) -> dict | None:
        """The metadata of a stored dataset without its rows; None when it is not stored."""
        path = self.dataset_file(dataset)
        with _reading(path):
            return _facts(path)

    def load_dataset(self, dataset: str) -> StoredDataset:
        """Raises StoreError when the dataset is not stored, cannot be read, or comes from a newer evalshift."""
        path = self.dataset_file(dataset)
        with self._stored(path, dataset, self.datasets):
            table, facts = _read(path)
            names = table["id"]
            used = table.filter(table["label"].is_valid())
            lists = used["labels"].to_pylist() if "labels" in used.column_names else None
            return StoredDataset(
                name=dataset,
                ids=tuple(used["id"].to_pylist()),
                labels=used["label"].to_numpy(),
                accepted=None if lists is None else padded(lists),
                whole=None if len(used) == len(table) else tuple(names.to_pylist()),
                classes=facts["classes"],
                class_names=tuple(facts["class_names"]),
                fingerprint=facts["fingerprint"],
                source_checksum=facts["source_checksum"],
                entry=facts["entry"],
                view=_view(facts),
                superclasses=_superclasses(facts),
                attributes={
                    name.removeprefix(_ATTRIBUTE): tuple(used[name].to_pylist())
                    for name in table.column_names
                    if name.startswith(_ATTRIBUTE)
                },
            )

    def note_superclasses(self, dataset: str, superclasses: tuple[Superclasses, ...]) -> None:
        """Store these beside a dataset that is stored already, where others or none were noted with it."""
        facts = self.dataset_facts(dataset)
        if facts is not None and _superclasses(facts) != superclasses:
            self.save_dataset(replace(self.load_dataset(dataset), superclasses=superclasses))

    def save_predictions(self, predictions: Predictions, logits: np.ndarray | None = None) -> None:
        """Store a model's predictions, and its logits, shape (n, classes), where they are given.

        Logits go first, and those of earlier predictions go away: none ever lie beside predictions of another run.
        """
        beside = self.logits_file(predictions.dataset, predictions.model)
        if logits is not None:
            write_atomic(beside, _npy(logits))
        else:
            with suppress(FileNotFoundError, NotADirectoryError):
                beside.unlink()
        top = pa.FixedSizeListArray.from_arrays(pa.array(predictions.top.reshape(-1), pa.int32()), predictions.k)
        table = pa.table({"top": top})
        if predictions.prob is not None:
            table = table.append_column("prob", pa.array(predictions.prob, pa.float32()))
        path = self.predictions_file(predictions.dataset, predictions.model)
        _write(table, predictions.provenance.model_dump(mode="json"), path)

    def provenance(self, dataset: str, model: str) -> Provenance | None:
        """How stored predictions came about, without reading their rows; None when there are none.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        path = self.predictions_file(dataset, model)
        with _reading(path):
            facts = _facts(path)
            return None if facts is None else Provenance(**facts)

    def load_predictions(self, dataset: str, model: str) -> Predictions:
        """Raises StoreError when there are none, or when the file is damaged or comes from a newer evalshift."""
        path = self.predictions_file(dataset, model)
        with self._stored(path, model, lambda: self.models(dataset)):
            table, facts = _read(path)
            column = table["top"].combine_chunks()
            top = column.flatten().to_numpy().reshape(len(table), column.type.list_size)
            prob = table["prob"].to_numpy() if "prob" in table.column_names else None
            return Predictions(model, dataset, top, prob, Provenance(**facts))

    def save_counts(self, dataset: CountedDataset, counts: Iterable[Counted]) -> None:
        """Store counts beside those that are there already; a model's new row overwrites its old one."""
        _, rows = self.load_counts(dataset.name) or (dataset, {})
        rows = rows | {counted.model: counted for counted in counts}
        columns = {
            "model": pa.array(rows, pa.string()),
            "top1": pa.array([row.top1 for row in rows.values()], pa.int64()),
            "top5": pa.array([row.top5 for row in rows.values()], pa.int64()),
            "within": pa.array([row.within for row in rows.values()], pa.int64()),
            "provenance": pa.array([row.provenance.model_dump_json() for row in rows.values()], pa.string()),
        }
        facts = {
            "schema_version": SCHEMA_VERSION,
            "dataset": dataset.name,
            "images": dataset.images,
            "classes": dataset.classes,
            "view": None if dataset.view is None else dataset.view.facts(),
            "title": dataset.title,
        }
        _write(pa.table(columns), facts, self.counts_file(dataset.name))

    def load_counts(self, dataset: str) -> tuple[CountedDataset, dict[str, Counted]] | None:
        """The imported counts of a dataset by model; None when there are none.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        path = self.counts_file(dataset)
        try:
            with _reading(path, "delete it and import the counts again"):
                table, facts = _read(path)
                rows = [
                    Counted(
                        model=row["model"],
                        top1=row["top1"],
                        top5=row["top5"],
                        within=row["within"],
                        provenance=Provenance(**json.loads(row["provenance"])),
                    )
                    for row in table.to_pylist()
                ]
                view = None if facts.get("view") is None else View.from_facts(facts["view"])
                counted = CountedDataset(dataset, facts["images"], facts["classes"], view, facts.get("title"))
                return counted, {row.model: row for row in rows}
        except FileNotFoundError:
            return None

    @contextmanager
    def _stored(self, path: Path, name: str, names: Callable[[], list[str]]) -> Iterator[None]:
        try:
            with _reading(path):
                yield
        except FileNotFoundError as error:
            fix = did_you_mean(name, names()) or "run `evalshift run` first"
            raise StoreError("nothing is stored here", where=path, fix=fix) from error


def _names(folder: Path) -> list[str]:
    return sorted(registry_name(path.stem) for path in folder.glob("*.parquet") if not path.name.startswith("."))


def _table_of(dataset: StoredDataset) -> pa.Table:
    """A row for each image of the source; the label is null where it is left out."""
    ids = dataset.ids if dataset.whole is None else dataset.whole
    labels: list[int | None] = [None] * len(ids)
    for place, label in zip(dataset.places.tolist(), dataset.labels.tolist(), strict=True):
        labels[place] = label
    columns: dict[str, Any] = {"id": pa.array(ids, pa.string()), "label": pa.array(labels, pa.int64())}
    if dataset.accepted is not None:
        several: list[list[int] | None] = [None] * len(ids)
        for place, row in zip(dataset.places.tolist(), dataset.accepted.tolist(), strict=True):
            several[place] = list(dict.fromkeys(row))
        columns["labels"] = pa.array(several, pa.list_(pa.int64()))
    for name, values in dataset.attributes.items():
        texts: list[str | None] = [None] * len(ids)
        for place, value in zip(dataset.places.tolist(), values, strict=True):
            texts[place] = value
        columns[f"{_ATTRIBUTE}{name}"] = pa.array(texts, pa.string())
    return pa.table(columns)


def _view(facts: dict) -> View | None:
    """The view of a stored dataset; before schema 3 its name alone was noted, and all views were built in."""
    if "view" not in facts:
        name = facts["entry"].get("view")
        return built_in_view(name) if name in BUILT_IN_VIEWS else None
    return None if facts["view"] is None else View.from_facts(facts["view"])


def _superclasses(facts: dict) -> tuple[Superclasses, ...]:
    """Those of a stored dataset; where none were noted, in files of the first versions, those that are built in."""
    if "superclasses" in facts:
        return tuple(map(Superclasses.from_facts, facts["superclasses"]))
    return superclasses_among(built_in_groupings(facts["classes"]), facts["class_names"], _view(facts))


def _npy(logits: np.ndarray) -> bytes:
    with np.errstate(over="ignore"):
        half = logits.astype(np.float16)
    fits = np.isfinite(half).all() or np.isinf(half).sum() == np.isinf(logits).sum()
    buffer = io.BytesIO()
    np.save(buffer, half if fits else logits.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def _write(table: pa.Table, facts: dict, path: Path) -> None:
    metadata = {f"{_PREFIX}{key}": json.dumps(value, sort_keys=True) for key, value in facts.items()}
    write_atomic(path, table_bytes(table.replace_schema_metadata(metadata)))


def _facts(path: Path) -> dict | None:
    try:
        return _decode(read_metadata(path), path)
    except FileNotFoundError:
        return None


def _read(path: Path) -> tuple[pa.Table, dict]:
    table = read_table(path, checksums=True)
    return table, _decode(table.schema.metadata, path)


def _decode(metadata: dict[bytes, bytes] | None, path: Path) -> dict:
    prefix = _PREFIX.encode()
    written = {
        key[len(prefix) :].decode(): json.loads(value)
        for key, value in (metadata or {}).items()
        if key.startswith(prefix)
    }
    facts = {_RENAMED.get(key, key): value for key, value in written.items()}
    if "schema_version" not in facts:
        raise StoreError(
            "a file in the results folder was not written by evalshift",
            where=path,
            found="no evalshift.schema_version in its metadata",
            fix="move it away",
        )
    _refuse_newer(facts["schema_version"], path)
    return facts


def _refuse_newer(version: int, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise StoreError(
            "these results were written by a newer evalshift",
            where=path,
            found=f"schema version {version}",
            expected=f"at most {SCHEMA_VERSION}",
            fix="upgrade evalshift, or choose another folder with `results`; nothing here was changed",
        )


@contextmanager
def _reading(
    path: Path, fix: str = "delete it and run `evalshift run` again: only this file is redone"
) -> Iterator[None]:
    """Turn every failure to read and parse a stored file into a StoreError: it is not as evalshift wrote it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            "a stored file cannot be read",
            where=path,
            found=_fault(error),
            expected="a file written by evalshift",
            fix=fix,
        ) from error


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if not first["loc"]:  # what the whole lacks, in our own words
            return first["msg"].removeprefix("Value error, ")
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):  # what is missing: a bare name of ours, or a sentence of pyarrow's
        missing = str(error.args[0])
        return missing if " " in missing else f'no "{missing}" in it'
    return first_line(error)
