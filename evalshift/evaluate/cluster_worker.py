"""What a worker of a cluster does with a unit of work: runs its models, and stores or hands over their predictions."""

import io
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

import evalshift
from evalshift import interrupts
from evalshift.errors import DataError, UsageError
from evalshift.evaluate.deadline import end_after
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.groups import run_all
from evalshift.evaluate.handover import Handover
from evalshift.evaluate.memory import keep_freed_memory
from evalshift.evaluate.model_run import Bench, Work, is_off, run_shard
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.store import Results
from evalshift.evaluate.units import Unit
from evalshift.exit_codes import keep_exit_codes
from evalshift.testbed.data_access import data_access
from evalshift.testbed.datasets import Dataset

if TYPE_CHECKING:
    from evalshift.evaluate.images import ImageReader


@dataclass(frozen=True)
class Site:
    """What a worker is told of the process that gives it work.

    run          which run it is: what a worker keeps in memory is of one alone
    folder       its working folder, absolute, to which paths may be relative
    results      the results folder, absolute, and a file in it whose presence shows that a worker sees the same folder
    environment  variables of evalshift: where data lie, and whether there is network
    """

    run: str
    folder: Path
    results: Path
    token: str
    environment: Mapping[str, str]
    version: str


@dataclass
class Returned:
    """What became of a unit.

    kept     predictions that the worker could store nowhere, and those of shards
    stored   dataset and model of those that it stored in the results folder, and whether the accuracy is off
    handed   dataset and model of those that it handed over
    damaged  datasets with an image that cannot be decoded, which no model is to be run on
    worker   machine, device and process, in words
    images   that its models were run on, in so many seconds, loading and decoding among them, torch's import apart
    """

    worker: str
    kept: list[tuple[Predictions, np.ndarray | None]] = field(default_factory=list)
    stored: list[tuple[str, str, bool]] = field(default_factory=list)
    handed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    damaged: dict[str, DataError] = field(default_factory=dict)
    images: int = 0
    seconds: float = 0.0


def run_unit(
    unit: Unit, datasets: Mapping[str, Any], fingerprints: Mapping[str, str], options: Options, site: Site
) -> Returned:
    """Run a unit in a worker, to which ray has assigned a GPU, a part of one, or a core.

    datasets  references to the datasets of the unit in ray's object store
    Raises UsageError where the worker has another version of evalshift, or no such device; StoreError where predictions
    cannot be written.
    """
    if evalshift.__version__ != site.version:
        raise UsageError(
            "a worker has another version of evalshift",
            where=socket.gethostname(),
            found=evalshift.__version__,
            expected=site.version,
            fix="install the same version on all machines",
        )
    keep_freed_memory()
    keep_exit_codes()
    interrupts.watch()  # Ctrl-C ends a worker from outside: what a model raises by itself is the model's failure
    from evalshift.evaluate.devices import choose_device, describe, set_precision

    import_module("evalshift.evaluate.evaluation")  # with all that it imports: once per worker, and not a model's time
    began = time.perf_counter()
    with _as_there(site), _children_ended():
        desk = _desk(site, options)

        def reader(name: str) -> "ImageReader":
            return desk.reader(name, datasets[name])

        device = choose_device(options.device)
        returned = Returned(f"{socket.gethostname()}, {describe(device)}, process {os.getpid()}")
        with set_precision(options.precision, device):
            bench = Bench(
                reader=reader,
                fingerprint=fingerprints.__getitem__,
                keep=partial(_keep, returned, unit, options, site, lambda name: reader(name).dataset),
                options=options,
                device=device,
                progress=_Noting(returned.notes),
                at_work=_Deadline(options.model_timeout),
                damaged=returned.damaged,
            )
            if unit.shard is None:
                returned.failures.extend(run_all(unit.works, bench))
            else:
                [work] = unit.works
                returned.failures.extend(run_shard(work, unit.shard.start, unit.shard.stop, bench))
        if returned.failures or returned.damaged:
            desk.close()
    returned.seconds = time.perf_counter() - began
    return returned


def _keep(
    returned: Returned,
    unit: Unit,
    options: Options,
    site: Site,
    dataset: Callable[[str], Dataset],
    predictions: Predictions,
    logits: np.ndarray | None,
) -> None:
    """Store predictions where the results folder can be seen, else hand them over, or return them. Shards return."""
    returned.images += len(predictions)
    if unit.shard is not None:
        returned.kept.append((predictions, logits))
    elif options.handover is not None:
        Handover(options.handover).put(predictions, logits)
        returned.handed.append((predictions.dataset, predictions.model))
    elif (site.results / site.token).is_file():
        Results(site.results).save_predictions(predictions, logits)
        entry = next(work.entry for work in unit.works if work.name == predictions.model)
        off = is_off(predictions, dataset(predictions.dataset), entry)
        returned.stored.append((predictions.dataset, predictions.model, off))
    else:
        returned.kept.append((predictions, logits))


@contextmanager
def _children_ended() -> Iterator[None]:
    """End the processes that models started and left running."""
    import psutil

    def children() -> set[psutil.Process]:
        with suppress(psutil.Error):
            return set(psutil.Process().children(recursive=True))
        return set()

    before = children()
    try:
        yield
    finally:
        for one in children() - before:
            with suppress(psutil.Error):
                one.kill()


@contextmanager
def _as_there(site: Site) -> Iterator[None]:
    """The working folder and the variables of the process that gives work: a cluster was started from elsewhere."""
    before, folder = dict(os.environ), Path.cwd()
    with ExitStack() as stack:
        stack.callback(os.chdir, folder)
        if site.folder.is_dir():
            os.chdir(site.folder)
        names = {name for name in (*os.environ, *site.environment) if name.startswith("EVALSHIFT_")}
        for name in names:
            stack.callback(_set, name, before.get(name))
            _set(name, site.environment.get(name))
        stack.enter_context(data_access(offline="EVALSHIFT_OFFLINE" in site.environment))
        yield


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class _Desk:
    """What a worker keeps from one unit to the next: datasets, and images that it decoded."""

    def __init__(self, run: str, options: Options) -> None:
        from evalshift.evaluate.images import ImageReader, Memory

        self.run, self._options, self._readers = run, options, dict[str, ImageReader]()
        self._memory = Memory()
        folder = None if options.cache_dir is None else Path(options.cache_dir)
        self._cache = DecodeCache(folder, options.cache_bytes)

    def reader(self, name: str, reference: Any) -> "ImageReader":
        import ray

        from evalshift.evaluate.images import ImageReader

        if name not in self._readers:
            dataset, content = ray.get(reference)
            assert isinstance(dataset, Dataset)
            workers = self._options.workers or _threads()
            self._readers[name] = ImageReader(
                dataset, workers, self._memory, self._cache, lambda: content, self._options.fast_decode
            )
        return self._readers[name]

    def close(self) -> None:
        """Let go of all images; files in the cache that did not become whole are removed."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


_desks: list[_Desk] = []


def _desk(site: Site, options: Options) -> _Desk:
    if not _desks or _desks[0].run != site.run:
        for desk in _desks:
            desk.close()
        _desks[:] = [_Desk(site.run, options)]
    return _desks[0]


def _threads() -> int:
    """Threads that decode: this worker's share of the cores of its machine."""
    import ray

    from evalshift.evaluate.images import count_cores

    context = ray.get_runtime_context()
    assigned = context.get_assigned_resources()
    gpus = float(assigned.get("GPU", 0))
    if not gpus:
        return max(1, int(assigned.get("CPU", 1)))
    here = next((node for node in ray.nodes() if node["NodeID"] == context.get_node_id()), {})
    of_machine = float(here.get("Resources", {}).get("GPU", 1))
    return max(1, int(count_cores() * gpus / max(gpus, of_machine)))


class _Deadline:
    """Ends the process when models take longer than they may: a network may hang where no exception reaches it."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds, self._open = seconds, 0

    @contextmanager
    def __call__(self, work: Work) -> Iterator[None]:
        if self._seconds is None:
            yield
            return
        self._open += 1
        end_after(self._seconds * self._open)
        try:
            yield
        finally:
            self._open -= 1
            end_after(self._seconds * self._open)


class _Noting(RunProgress):
    """Draws nothing; collects notes for the main process to print."""

    def __init__(self, notes: list[Text]) -> None:
        super().__init__(Console(file=io.StringIO()), 0)
        self._notes = notes

    def note(self, line: Text | str) -> None:
        self._notes.append(Text(line) if isinstance(line, str) else line)
