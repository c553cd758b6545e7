"""A place through which workers hand over predictions: a folder that all see, or an fsspec URL such as s3://bucket/run.

    PLACE/predictions/<dataset>/<model>.parquet    as in a results folder; logits beside, where they are kept

A file appears whole or not at all: object stores show an object only once all of it was received, and on file systems
it is renamed into its place. What a run that was stopped did not collect, the next one does.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import EvalshiftError, StoreError, UsageError, first_line, type_and_message
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.store import Results
from evalshift.files import TEMPORARY_SUFFIX, temporary_folder, write_atomic
from evalshift.publishing import public

# Where what was sent is seen only once it is whole; elsewhere files are written under another name first.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}

# What file systems say of a file that changes with its content.
_VERSIONS = ("mtime", "LastModified", "ETag", "created", "last_modified", "etag", "updated")


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
        protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        self._is_atomic = not _OBJECT_STORES.isdisjoint(protocols)
        self._is_local = "file" in protocols
        # Of other runs: looked at once, and again only when they change.
        self._foreign: set[tuple] = set()
        self._tidied = False

    def put(self, predictions: Predictions, logits: np.ndarray | None) -> None:
        """Hand over one model's predictions on one dataset, in a file that says what it is of."""
        with temporary_folder() as folder, self._reached():
            results = Results(folder)
            results.save_predictions(predictions, logits)
            paths = [results.predictions_file(predictions.dataset, predictions.model)]
            if logits is not None:  # first: predictions without theirs would be taken
                paths.insert(0, results.logits_file(predictions.dataset, predictions.model))
            for path in paths:
                self._write(path.relative_to(folder).as_posix(), path.read_bytes())

    def collect(
        self, results: Results, wanted: Callable[[Predictions], bool] = lambda _: True
    ) -> Iterator[tuple[str, str]]:
        """Move what was handed over into a results folder; (dataset, model) of each that was taken.

        wanted   whether predictions are of this run; others stay where they are
        What is damaged, or older than what is stored already, is removed and not taken.
        Raises UsageError where the place is a results folder: its predictions would be moved away.
        """
        with self._reached():
            self._files.invalidate_cache()
            self._refuse_results_folder(results)
            if not self._is_atomic and not self._tidied:
                self._tidied = True
                self._remove_leftovers()
            found = self._files.glob(f"{self._root}/predictions/*/*.parquet", detail=True)
        for path, facts in sorted(found.items()):
            version = (path, facts.get("size"), *(str(facts.get(key)) for key in _VERSIONS))
            if version in self._foreign:
                continue
            handed = self._read(path)
            if handed is not None and not wanted(handed.predictions):
                self._foreign.add(version)
            elif handed is None or _is_older(handed.predictions, results):
                self._remove(path)
            else:
                yield self._take(handed, path, results)

    def _remove_leftovers(self) -> None:
        """Remove what workers that were killed did not write to its end, a day later: newer ones may be at work."""
        latest = datetime.now(UTC) - timedelta(days=1)
        for kind in ("predictions", "logits"):
            for path in self._files.glob(f"{self._root}/{kind}/*/.*{TEMPORARY_SUFFIX}"):
                with suppress(Exception):  # some places do not know when files were written
                    if self._files.modified(path) < latest:
                        self._files.rm_file(path)

    def _refuse_results_folder(self, results: Results) -> None:
        same = self._is_local and Path(self._root).resolve() == results.path.resolve()
        if same or self._files.exists(f"{self._root}/pairs.json"):
            raise UsageError(
                "predictions cannot be handed over through a results folder",
                found=f"`handover` {public(self.place)}, which {'is' if same else 'looks like'} one",
                expected="a folder for nothing else, or an fsspec URL such as s3://bucket/prefix",
                fix="leave `handover` out where all machines see the results folder",
            )

    def _read(self, path: str) -> "_Handed | None":
        """A file that was handed over; None where it is damaged, or meanwhile gone."""
        folder, name = path.rsplit("/", 2)[1:]
        beside = self._logits_of(path)
        with self._reached():
            try:
                content = self._files.cat_file(path)
            except FileNotFoundError:  # another run collects here, too
                return None
            logits = self._files.cat_file(beside) if self._files.exists(beside) else None
        with temporary_folder() as temporary, suppress(StoreError):
            copy = temporary / "predictions" / folder / name
            write_atomic(copy, content)
            return _Handed(_predictions_in(copy, Results(temporary)), content, logits)
        return None

    def _take(self, handed: "_Handed", path: str, results: Results) -> tuple[str, str]:
        taken = handed.predictions.dataset, handed.predictions.model
        if handed.logits is not None:
            write_atomic(results.logits_file(*taken), handed.logits)
        write_atomic(results.predictions_file(*taken), handed.content)
        self._remove(path)
        return taken

    def _remove(self, path: str) -> None:
        with self._reached():
            for one in (path, self._logits_of(path)):
                with suppress(FileNotFoundError):
                    self._files.rm_file(one)

    def _logits_of(self, path: str) -> str:
        folder, name = path.rsplit("/", 2)[1:]
        return f"{self._root}/logits/{folder}/{name.removesuffix('.parquet')}.npy"

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        if self._is_atomic:
            self._files.pipe_file(path, content)
            return
        folder = path.rpartition("/")[0]
        self._files.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        try:
            self._files.pipe_file(temporary, content)
            self._files.mv(temporary, path)
        except BaseException:  # such as a full disk
            with suppress(Exception):
                self._files.rm_file(temporary)
            raise

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """StoreError where the place does not respond or refuses; its library's exceptions are its own."""
        try:
            yield
        except EvalshiftError:
            raise
        except Exception as error:
            raise StoreError(
                "predictions cannot be handed over",
                where=public(self.place),
                found=type_and_message(error),
                expected="a place that this machine and all workers can write to",
                fix="check its name and the credentials; what was stored before is unchanged",
            ) from error


@dataclass(frozen=True)
class _Handed:
    """Predictions that were handed over, with the bytes of their file and of their logits' where there is one."""

    predictions: Predictions
    content: bytes
    logits: bytes | None


def _predictions_in(path: Path, handed: Results) -> Predictions:
    """The predictions in a file, which says of which dataset and model it is. Raises StoreError where it is damaged."""
    from evalshift.evaluate.store.sealed_files import read_facts, reading

    with reading(path):
        facts: dict[str, Any] = read_facts(path)
        dataset, model = str(facts["dataset"]), str(facts["model"])
    return handed.load_predictions(dataset, model)


def _is_older(handed: Predictions, results: Results) -> bool:
    with suppress(StoreError):
        stored = results.provenance(handed.dataset, handed.model)
        return stored is not None and stored.start > handed.provenance.start
    return False
