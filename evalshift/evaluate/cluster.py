"""Models on several GPUs or machines at once, by ray: workers run them, and this process alone writes the results."""

import io
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from evalshift.errors import UsageError, first_line
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.memory import keep_freed_memory
from evalshift.evaluate.model_run import Bench, Keep, Work, run_model
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress
from evalshift.testbed.datasets import Dataset


@dataclass(frozen=True)
class _Returned:
    """What a worker returns for one model."""

    kept: list[tuple[Predictions, np.ndarray | None]]
    notes: list[Text]
    failures: list[Failure]


def run_on_cluster(
    works: Sequence[Work],
    datasets: Mapping[str, Dataset],
    fingerprints: Mapping[str, str],
    options: Options,
    keep: Keep,
    progress: RunProgress,
) -> list[Failure]:
    """Run each model in a ray worker, with a GPU each where the cluster has GPUs, else with a core each.

    Joins the cluster that RAY_ADDRESS names, or starts one on this machine for as long as this takes. Arrays travel
    with the work; folders of images and files of weights must lie at the same path on every machine, or be downloads.
    Predictions are stored as they arrive, so that an interrupted run keeps those that were finished.
    Raises UsageError where ray is not installed, and DataError where a worker finds a dataset damaged.
    """
    with _cluster() as ray:
        gpus = ray.cluster_resources().get("GPU", 0) >= 1 and options.device != "cpu"
        needs = {"num_cpus": 0, "num_gpus": 1} if gpus else {"num_cpus": 1}
        remote = ray.remote(_work).options(max_retries=0, **needs)
        shared = [ray.put(dict(part)) for part in (datasets, fingerprints)]
        waiting = {remote.remote(work, *shared, options): work for work in works}
        failures: list[Failure] = []
        while waiting:
            for done in ray.wait(list(waiting), num_returns=1)[0]:
                work = waiting.pop(done)
                images = sum(len(datasets[name]) for name in work.datasets)
                try:
                    returned = ray.get(done)
                except ray.exceptions.WorkerCrashedError as error:
                    lost = f"the worker died: {first_line(error)}"
                    returned = _Returned([], [Text(f"{work.name} failed: {lost}")], [Failure(work.name, None, lost)])
                for predictions, logits in returned.kept:
                    keep(predictions, logits)
                for note in returned.notes:
                    progress.note(note)
                failures += returned.failures
                progress.skip(images)
    return failures


def _work(work: Work, datasets: Mapping[str, Dataset], fingerprints: Mapping[str, str], options: Options) -> _Returned:
    """Run one model in a worker, to which ray has assigned a GPU or a core."""
    from evalshift.evaluate.devices import choose_device, set_precision
    from evalshift.evaluate.images import ImageReader, Memory

    keep_freed_memory()
    memory = Memory()
    cache = DecodeCache(None if options.cache_dir is None else Path(options.cache_dir), options.cache_bytes)
    readers = {
        name: ImageReader(
            datasets[name],
            options.workers,
            memory,
            cache,
            partial(fingerprints.__getitem__, name),
            options.fast_decode,
        )
        for name in work.datasets
    }
    returned = _Returned([], [], [])
    device = choose_device(options.device)
    with set_precision(options.precision, device):
        bench = Bench(
            reader=readers.__getitem__,
            fingerprint=fingerprints.__getitem__,
            keep=lambda predictions, logits: returned.kept.append((predictions, logits)),
            options=options,
            device=device,
            progress=_Noting(returned.notes),
        )
        try:
            returned.failures.extend(run_model(work, bench))
        finally:
            for reader in readers.values():
                reader.close()
    if bench.damaged:
        raise next(iter(bench.damaged.values()))
    return returned


class _Noting(RunProgress):
    """Draws nothing; collects notes for the main process to print."""

    def __init__(self, notes: list[Text]) -> None:
        super().__init__(Console(file=io.StringIO()), 0)
        self._notes = notes

    def note(self, line: Text | str) -> None:
        self._notes.append(Text(line) if isinstance(line, str) else line)


@contextmanager
def _cluster() -> Iterator[Any]:
    """ray, connected to a cluster; shut down afterwards if it was started here."""
    # No usage statistics are sent, and a worker without a GPU leaves the environment unchanged.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "the executor ray needs ray", found="no such package", fix='pip install "evalshift[ray]"'
        ) from error
    joined = ray.is_initialized()
    if not joined:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    try:
        yield ray
    finally:
        if not joined:
            ray.shutdown()
