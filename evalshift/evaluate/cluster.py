"""Models on several GPUs or machines at once, by ray: workers are given units of work, and lost ones are run again."""

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.text import Text

import evalshift
from evalshift.errors import DataError, EvalshiftError, StoreError, first_line, type_and_message
from evalshift.evaluate.at_work import blame
from evalshift.evaluate.cluster_worker import Returned, Site, run_unit
from evalshift.evaluate.handover import Handover
from evalshift.evaluate.model_run import Work, is_off, result_line
from evalshift.evaluate.options import Options
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.ray_connection import Connection, connected
from evalshift.evaluate.ray_messages import NAME, messages_in
from evalshift.evaluate.relative_speeds import seconds_per_image
from evalshift.evaluate.run_store import RunStore
from evalshift.evaluate.shards import Piece, join
from evalshift.evaluate.store import Results
from evalshift.evaluate.supervisor import remove_if_killed
from evalshift.evaluate.units import Images, Queue, Unit, make_units
from evalshift.evaluate.validity import is_of
from evalshift.files import write_atomic
from evalshift.formatting import duration
from evalshift.testbed.data_access import is_offline
from evalshift.testbed.datasets import Dataset

_WAIT_SECONDS = 1.0
# Workers keep torch, and images that they decoded, from one unit to the next. Ray would end those with a GPU each time.
_UNITS_PER_PROCESS = 1_000
# How long a machine with a GPU may take to say how much memory that has.
_ASK_SECONDS = 120.0
# What says that a machine was lost, rather than one worker on it.
_MACHINE_ERRORS = ("NodeDiedError", "LocalRayletDiedError", "OwnerDiedError", "ObjectLostError", "NodeAffinityError")


def run_on_cluster(
    works: Sequence[Work],
    datasets: Mapping[str, Dataset],
    fingerprints: Mapping[str, str],
    options: Options,
    store: RunStore,
    progress: RunProgress,
) -> list[Failure]:
    """Run models in ray's workers, with a GPU or a part of one each where the cluster has GPUs, else with a core each.

    Starts ray on this machine for as long as this takes, or joins the cluster at `options.ray_address`. Arrays travel
    with the work; folders of images and files of weights must lie at the same path on every machine, or be downloads.
    A worker stores what it predicted in the results folder where it sees that, or leaves it at `options.handover`;
    else it travels back. Whatever ray raises is a failure of one unit of work: where a machine was lost, others run it.
    Raises UsageError where ray is not installed or no cluster responds, and DataError where a dataset is damaged.
    """
    with (
        connected(options.ray_address) as connection,
        messages_in(store.results.path / NAME, connection.ray, progress.note),
        _site(store.results) as site,
    ):
        progress.note(f"cluster   {connection.words()}")
        if os.environ.get("RAY_ADDRESS") and not connection.joined:
            progress.note("cluster   RAY_ADDRESS is set and not used: `ray_address` joins a cluster")
        run = _Run(connection, works, datasets, fingerprints, options, store, progress, site)
        try:
            run.all()
        finally:
            run.cancel()
        for line in run.summary():
            progress.note(line)
    if run.damaged:
        raise next(iter(run.damaged.values()))
    return run.failures


@contextmanager
def _site(results: Results) -> Iterator[Site]:
    """What workers are told of this process, and a file by which they know the results folder."""
    path = results.path.absolute()
    token = f".seen-{secrets.token_hex(8)}"
    write_atomic(path / token, b"")
    remove_if_killed(path / token)
    environment = {name: value for name, value in os.environ.items() if name.startswith("EVALSHIFT_")}
    if is_offline():
        environment["EVALSHIFT_OFFLINE"] = "1"
    else:
        environment.pop("EVALSHIFT_OFFLINE", None)
    for name in ("EVALSHIFT_DATA", "EVALSHIFT_CACHE"):
        if environment.get(name):
            environment[name] = str(Path(environment[name]).expanduser().absolute())
    try:
        yield Site(secrets.token_hex(8), Path.cwd(), path, token, environment, evalshift.__version__)
    finally:
        with suppress(OSError):
            (path / token).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Given:
    """A unit that a worker has: since when, and which machines there were then."""

    unit: Unit
    since: float
    machines: frozenset[str]


@dataclass
class _Tally:
    """What a worker, or all of them, did."""

    models: set[str] = field(default_factory=set)
    images: int = 0
    seconds: float = 0.0

    def add(self, returned: Returned, unit: Unit) -> None:
        self.models |= {work.name for work in unit.works}
        self.images += returned.images
        self.seconds += returned.seconds

    def words(self, seconds: float) -> str:
        count = f"{len(self.models):,} model{'s' if len(self.models) != 1 else ''}"
        return f"{count}, {self.images:,} images, {self.images / max(seconds, 1e-9):,.0f} images/s"


class _Run:
    """One run on a cluster: units are given out one per worker, and what comes of them is stored."""

    def __init__(
        self,
        connection: Connection,
        works: Sequence[Work],
        datasets: Mapping[str, Dataset],
        fingerprints: Mapping[str, str],
        options: Options,
        store: RunStore,
        progress: RunProgress,
        site: Site,
    ) -> None:
        self._connection, self._ray, self._options = connection, connection.ray, options
        self._datasets, self._fingerprints = datasets, fingerprints
        self._store, self._progress, self._site = store, progress, site
        self._works = {work.name: work for work in works}
        self._entries = {work.name: work.entry for work in works}
        self._arrived: set[tuple[str, str]] = set()
        self._waits = False
        resources = self._ray.cluster_resources()
        self._with_gpus = resources.get("GPU", 0) >= 1 and options.device != "cpu"
        self._handover = None if options.handover is None else Handover(options.handover)
        self._references: dict[str, Any] = {}
        self._given: dict[Any, _Given] = {}
        self._pieces: dict[tuple[str, str], list[Piece]] = {}
        self._workers: dict[str, _Tally] = {}
        self._began = time.perf_counter()
        self._remote = self._ray.remote(max_calls=_UNITS_PER_PROCESS, max_retries=0)(run_unit)
        self.failures: list[Failure] = []
        self.damaged: dict[str, DataError] = {}
        memory = self._gpu_bytes() if any(work.entry.memory for work in works) else None
        counted = {name: Images(len(one), isinstance(one.images, tuple)) for name, one in datasets.items()}
        paces = seconds_per_image(works, store.results, options.precision)
        units = make_units(works, counted, self._places(), memory, paces)
        if self._with_gpus and units:  # of small models several share a GPU
            places = int(self._places() / (sum(unit.gpus for unit in units) / len(units)))
            units = make_units(works, counted, places, memory, paces)
        self._queue = Queue(units)

    def all(self) -> None:
        """Run all units; predictions are stored as they come."""
        while self._queue or self._given:
            self._say_whether_any_machine_is_there()
            self._give_out()
            done, _ = self._ray.wait(list(self._given), num_returns=1, timeout=_WAIT_SECONDS)
            for reference in done:
                self._take(reference)

    def cancel(self) -> None:
        """Let workers stop: where a run ends early, a cluster that stays has nothing more to do for it."""
        for reference in self._given:
            with suppress(Exception):  # the cluster may be gone by now
                self._ray.cancel(reference, force=True)
        self._given.clear()

    def summary(self) -> list[Text | str]:
        """A line per worker, and one for all together."""
        lines: list[Text | str] = [
            f"worker    {name}: {tally.words(tally.seconds)}" for name, tally in self._workers.items()
        ]
        if not lines:
            return []
        seconds = time.perf_counter() - self._began
        together = _Tally()
        for tally in self._workers.values():
            together.models |= tally.models
            together.images += tally.images
        return [*lines, f"all       {together.words(seconds)} in {duration(seconds)}"]

    def _say_whether_any_machine_is_there(self) -> None:
        """Say so where the cluster has nothing left to run models on: the run waits, and may wait for ever."""
        kind = "GPU" if self._with_gpus else "CPU"
        is_there = self._ray.cluster_resources().get(kind, 0) > 0
        if self._waits == is_there:
            what = "GPUs" if self._with_gpus else "cores"
            self._progress.note(
                f"cluster   {what} are available again"
                if is_there
                else f"cluster   no machine with {what} is left; the run waits until one joins (Ctrl-C stops it)"
            )
        self._waits = not is_there

    def _places(self) -> int:
        """How many units can run at once, on as many whole GPUs or cores."""
        return max(1, int(self._ray.cluster_resources().get("GPU" if self._with_gpus else "CPU", 0)))

    def _gpu_bytes(self) -> int | None:
        """Memory of the smallest GPU of the cluster; None where there is none, or none says."""
        if not self._with_gpus:
            return None
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = self._ray.remote(max_retries=0)(_gpu_bytes)
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
        asked = [
            ask.options(num_gpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
            for node in nodes
        ]
        try:
            return min(self._ray.get(asked, timeout=_ASK_SECONDS), default=None)
        except self._ray.exceptions.RayError:
            return None

    def _give_out(self) -> None:
        """Give units to workers that have none: machines may have come and gone."""
        free = self._places() - sum(given.unit.gpus if self._with_gpus else 1.0 for given in self._given.values())
        while self._queue and free > 1e-9:
            unit = self._queue.take(free if self._with_gpus else None)
            if unit is None:
                return
            needs = {"num_cpus": 0, "num_gpus": unit.gpus} if self._with_gpus else {"num_cpus": 1}
            names = dict.fromkeys(name for work in unit.works for name in work.datasets)
            reference = self._remote.options(name=unit.name[:200], **needs).remote(
                unit,
                {name: self._reference(name) for name in names},
                {name: self._fingerprints[name] for name in names},
                self._options,
                self._site,
            )
            self._given[reference] = _Given(unit, time.monotonic(), self._connection.alive())
            free -= unit.gpus if self._with_gpus else 1.0

    def _reference(self, name: str) -> Any:
        """A dataset in ray's store, once for all units. In a list: ray would else send it before its worker asks."""
        if name not in self._references:
            self._references[name] = self._ray.put((self._datasets[name], self._fingerprints[name]))
        return self._references[name]

    def _take(self, reference: Any) -> None:
        given = self._given.pop(reference)
        try:
            returned = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            if isinstance(cause, EvalshiftError):
                raise cause from None
            if isinstance(cause, self._ray.exceptions.RayError) and cause is not error:
                self._lost(given, cause)  # such as a dataset that its machine lost, or a unit that somebody cancelled
                return
            self._fail(given.unit, f"the worker raised {type_and_message(cause)}")
        except self._ray.exceptions.RayError as error:
            self._lost(given, error)
        else:
            self._received(given.unit, returned)

    def _received(self, unit: Unit, returned: Returned) -> None:
        self._workers.setdefault(returned.worker, _Tally()).add(returned, unit)
        for note in returned.notes:
            self._progress.note(note)
        if unit.shard is not None:
            self._add_pieces(unit, returned)
        else:
            for predictions, logits in returned.kept:
                self._store.keep(predictions, logits)
            for written in returned.stored:
                self._store.stored(*written)
            if returned.handed:
                self._collect_from(unit, returned)
        for failure in returned.failures:
            if unit.shard is None:
                self.failures.append(failure)
            else:
                self.failures += self._queue.give_up(unit.works[0], failure.error)
        for name, error in returned.damaged.items():
            self.damaged.setdefault(name, error)
            self._queue.without(name)
        self._progress.skip(unit.images)

    def _add_pieces(self, unit: Unit, returned: Returned) -> None:
        """Keep what came of a shard, and store the whole once all shards are there."""
        assert unit.shard is not None
        for predictions, logits in returned.kept:
            key = predictions.model, predictions.dataset
            pieces = self._pieces.setdefault(key, [])
            pieces.append(Piece(unit.shard, predictions, logits))
            if len(pieces) < unit.shard.of:
                continue
            dataset = self._datasets[predictions.dataset]
            try:
                whole, all_logits = join(self._pieces.pop(key), len(dataset))
            except (EvalshiftError, ValueError) as error:
                self._fail(unit, str(error))
                continue
            self._store.keep(whole, all_logits)
            pace = whole.provenance.images_per_second or 0.0
            line = result_line(whole, pace, dataset, self._entries[whole.model])
            self._progress.note(Text.assemble((f"{whole.model:<28} ", "bold"), line))

    def _collect(self) -> None:
        """Take what workers of this run handed over."""
        if self._handover is None:
            return
        for dataset, model in self._handover.collect(self._store.results, self._is_wanted):
            self._arrived.add((dataset, model))
            self._note_stored(self._store.results.load_predictions(dataset, model))

    def _is_wanted(self, predictions: Predictions) -> bool:
        """Whether predictions that were handed over are of this run: of the same model on the same images."""
        work, dataset = self._works.get(predictions.model), predictions.dataset
        return (
            work is not None
            and dataset in work.datasets
            and is_of(predictions, work.entry, self._fingerprints[dataset], self._options.precision)
        )

    def _collect_from(self, unit: Unit, returned: Returned) -> None:
        """Take what a worker handed over; what did not arrive whole is run again, or has failed."""
        self._collect()
        results, with_logits = self._store.results, self._options.save_logits
        missing = [
            pair
            for pair in returned.handed
            if pair not in self._arrived or (with_logits and not results.has_logits(*pair))
        ]
        self._arrived.difference_update(missing)
        if not missing:
            return
        works = []
        for work in unit.works:
            names = tuple(name for name in work.datasets if (name, work.name) in missing)
            works += [replace(work, datasets=names)] if names else []
        images = sum(len(self._datasets[name]) for work in works for name in work.datasets)
        again = replace(unit, works=tuple(works), images=images)
        reason = "what its worker handed over did not arrive whole"
        failures = self._queue.lost(again, reason, machine_gone=True)
        self._report(failures)
        if not failures:
            self._progress.note(f"{again.name}: {reason}; it is run again")
            self._progress.skip(-images)

    def _lost(self, given: _Given, error: BaseException) -> None:
        """A worker, or its whole machine, is gone: what of its unit is not stored is run again, or has failed."""
        gone = type(error).__name__ in _MACHINE_ERRORS or bool(given.machines - self._connection.alive())
        self._collect()
        unit = self._not_done(given.unit)
        if unit is None:
            self._progress.skip(given.unit.images)
            return
        # Its logs are gone with the run.
        reason = f"the worker process ended: {first_line(error).partition(' Check python-core-worker')[0]}"
        timeout = self._options.model_timeout
        if timeout is not None and not gone and time.monotonic() - given.since >= timeout:
            reason = f"no result after {timeout:g} s"
        failures = self._queue.lost(unit, reason, gone)
        if not failures:
            where = "its machine was lost" if gone else reason
            self._progress.note(f"{unit.name}: {where}; it is run again")
            return
        self._report(failures)
        if not gone:
            for work in unit.works:
                blame(self._store.results.path, work.name, work.entry.identity(), reason)
        self._progress.skip(unit.images)

    def _not_done(self, unit: Unit) -> Unit | None:
        """A unit without what its worker stored before it died; None where that is all."""
        works = []
        for work in unit.works:
            names = tuple(name for name in work.datasets if unit.shard or not self._is_stored(name, work))
            if names:
                works.append(replace(work, datasets=names))
        if not works:
            return None
        images = sum(len(self._datasets[name]) for work in works for name in work.datasets)
        return unit if unit.shard else replace(unit, works=tuple(works), images=images)

    def _is_stored(self, dataset: str, work: Work) -> bool:
        """Whether a worker of this run stored these predictions, and said so to nobody."""
        path = self._store.results.predictions_file(dataset, work.name)
        try:
            if path.stat().st_mtime < self._begun_on_disk():
                return False
            predictions = self._store.results.load_predictions(dataset, work.name)
        except (OSError, StoreError):
            return False
        self._note_stored(predictions)
        return True

    def _note_stored(self, predictions: Predictions) -> None:
        dataset, model = predictions.dataset, predictions.model
        self._store.stored(dataset, model, is_off(predictions, self._datasets[dataset], self._entries[model]))

    def _begun_on_disk(self) -> float:
        """When this run began, by the clock of the disk that results lie on."""
        return (self._site.results / self._site.token).stat().st_mtime

    def _fail(self, unit: Unit, error: str) -> None:
        """A unit failed as a whole, for a reason that another try would not change."""
        self._report([failure for work in unit.works for failure in self._queue.give_up(work, error)])
        self._progress.skip(unit.images)

    def _report(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            on = f" on {failure.dataset}" if failure.dataset else ""
            self._progress.note(Text.assemble((f"{failure.model}{on} failed: ", "bold red"), failure.error))
        self.failures += failures


def _gpu_bytes() -> int:
    """Memory of this worker's GPU."""
    import torch

    return torch.cuda.mem_get_info()[1]
