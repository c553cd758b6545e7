"""Results on disk: Parquet files that explain themselves, written whole or not at all.

    results/datasets/<dataset>.parquet              id, label; fingerprint and classes in the metadata
    results/predictions/<dataset>/<model>.parquet   top: fixed list of k int32, prob: float32; provenance as metadata
    results/logits/<dataset>/<model>.npy            float16 (float32 where that is too narrow), only when asked for
    results/pairs.json                              the pairs that were run, in order

SCHEMA_VERSION history
1   2026-11  the first
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from evalshift.errors import StoreError, did_you_mean, first_line
from evalshift.evaluate.predictions import Failure, Predictions, Provenance
from evalshift.files import file_name, registry_name, write_atomic
from evalshift.shapes import Labels

SCHEMA_VERSION = 1

# Metadata keys of ours begin so; pyarrow and pandas keep theirs beside them.
_PREFIX = "evalshift."


@dataclass(frozen=True, eq=False)
class StoredDataset:
    """A dataset as the store knows it: everything but the images.

    labels        class numbers, shape (n,)
    class_names   shape (classes,), position = class number
    fingerprint   sha256 over ids, labels and image content
    stamp         a quick mark of the source files; equal means that the fingerprint still holds
    """

    name: str
    ids: tuple[str, ...]
    labels: Labels
    classes: str
    class_names: tuple[str, ...]
    fingerprint: str
    stamp: str | None
    entry: dict

    def __len__(self) -> int:
        return len(self.labels)


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
            with _reading(path, "delete it and name the pairs with --pair"):
                written = json.loads(path.read_text("utf-8"))
                _refuse_newer(written["schema_version"], path)
                return [str(pair) for pair in written["pairs"]]
        except FileNotFoundError:
            return []

    def add_pairs(self, pairs: Iterable[str]) -> None:
        """Note that these pairs were run; known ones keep their place."""
        known = self._all_pairs()
        wanted = [*known, *(pair for pair in dict.fromkeys(pairs) if pair not in known)]
        if wanted != known:
            text = json.dumps({"schema_version": SCHEMA_VERSION, "pairs": wanted}, indent=1) + "\n"
            write_atomic(self.path / "pairs.json", text.encode())

    def save_dataset(self, dataset: StoredDataset) -> None:
        table = pa.table({"id": pa.array(dataset.ids, pa.string()), "label": pa.array(dataset.labels, pa.int64())})
        facts = {
            "schema_version": SCHEMA_VERSION,
            "dataset": dataset.name,
            "classes": dataset.classes,
            "class_names": dataset.class_names,
            "fingerprint": dataset.fingerprint,
            "stamp": dataset.stamp,
            "entry": dataset.entry,
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
            return StoredDataset(
                name=dataset,
                ids=tuple(table["id"].to_pylist()),
                labels=table["label"].to_numpy(),
                classes=facts["classes"],
                class_names=tuple(facts["class_names"]),
                fingerprint=facts["fingerprint"],
                stamp=facts["stamp"],
                entry=facts["entry"],
            )

    def save_predictions(self, predictions: Predictions, logits: np.ndarray | None = None) -> None:
        """Store what a model answered, and its logits, shape (n, classes), where they are given.

        Logits go first, and those of earlier predictions go away: none ever lie beside predictions of another run.
        """
        beside = self.logits_file(predictions.dataset, predictions.model)
        if logits is not None:
            write_atomic(beside, _npy(logits))
        else:
            with suppress(FileNotFoundError, NotADirectoryError):
                beside.unlink()
        top = pa.FixedSizeListArray.from_arrays(pa.array(predictions.top.reshape(-1), pa.int32()), predictions.k)
        table = pa.table({"top": top, "prob": pa.array(predictions.prob, pa.float32())})
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
            return Predictions(model, dataset, top, table["prob"].to_numpy(), Provenance(**facts))

    @contextmanager
    def _stored(self, path: Path, name: str, names: Callable[[], list[str]]) -> Iterator[None]:
        try:
            with _reading(path):
                yield
        except FileNotFoundError as error:
            remedy = did_you_mean(name, names()) or "run `evalshift run` first"
            raise StoreError("nothing is stored here", where=path, remedy=remedy) from error


def _names(folder: Path) -> list[str]:
    return sorted(registry_name(path.stem) for path in folder.glob("*.parquet") if not path.name.startswith("."))


def _npy(logits: np.ndarray) -> bytes:
    with np.errstate(over="ignore"):
        half = logits.astype(np.float16)
    fits = np.isfinite(half).all() or np.isinf(half).sum() == np.isinf(logits).sum()
    buffer = io.BytesIO()
    np.save(buffer, half if fits else logits.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def _write(table: pa.Table, facts: dict, path: Path) -> None:
    metadata = {f"{_PREFIX}{key}": json.dumps(value, sort_keys=True) for key, value in facts.items()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd", write_page_checksum=True)
    write_atomic(path, buffer.getvalue())


def _facts(path: Path) -> dict | None:
    try:
        return _decode(pq.read_metadata(path).metadata, path)
    except FileNotFoundError:
        return None


def _read(path: Path) -> tuple[pa.Table, dict]:
    # A file opened here is closed here; read_table on a path would first look for a partitioned dataset.
    table = pq.ParquetFile(io.BytesIO(path.read_bytes()), page_checksum_verification=True).read()
    return table, _decode(table.schema.metadata, path)


def _decode(metadata: dict[bytes, bytes] | None, path: Path) -> dict:
    prefix = _PREFIX.encode()
    facts = {
        key[len(prefix) :].decode(): json.loads(value)
        for key, value in (metadata or {}).items()
        if key.startswith(prefix)
    }
    if "schema_version" not in facts:
        raise StoreError(
            "a file in the results folder was not written by evalshift",
            where=path,
            found="no evalshift.schema_version in its metadata",
            remedy="move it away",
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
            remedy="upgrade evalshift, or name another folder with --results; nothing here was changed",
        )


@contextmanager
def _reading(
    path: Path, remedy: str = "delete it and run `evalshift run` again: only this file is redone"
) -> Iterator[None]:
    """Whatever goes wrong while a file is read and taken apart means one thing: it is not as evalshift wrote it."""
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
            remedy=remedy,
        ) from error


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):  # what is missing: a bare name of ours, or a sentence of pyarrow's
        missing = str(error.args[0])
        return missing if " " in missing else f'no "{missing}" in it'
    return first_line(error)
