"""A results folder: what is stored in it, and the reading and writing of each kind of its files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalshift.errors import StoreError, UsageError, did_you_mean
from evalshift.evaluate.predictions import Failure, Predictions, Provenance
from evalshift.evaluate.store.counts import Counted, CountedDataset, read_counts, write_counts
from evalshift.evaluate.store.datasets import (
    StoredDataset,
    read_dataset,
    read_dataset_facts,
    superclasses_in,
    write_dataset,
)
from evalshift.evaluate.store.lock import locked
from evalshift.evaluate.store.logits import predictions_of, read_logits, write_logits
from evalshift.evaluate.store.pairs import read_pairs, write_pairs
from evalshift.evaluate.store.predictions import StoredProvenance, predictions_file, read_predictions, read_provenance
from evalshift.evaluate.store.schema import DatasetFacts, is_name
from evalshift.evaluate.store.sealed_files import read_facts, reading
from evalshift.file_dependencies import depends_on
from evalshift.files import file_name, is_shortened, registry_name, write_atomic
from evalshift.testbed.views import Superclasses

if TYPE_CHECKING:
    import pandas as pd


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

    @property
    def pairs_file(self) -> Path:
        return self.path / "pairs.json"

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
        return list(self.only) or read_pairs(self.pairs_file)

    def to_frame(
        self, datasets: Sequence[str] | str | None = None, models: Sequence[str] | str | None = None
    ) -> "pd.DataFrame":
        """Stored predictions as a DataFrame, one row per model and image; columns as in `frames.predictions_frame`."""
        from evalshift.evaluate.store.frames import predictions_frame  # pandas takes half a second to import

        return predictions_frame(self, datasets, models)

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Record that these pairs were run or imported; known ones keep their position."""
        pairs = list(dict.fromkeys(pairs))
        if set(pairs) <= set(read_pairs(self.pairs_file)):
            return
        with locked(self.path):
            write_pairs(list(dict.fromkeys([*read_pairs(self.pairs_file), *pairs])), self.pairs_file)

    def save_dataset(self, dataset: StoredDataset) -> None:
        with locked(self.path):  # what others note beside a dataset must not bring back an earlier one
            self._write_dataset(dataset)

    def _write_dataset(self, dataset: StoredDataset) -> None:
        write_dataset(dataset, self.dataset_file(dataset.name))

    def dataset_facts(self, dataset: str) -> DatasetFacts | None:
        """What is known of a stored dataset besides its images and labels, without reading these; None if not stored.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        path = self.dataset_file(dataset)
        depends_on(path)
        try:
            with reading(path):
                return read_dataset_facts(path, dataset)
        except FileNotFoundError:
            return None

    def load_dataset(self, dataset: str) -> StoredDataset:
        """Load a stored dataset, without its images.

        Raises StoreError if it is not stored, cannot be read, or was written by a newer evalshift.
        """
        path = self.dataset_file(dataset)
        depends_on(path)
        with self._stored(path, dataset, self.datasets):
            return read_dataset(path, dataset)

    def note_superclasses(self, dataset: str, superclasses: tuple[Superclasses, ...]) -> None:
        """Update the superclasses of a stored dataset, if they changed."""
        facts = self.dataset_facts(dataset)
        if facts is not None and superclasses_in(facts) != superclasses:
            with locked(self.path):
                self._write_dataset(replace(self.load_dataset(dataset), superclasses=superclasses))

    def note_pictures(self, dataset: str, pictures: tuple[str, ...]) -> None:
        """Store the checksums of the images of a stored dataset, if it has none."""
        if self.load_dataset(dataset).pictures is None:
            with locked(self.path):
                stored = self.load_dataset(dataset)
                if stored.pictures is None and len(stored) == len(pictures):
                    self._write_dataset(replace(stored, pictures=pictures))

    def note_corrected(self, dataset: StoredDataset) -> None:
        """Update the corrected labels of a stored dataset, unless it was replaced by other images meanwhile."""
        with locked(self.path):
            stored = self.load_dataset(dataset.name)
            if stored.fingerprint == dataset.fingerprint and stored.ids == dataset.ids:
                corrected, checksum = dataset.corrected, dataset.corrected_checksum
                self._write_dataset(replace(stored, corrected=corrected, corrected_checksum=checksum))

    def save_predictions(self, predictions: Predictions, logits: np.ndarray | None = None) -> None:
        """Store a model's predictions and, if given, its logits, shape (n, classes).

        Logits are written first, with the checksum of their predictions, and replace earlier ones, so they cannot be
        confused with those of another run.
        """
        _refuse_name(predictions.model)
        content, checksum = predictions_file(predictions)
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
        stored = self._provenance(dataset, model)
        return stored is not None and path.is_file() and stored.checksum in (None, predictions_of(path))

    def load_logits(self, dataset: str, model: str) -> np.ndarray:
        """The logits of stored predictions, shape (n, classes), float16 or float32.

        Raises StoreError if none are stored, or if they are damaged or belong to another run than the predictions.
        """
        path = self.logits_file(dataset, model)
        stored = self._provenance(dataset, model)
        with self._stored(path, model, lambda: self.models(dataset)):
            return read_logits(path, None if stored is None else stored.checksum)

    def provenance(self, dataset: str, model: str) -> Provenance | None:
        """The provenance of stored predictions, without reading their rows; None if there are none.

        Raises StoreError when the file is damaged or comes from a newer evalshift.
        """
        stored = self._provenance(dataset, model)
        return None if stored is None else stored.provenance

    def _provenance(self, dataset: str, model: str) -> StoredProvenance | None:
        path = self.predictions_file(dataset, model)
        depends_on(path)
        try:
            with reading(path):
                return read_provenance(path, dataset, model)
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
            return read_predictions(path, dataset, model, classes)

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
                self._class_counts[version] = len(facts.class_names) if facts and facts.class_names else None
        depends_on(self.dataset_file(dataset))
        return self._class_counts.get(version)

    def save_counts(self, dataset: CountedDataset, counts: Iterable[Counted]) -> None:
        """Add counts to those already stored; a model's new row overwrites its old one."""
        counts = list(counts)
        for counted in counts:
            _refuse_name(counted.model)
        with locked(self.path):
            _, rows = self._all_counts(dataset.name) or (dataset, {})
            rows |= {counted.model: counted for counted in counts}
            write_counts(dataset, rows, self.counts_file(dataset.name))

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
                return read_counts(path, dataset)
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
