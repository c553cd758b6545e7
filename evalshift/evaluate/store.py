"""Results on disk: Parquet files that explain themselves, written whole or not at all.

    results/datasets/<dataset>.parquet              id, label (null where an image is left out), labels where
                                                    there are several, corrected (null without any) where there are
                                                    corrected labels, picture (null where an image is left out),
                                                    attribute.<name>; the rest as metadata
    results/predictions/<dataset>/<model>.parquet   top: fixed list of k int32, prob: float32; provenance as metadata
    results/counts/<dataset>.parquet                model, top1, top5, within, provenance: counts, one row per model
    results/logits/<dataset>/<model>.npy            float16 (float32 where that is too narrow), only when asked for
    results/pairs.json                              the pairs that were run or imported, in order

SCHEMA_VERSION history
5   2026-11  `rows_sha256` and `facts_sha256` in each Parquet file; logits end with the checksum of their predictions;
             `corrected` and `picture` in a dataset, `threads` in a provenance, which readers of this version may pass
             over, and files of it may lack
4   2026-11  `source_checksum` in a dataset's metadata; before, it was called `stamp`, and is still read so;
             superclasses of a dataset's classes
3   2026-11  datasets: several labels per image, rows of images that are left out; their view, also of counts
2   2026-11  imports: `imported` in the provenance, null for what only a run knows; prob may be missing; counts/
1   2026-11  the first
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from evalshift.errors import StoreError, UsageError, did_you_mean
from evalshift.evaluate.predictions import Failure, Predictions, Provenance
from evalshift.evaluate.rows import label_checksum
from evalshift.evaluate.stored_files import (
    OF_FACTS,
    SCHEMA_VERSION,
    read_facts,
    read_sealed,
    reading,
    refuse_newer,
    seal,
    write_sealed,
)
from evalshift.evaluate.stored_logits import predictions_of, read_logits, write_logits
from evalshift.evaluate.stored_schema import (
    CountsFacts,
    DatasetFacts,
    StoredPairs,
    check_counts,
    check_dataset_rows,
    check_model_entry,
    check_named,
    is_name,
    read_prob,
    read_top,
)
from evalshift.file_dependencies import depends_on
from evalshift.files import file_name, is_shortened, obstacle, read_text, registry_name, write_atomic
from evalshift.parquet import as_numpy
from evalshift.shapes import Int, Labels
from evalshift.testbed.corrected_labels import NONE
from evalshift.testbed.several_labels import padded
from evalshift.testbed.views import (
    BUILT_IN_VIEWS,
    Superclasses,
    View,
    built_in_groupings,
    built_in_view,
    superclasses_among,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA_VERSION", "Counted", "CountedDataset", "Results", "StoredDataset"]

# Another process holds the lock of a results folder only while it writes one file.
_LOCK_SECONDS = 300.0
# A lock of NFS excludes processes, not threads of one.
_ONE_THREAD = threading.Lock()
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
    corrected     corrected labels of each image, shape (n, c), rows filled up with −1, all of it where an image has
                  none; None where no corrected labels are known. Predictions are not compared with these
    corrected_checksum  of the file that they come from
    pictures      of each image: equal texts are the same picture, here and in other sets, such as checksums of pixels
                  (`testbed.pictures`); None where nothing is known
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
    corrected: Int[np.ndarray, "_ corrected"] | None = None
    corrected_checksum: str | None = None
    pictures: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"StoredDataset({self.name}: {len(self):,} images, {len(self.class_names)} classes)"

    @property
    def truth(self) -> Int[np.ndarray, "..."]:
        """What predictions are compared with: `accepted`, or `labels` where each image has one."""
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
    """A results folder. Creating the object reads and writes nothing; the folder need not exist yet.

    only         restrict to these pairs, as for the Results of a run; empty for all pairs in the folder
    failures     failures of the run that returned this object
    only_models  restrict to these models, as for the Results of a run; empty for all models in the folder
    """

    def __init__(
        self,
        path: str | Path = "results",
        only: tuple[str, ...] = (),
        failures: tuple[Failure, ...] = (),
        only_models: tuple[str, ...] = (),
    ) -> None:
        self.path = Path(path)
        self.only = only
        self.failures = failures
        self.only_models = frozenset(only_models)
        self._class_counts: dict[tuple[str, int, int], int | None] = {}

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
        return _names(self.path / "datasets", "dataset")

    def models(self, dataset: str) -> list[str]:
        """Names of the models with predictions on `dataset`, sorted."""
        return list(filter(self._is_meant, _names(self.path / "predictions" / file_name(dataset), "model")))

    def _is_meant(self, model: str) -> bool:
        return not self.only_models or model in self.only_models

    def pairs(self) -> list[str]:
        """The pairs, "original:new", in the order of their first run."""
        return list(self.only) or self._all_pairs()

    def to_frame(
        self, datasets: Sequence[str] | str | None = None, models: Sequence[str] | str | None = None
    ) -> "pd.DataFrame":
        """Stored predictions as a DataFrame, one row per model and image; columns as in `frames.predictions_frame`."""
        from evalshift.evaluate.frames import predictions_frame  # pandas takes half a second to import

        return predictions_frame(self, datasets, models)

    def _all_pairs(self) -> list[str]:
        path = self.path / "pairs.json"
        depends_on(path)
        try:
            with reading(path, "delete it, and name the pairs with `pairs`"):
                written = json.loads(read_text(path))
                refuse_newer(written["schema_version"], path)
                return StoredPairs(**written).pairs
        except FileNotFoundError:
            return []

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Record that these pairs were run or imported; known ones keep their position."""
        pairs = list(dict.fromkeys(pairs))
        if set(pairs) <= set(self._all_pairs()):
            return
        with self._alone():
            known = self._all_pairs()
            wanted = [*known, *(pair for pair in pairs if pair not in known)]
            text = json.dumps({"schema_version": SCHEMA_VERSION, "pairs": wanted}, indent=1) + "\n"
            write_atomic(self.path / "pairs.json", text.encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process or thread change what is read here before it is written again.

        The lock is one of the system (flock), which NFS passes on to its server, and which ends with its process.
        Raises StoreError where the folder is not writable, or another process does not give the lock back.
        """
        from filelock import FileLock, Timeout

        path = self.path / ".lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with _ONE_THREAD, FileLock(path, timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise StoreError(
                "the results folder is in use",
                where=path,
                found=f"another process has held its lock for {_LOCK_SECONDS:,.0f} s",
                fix="end that process, or wait for it",
            ) from error
        except OSError as error:
            raise StoreError(
                "the results folder cannot be locked",
                where=path,
                found=obstacle(path, error),
                expected="a writable folder",
                fix="choose another folder",
            ) from error

    def save_dataset(self, dataset: StoredDataset) -> None:
        with self._alone():  # what others note beside a dataset must not bring back an earlier one
            self._write_dataset(dataset)

    def _write_dataset(self, dataset: StoredDataset) -> None:
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
            "corrected_checksum": dataset.corrected_checksum,
        }
        write_sealed(table, facts, self.dataset_file(dataset.name))

    def dataset_facts(self, dataset: str) -> dict | None:
        """The metadata of a stored dataset, without reading its rows; None if it is not stored."""
        path = self.dataset_file(dataset)
        depends_on(path)
        try:
            with reading(path):
                facts = read_facts(path)
                check_named(facts, dataset=dataset)
                DatasetFacts(**facts)
                return facts
        except FileNotFoundError:
            return None

    def load_dataset(self, dataset: str) -> StoredDataset:
        """Load a stored dataset, without its images.

        Raises StoreError if it is not stored, cannot be read, or was written by a newer evalshift.
        """
        path = self.dataset_file(dataset)
        depends_on(path)
        with self._stored(path, dataset, self.datasets):
            table, facts = read_sealed(path)
            check_named(facts, dataset=dataset)
            DatasetFacts(**facts)
            check_dataset_rows(table, len(facts["class_names"]))
            names = table["id"]
            used = table.filter(table["label"].is_valid())
            lists = used["labels"].to_pylist() if "labels" in used.column_names else None
            return StoredDataset(
                name=dataset,
                ids=tuple(used["id"].to_pylist()),
                labels=as_numpy(used["label"]),
                accepted=None if lists is None else padded(lists),
                whole=None if len(used) == len(table) else tuple(names.to_pylist()),
                classes=facts["classes"],
                class_names=tuple(facts["class_names"]),
                fingerprint=facts["fingerprint"],
                source_checksum=facts["source_checksum"],
                entry=facts["entry"],
                view=_view(facts),
                superclasses=_superclasses(facts),
                corrected=_corrected(used),
                pictures=tuple(used["picture"].to_pylist()) if "picture" in used.column_names else None,
                corrected_checksum=facts.get("corrected_checksum"),
                attributes={
                    name.removeprefix(_ATTRIBUTE): tuple(used[name].to_pylist())
                    for name in table.column_names
                    if name.startswith(_ATTRIBUTE)
                },
            )

    def note_superclasses(self, dataset: str, superclasses: tuple[Superclasses, ...]) -> None:
        """Update the superclasses of a stored dataset, if they changed."""
        facts = self.dataset_facts(dataset)
        if facts is not None and _superclasses(facts) != superclasses:
            with self._alone():
                self._write_dataset(replace(self.load_dataset(dataset), superclasses=superclasses))

    def note_pictures(self, dataset: str, pictures: tuple[str, ...]) -> None:
        """Store the checksums of the images of a stored dataset, if it has none."""
        if self.load_dataset(dataset).pictures is None:
            with self._alone():
                stored = self.load_dataset(dataset)
                if stored.pictures is None and len(stored) == len(pictures):
                    self._write_dataset(replace(stored, pictures=pictures))

    def note_corrected(self, dataset: StoredDataset) -> None:
        """Update the corrected labels of a stored dataset, unless it was replaced by other images meanwhile."""
        with self._alone():
            stored = self.load_dataset(dataset.name)
            if stored.fingerprint == dataset.fingerprint and stored.ids == dataset.ids:
                found = dataset.corrected, dataset.corrected_checksum
                self._write_dataset(replace(stored, corrected=found[0], corrected_checksum=found[1]))

    def save_predictions(self, predictions: Predictions, logits: np.ndarray | None = None) -> None:
        """Store a model's predictions and, if given, its logits, shape (n, classes).

        Logits are written first, with the checksum of their predictions, and replace earlier ones, so they cannot be
        confused with those of another run.
        """
        _refuse_name(predictions.model)
        top = pa.FixedSizeListArray.from_arrays(pa.array(predictions.top.reshape(-1), pa.int32()), predictions.k)
        table = pa.table({"top": top})
        if predictions.prob is not None:
            table = table.append_column("prob", pa.array(predictions.prob, pa.float32()))
        content, checksum = seal(table, predictions.provenance.model_dump(mode="json"))
        beside = self.logits_file(predictions.dataset, predictions.model)
        if logits is not None:
            write_logits(logits, checksum, beside)
        else:
            with suppress(FileNotFoundError, NotADirectoryError):
                beside.unlink()
        write_atomic(self.predictions_file(predictions.dataset, predictions.model), content)

    def has_logits(self, dataset: str, model: str) -> bool:
        """Whether logits are stored that belong to the stored predictions, without reading them."""
        path = self.logits_file(dataset, model)
        depends_on(path)
        facts = self._prediction_facts(dataset, model)
        return facts is not None and path.is_file() and facts.get(OF_FACTS) in (None, predictions_of(path))

    def load_logits(self, dataset: str, model: str) -> np.ndarray:
        """The logits of stored predictions, shape (n, classes), float16 or float32.

        Raises StoreError if none are stored, or if they are damaged or belong to another run than the predictions.
        """
        path = self.logits_file(dataset, model)
        facts = self._prediction_facts(dataset, model) or {}
        with self._stored(path, model, lambda: self.models(dataset)):
            return read_logits(path, facts.get(OF_FACTS))

    def provenance(self, dataset: str, model: str) -> Provenance | None:
        """The provenance of stored predictions, without reading their rows; None if there are none.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        facts = self._prediction_facts(dataset, model)
        return None if facts is None else Provenance(**facts)

    def _prediction_facts(self, dataset: str, model: str) -> dict[str, Any] | None:
        path = self.predictions_file(dataset, model)
        depends_on(path)
        try:
            with reading(path):
                return _checked(read_facts(path), dataset, model)
        except FileNotFoundError:
            return None

    def load_predictions(self, dataset: str, model: str) -> Predictions:
        """Load stored predictions.

        Raises StoreError if there are none, the file is damaged, or it was written by a newer evalshift.
        """
        path = self.predictions_file(dataset, model)
        depends_on(path)
        classes = self._count_classes(dataset)
        with self._stored(path, model, lambda: self.models(dataset)):
            table, facts = read_sealed(path)
            provenance = Provenance(**_checked(facts, dataset, model))
            top = read_top(table, classes)
            return Predictions(model, dataset, top, read_prob(table, provenance.imported is not None), provenance)

    def _count_classes(self, dataset: str) -> int | None:
        """How many classes predictions on a dataset can be; None where it is not stored, or cannot be read."""
        try:
            status = self.dataset_file(dataset).stat()
        except OSError:
            return None
        version = (dataset, status.st_mtime_ns, status.st_size)
        if version not in self._class_counts:  # a thousand models ask for it
            with suppress(StoreError):
                facts = self.dataset_facts(dataset)
                self._class_counts[version] = len(facts["class_names"]) if facts and facts["class_names"] else None
        depends_on(self.dataset_file(dataset))
        return self._class_counts.get(version)

    def save_counts(self, dataset: CountedDataset, counts: Iterable[Counted]) -> None:
        """Add counts to those already stored; a model's new row overwrites its old one."""
        counts = list(counts)
        for counted in counts:
            _refuse_name(counted.model)
        with self._alone():
            _, rows = self._all_counts(dataset.name) or (dataset, {})
            self._write_counts(dataset, rows | {counted.model: counted for counted in counts})

    def _write_counts(self, dataset: CountedDataset, rows: Mapping[str, Counted]) -> None:
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
        write_sealed(pa.table(columns), facts, self.counts_file(dataset.name))

    def load_counts(self, dataset: str) -> tuple[CountedDataset, dict[str, Counted]] | None:
        """The imported counts of a dataset, by model; None if there are none.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        found = self._all_counts(dataset)
        return found and (found[0], {name: row for name, row in found[1].items() if self._is_meant(name)})

    def _all_counts(self, dataset: str) -> tuple[CountedDataset, dict[str, Counted]] | None:
        path = self.counts_file(dataset)
        try:
            with reading(path, "delete it and import the counts again"):
                table, facts = read_sealed(path)
                check_named(facts, dataset=dataset)
                CountsFacts(**facts)
                rows = [_counted(row, dataset, facts["images"]) for row in table.to_pylist()]
                view = None if facts.get("view") is None else View.from_facts(facts["view"])
                counted = CountedDataset(dataset, facts["images"], facts["classes"], view, facts.get("title"))
                return counted, {row.model: row for row in rows}
        except FileNotFoundError:
            return None

    @contextmanager
    def _stored(self, path: Path, name: str, names: Callable[[], list[str]]) -> Iterator[None]:
        try:
            with reading(path):
                yield
        except FileNotFoundError as error:
            fix = did_you_mean(name, names()) or "run `evalshift run` first"
            raise StoreError("nothing is stored here", where=path, fix=fix) from error


def _refuse_name(model: str) -> None:
    if not is_name(model):
        raise UsageError(
            "a model has an invalid name",
            found=repr(model[:200]),
            expected="one line of text without control characters",
        )


def _names(folder: Path, key: str) -> list[str]:
    """The names of what is stored in a folder, sorted; `key` is the fact that has a name too long for a file."""
    files = (path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    return sorted(_long_name(path, key) if is_shortened(path.stem) else registry_name(path.stem) for path in files)


def _long_name(path: Path, key: str) -> str:
    with suppress(StoreError, FileNotFoundError), reading(path):
        return str(read_facts(path)[key])
    return path.stem  # which is read again, and refused by name


def _checked(facts: dict[str, Any], dataset: str, model: str) -> dict[str, Any]:
    """The facts of a file of predictions; ValueError for those of another model, or of no form that is known."""
    check_named(facts, dataset=dataset, model=model)
    check_model_entry(Provenance(**facts).entry)
    return facts


def _counted(row: dict[str, Any], dataset: str, images: int) -> Counted:
    check_counts(row, images)
    facts = json.loads(row["provenance"])
    if not isinstance(facts, dict):
        raise ValueError(f"the provenance of {row['model']} is no JSON object")
    facts = _checked(facts, dataset, row["model"])
    return Counted(row["model"], row["top1"], row["top5"], row["within"], Provenance(**facts))


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
    if dataset.corrected is not None:
        corrected: list[list[int] | None] = [None] * len(ids)
        for place, row in zip(dataset.places.tolist(), dataset.corrected.tolist(), strict=True):
            corrected[place] = [label for label in row if label != NONE] or None
        columns["corrected"] = pa.array(corrected, pa.list_(pa.int64()))
    further = {f"{_ATTRIBUTE}{name}": values for name, values in dataset.attributes.items()}
    if dataset.pictures is not None:
        further["picture"] = dataset.pictures
    for name, values in further.items():
        texts: list[str | None] = [None] * len(ids)
        for place, value in zip(dataset.places.tolist(), values, strict=True):
            texts[place] = value
        columns[name] = pa.array(texts, pa.string())
    return pa.table(columns)


def _corrected(used: pa.Table) -> np.ndarray | None:
    """Shape (n, c), filled up with −1; None where no image has corrected labels."""
    if "corrected" not in used.column_names:
        return None
    lists = [row or [] for row in used["corrected"].to_pylist()]
    width = max(map(len, lists))
    return np.array([row + [NONE] * (width - len(row)) for row in lists], dtype=np.int64) if width else None


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
