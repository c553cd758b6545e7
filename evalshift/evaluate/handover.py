"""A place through which workers hand over predictions: a folder that all see, or an fsspec URL such as s3://bucket/run.

    PLACE/predictions/<dataset>/<model>.parquet    as in a results folder; logits beside, where they are kept

A file appears whole or not at all: object stores show an object only once all of it was received, and on file systems
it is renamed into its place. What a run that was stopped did not collect, the next one does.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, StoreError, UsageError, first_line, type_and_message
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.store import Results
from evalshift.files import TEMPORARY_SUFFIX, write_atomic
from evalshift.publishing import public

# Where what was sent is seen only once it is whole; elsewhere files are written under another name first.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}


class Handover:
    """A place to hand predictions over. Raises UsageError where its kind is unknown or its library is missing."""

    def __init__(self, place: str) -> None:
        import fsspec

        self.place = place
        try:
            self._files, root = fsspec.url_to_fs(place)
        except (ImportError, ValueError) as error:
            raise UsageError(
                "predictions cannot be handed over there",
                found=f"{public(place)}: {first_line(error)}",
                expected="a folder that all workers see, or an fsspec URL such as s3://bucket/prefix",
                fix="install the library that it names, on all machines",
            ) from error
        self._root = str(root).rstrip("/")
        protocols = self._files.protocol
        self._is_atomic = not _OBJECT_STORES.isdisjoint({protocols} if isinstance(protocols, str) else protocols)

    def put(self, predictions: Predictions, logits: np.ndarray | None) -> None:
        """Hand over one model's predictions on one dataset, in a file that says what it is of."""
        with tempfile.TemporaryDirectory(prefix="evalshift-") as folder, self._reached():
            results = Results(folder)
            results.save_predictions(predictions, logits)
            paths = [results.predictions_file(predictions.dataset, predictions.model)]
            if logits is not None:  # first: predictions without theirs would be taken
                paths.insert(0, results.logits_file(predictions.dataset, predictions.model))
            for path in paths:
                self._write(path.relative_to(folder).as_posix(), path.read_bytes())

    def collect(self, results: Results) -> Iterator[tuple[str, str]]:
        """Move all that was handed over into a results folder; (dataset, model) of each that was taken.

        What is damaged, or older than what is stored already, is removed and not taken.
        """
        with self._reached():
            self._files.invalidate_cache()
            found = self._files.glob(f"{self._root}/predictions/*/*.parquet")
        for path in sorted(map(str, found)):
            taken = self._take(path, results)
            if taken is not None:
                yield taken

    def _take(self, path: str, results: Results) -> tuple[str, str] | None:
        folder, name = path.rsplit("/", 2)[1:]
        beside = f"{self._root}/logits/{folder}/{name.removesuffix('.parquet')}.npy"
        with self._reached():
            content = self._files.cat_file(path)
            logits = self._files.cat_file(beside) if self._files.exists(beside) else None
        taken = None
        with tempfile.TemporaryDirectory(prefix="evalshift-") as temporary:
            copy = Path(temporary) / "predictions" / folder / name
            write_atomic(copy, content)
            with suppress(StoreError):
                taken = _newer(Results(temporary), results, copy)
        if taken is not None:
            if logits is not None:
                write_atomic(results.logits_file(*taken), logits)
            write_atomic(results.predictions_file(*taken), content)
        with self._reached():
            for one in (path, *(() if logits is None else (beside,))):
                with suppress(FileNotFoundError):  # another run collects here, too
                    self._files.rm_file(one)
        return taken

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        if self._is_atomic:
            self._files.pipe_file(path, content)
            return
        folder = path.rpartition("/")[0]
        self._files.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        self._files.pipe_file(temporary, content)
        self._files.mv(temporary, path)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """StoreError where the place does not respond or refuses; its library's exceptions are its own."""
        try:
            yield
        except (StoreError, DataError):
            raise
        except Exception as error:
            raise StoreError(
                "predictions cannot be handed over",
                where=public(self.place),
                found=type_and_message(error),
                expected="a place that this machine and all workers can write to",
                fix="check its name and the credentials; what was stored before is unchanged",
            ) from error


def _newer(handed: Results, results: Results, path: Path) -> tuple[str, str] | None:
    """Of which dataset and model a file is that was handed over; None where newer predictions of these are stored."""
    from evalshift.evaluate.stored_files import read_facts, reading

    with reading(path):
        facts: dict[str, Any] = read_facts(path)
        dataset, model = str(facts["dataset"]), str(facts["model"])
    read = handed.load_predictions(dataset, model)
    with suppress(StoreError):
        stored = results.provenance(dataset, model)
        if stored is not None and stored.start > read.provenance.start:
            return None
    return dataset, model
