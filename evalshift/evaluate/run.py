"""Carry out a plan: each model loaded once, run on each of its datasets, and stored as soon as it is done."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from evalshift.errors import StoreError, explain_missing_packages
from evalshift.evaluate.at_work import at_work, began, identity_checksum, notes, to_blame
from evalshift.evaluate.corrected import as_registered, note_corrected_labels
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.downloads import chosen_downloads, downloads_line
from evalshift.evaluate.estimates import Outlook, full_run_line, limited_results, read_paces, work_line
from evalshift.evaluate.git_revision import git_revision
from evalshift.evaluate.groups import run_all
from evalshift.evaluate.model_run import Bench, Store, Work, is_off
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import (
    FORCED,
    NEW,
    Choice,
    Job,
    Plan,
    choice_lines,
    choose_models,
    datasets_of,
    is_of,
    limited_pairs,
    make_plan,
    stored_fingerprint,
)
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.file_dependencies import conclude
from evalshift.files import remove_leftovers, write_atomic
from evalshift.formatting import counted, name_some
from evalshift.publishing import publishable
from evalshift.testbed.datasets import Dataset, load_dataset, read_content, source_checksum
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import Superclasses

if TYPE_CHECKING:  # torch is imported when the first model runs, so that a run with nothing to do stays light
    from evalshift.evaluate.images import ImageReader, Memory

# Long enough that no other run can still be writing it.
_LEFTOVER_SECONDS = 24 * 3600


@explain_missing_packages()
def run(
    registry: str | Path | Registry | None = None,
    pairs: Iterable[str] = (),
    models: Iterable[str] = (),
    results: str | Path | Results = "results",
    *,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | str = "auto",
    workers: int | None = None,
    save_logits: bool = False,
    force: bool = False,
    executor: str = "local",
    compile: bool = False,
    cache_size: int | str | None = None,
    cache_dir: str | Path | None = None,
    fast_decode: bool = False,
    limit: int | None = None,
    ray_address: str | None = None,
    handover: str | None = None,
    model_timeout: float | None = None,
    config: Mapping[str, Any] | None = None,
    console: Console | None = None,
) -> Results:
    """Evaluate models on pairs of test sets and store their predictions; those already stored and valid are skipped.

    registry     a path, a Registry, or None for ./registry.yaml, else the one that comes with evalshift
    pairs        "original:new" each; by default, those of the registry, or the embedded pair
    models       names or globs; by default, all that fit, except those that run only on request
    results      folder of stored predictions
    device       "auto", "cpu", "cuda", "cuda:1" or "mps"; "auto" uses a GPU if there is one
    precision    "fp32", "tf32", "bf16" or "fp16"
    batch_size   images per batch; "auto" searches for the fastest size and memory layout
    workers      threads that decode image files; by default, one per core
    save_logits  also store all logits, as float16
    force        rerun models whose stored predictions are still valid
    executor     "local", or "ray" to run as many models at once as there are GPUs (or cores) here or in a ray cluster
    ray_address  address of a ray cluster to connect to, or "auto" for one on this machine; by default, ray is started
                 on this machine
    handover     a folder or fsspec URL (s3://bucket/prefix) through which ray's workers pass on predictions
    model_timeout  with ray, the most seconds that a model may take
    config       those of these options that came from a file, by name; they are recorded in the provenance of the
                 predictions
    compile      run networks as CUDA graphs or compiled by torch if that saves time
    cache_size   disk space for decoded images, in bytes or as text such as "20GB", reused by later models and runs; by
                 default, 50 GB or a fifth of the free space if that is less; 0 for none
    cache_dir    folder for decoded images; by default EVALSHIFT_CACHE, else a folder in the user cache
    fast_decode  decode JPEG files at a reduced size if they are resized to less: faster, but pixels differ slightly.
                 The number of predictions that change is stored
    limit        run on the first images of each dataset only, balanced over the classes. They are separate datasets,
                 such as cifar10@first-100, stored in the folder limit-100 of the results
    console      a rich Console for progress and messages; by default, stderr

    Models that fail are listed in `failures` of the returned Results; the others run. The returned Results contain
    the pairs and models of this run only, including those that were up to date; `report(results.path)` reports on all
    that the folder contains.

    Raises UsageError, RegistryError, DataError, DownloadError or StoreError if the whole run cannot continue;
    finished predictions are kept.
    """
    options = Options(
        device,
        precision,
        batch_size,
        workers,
        save_logits,
        executor,
        compile,
        cache_size=cache_size,
        cache_dir=None if cache_dir is None else str(cache_dir),
        fast_decode=fast_decode,
        limit=limit,
        ray_address=ray_address,
        handover=handover,
        model_timeout=model_timeout,
        config=config or {},
    )
    registry = registry if isinstance(registry, Registry) else load_registry(registry)
    results = results if isinstance(results, Results) else Results(results)
    console = console or Console(stderr=True)
    if limit is not None:
        pairs, results = limited_pairs(registry, pairs, limit), limited_results(results, limit)
    datasets = _Datasets(registry, results, options, lambda line: _say(console, line))
    chosen = choose_models(registry, pairs, models)
    line = planned_downloads(
        registry,
        pairs,
        models,
        results,
        precision=precision,
        save_logits=save_logits,
        fast_decode=fast_decode,
        force=force,
    )
    if line:
        _say(console, f"plan      {line}")
    if handover is not None:
        _collect_earlier(handover, chosen, registry, datasets, options, console)
    plan = make_plan(
        registry,
        results,
        pairs=pairs,
        models=models,
        precision=precision,
        save_logits=save_logits,
        fast_decode=fast_decode,
        force=force,
        fingerprint=datasets.fingerprint,
    )
    said = say_plan(plan, registry, results, console)
    if not plan.jobs and line is None:
        conclude(said)
    plan, skipped = _without_casualties(plan, results, force)
    names = tuple(map(str, plan.pairs))
    if plan.jobs:
        _prepare_folder(results)
    # Noted before the first model runs, so that a run that is stopped half-way can be reported.
    results.add_pairs(names)
    datasets.note_further(dict.fromkeys(name for pair in plan.pairs for name in (pair.original, pair.new)))
    carry_out = _carry_out_with_ray if options.executor == "ray" else _carry_out
    off: dict[str, None] = {}
    kept: list[tuple[str, str]] = []

    def stored(dataset: str, model: str, accuracy_is_off: bool) -> None:
        kept.append((dataset, model))
        if accuracy_is_off:
            off[model] = None

    def keep(predictions: Predictions, logits: np.ndarray | None) -> None:
        results.save_predictions(predictions, logits)
        dataset, model = predictions.dataset, predictions.model
        stored(dataset, model, is_off(predictions, datasets.load(dataset), registry.models[model]))

    store = Store(results, keep, stored)
    failures = carry_out(plan, registry, store, datasets, options, console) if plan.jobs else []
    for failure in skipped:
        _say(console, f"{failure.model} not run: {failure.error}")
    failures = [*skipped, *failures]
    _refuse_losses(results, kept)
    if off:
        some = ", ".join(list(off)[:3]) + (", …" if len(off) > 3 else "")
        _say(console, f"accuracy differs from the expected one: {some}; `evalshift report` names the likely cause")
    return Results(results.path, only=names, failures=tuple(failures), only_models=tuple(chosen.models))


class _Datasets:
    """Datasets of one run, each loaded at most once, and only when its files were touched or a model needs it."""

    def __init__(self, registry: Registry, results: Results, options: Options, say: Callable[[str], None]) -> None:
        self.registry, self.results, self.options, self._say = registry, results, options, say
        self._loaded: dict[str, Dataset] = {}
        self._fingerprints: dict[str, str] = {}
        self._readers: dict[str, ImageReader] = {}
        self._shared: tuple[Memory, DecodeCache] | None = None

    def fingerprint(self, name: str) -> str:
        if name not in self._fingerprints:
            known = stored_fingerprint(self.registry, self.results, name)
            self._fingerprints[name] = known or self._read(name)
        return self._fingerprints[name]

    def load(self, name: str) -> Dataset:
        if name not in self._loaded:
            entry = self.registry.dataset(name)
            self._loaded[name] = load_dataset(name, entry, self.registry.class_space(entry.classes))
        return self._loaded[name]

    def reader(self, name: str) -> "ImageReader":
        from evalshift.evaluate.images import ImageReader, Memory

        if name not in self._readers:
            if self._shared is None:
                folder = None if self.options.cache_dir is None else Path(self.options.cache_dir)
                self._shared = Memory(), DecodeCache(folder, self.options.cache_bytes, self._say)
            memory, cache = self._shared
            self._readers[name] = ImageReader(
                self.load(name),
                self.options.workers,
                memory,
                cache,
                partial(self.fingerprint, name),
                self.options.fast_decode,
            )
        return self._readers[name]

    @property
    def images_decoded(self) -> int:
        """How many images were decoded so far."""
        return sum(reader.images_decoded for reader in self._readers.values())

    def close(self) -> None:
        """Let go of all decoded images."""
        for reader in self._readers.values():
            reader.close()

    def _read(self, name: str) -> str:
        """Load a dataset whose files are new or were touched, and note its labels and fingerprint in the store."""
        entry, dataset = self.registry.dataset(name), self.load(name)
        content = read_content(dataset, self.options.workers or 2)
        self._save(
            StoredDataset(
                name=name,
                ids=dataset.ids,
                labels=dataset.labels,
                classes=entry.classes,
                class_names=dataset.classes.names,
                fingerprint=content.fingerprint,
                source_checksum=source_checksum(entry),
                entry=entry.model_dump(mode="json", exclude_defaults=True),
                view=dataset.view,
                attributes=dataset.attributes,
                accepted=dataset.accepted,
                whole=dataset.whole,
                superclasses=self._superclasses(name),
                pictures=content.pictures,
            )
        )
        return content.fingerprint

    def _save(self, dataset: StoredDataset) -> None:
        self.results.save_dataset(as_registered(dataset, self.registry, say=self._say))

    def note_further(self, names: Iterable[str]) -> None:
        """Store the superclasses and corrected labels that the registry has now beside datasets stored before."""
        names = list(names)
        for name in names:
            self.results.note_superclasses(name, self._superclasses(name))
        note_corrected_labels(self.results, self.registry, names, self._say)

    def _superclasses(self, name: str) -> tuple[Superclasses, ...]:
        entry = self.registry.dataset(name)
        space = self.registry.label_space(entry)
        return self.registry.superclasses(space.name, space.names, entry.seen)


def _collect_earlier(
    handover: str, chosen: Choice, registry: Registry, datasets: _Datasets, options: Options, console: Console
) -> None:
    """Take what workers of an earlier run handed over, which ended before it could; what is not of this run stays."""
    from evalshift.evaluate.handover import Handover

    names = {name for pair in chosen.pairs for name in datasets_of(registry, pair)}

    def is_wanted(predictions: Predictions) -> bool:
        entry, dataset = chosen.models.get(predictions.model), predictions.dataset
        if entry is None or dataset not in names:
            return False
        return is_of(predictions, entry, datasets.fingerprint(dataset), options.precision)

    taken = list(Handover(handover).collect(datasets.results, is_wanted))
    if taken:
        _say(console, f"collected {counted(len(taken), 'prediction file')} that an earlier run handed over")


def _prepare_folder(results: Results) -> None:
    """Fail before the first model runs, not after, when nothing can be stored."""
    probe = results.path / ".writable"
    write_atomic(probe, b"")
    probe.unlink(missing_ok=True)
    remove_leftovers(results.path, time.time() - _LEFTOVER_SECONDS)
    for token in results.path.glob(".seen-*"):  # of runs with ray that were killed
        with suppress(OSError):
            if token.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                token.unlink()


def _without_casualties(plan: Plan, results: Results, force: bool) -> tuple[Plan, list[Failure]]:
    """The plan without models that took a run down before, which are failures of this one; suspects come last."""
    skipped, suspects = [], set()
    left = notes(results.path) if plan.jobs else {}
    for model in dict.fromkeys(job.model for job in plan.jobs):
        note = left.get(model)
        if note is None or note.identity != identity_checksum(plan.models[model].identity()):
            continue
        if (note.ended is None and note.tries == 0) or (force and model not in to_blame):
            suspects.add(model)
            continue
        ended = note.ended or "the process ended twice while it ran"
        fix = "correct it, or run it again with `force`"
        skipped.append(Failure(model, None, f"it took a run down: {ended}\n  {'fix:':<10}{fix}"))
    gone = {failure.model for failure in skipped}
    jobs = [job for job in plan.jobs if job.model not in gone and not (began and _is_done(job, results, began[0]))]
    return replace(plan, jobs=tuple(sorted(jobs, key=lambda job: job.model in suspects))), skipped


def _is_done(job: Job, results: Results, since: str) -> bool:
    """Whether an earlier process of this command stored these predictions, which matters where all are forced."""
    if job.reason != FORCED:
        return False
    stored = results.provenance(job.dataset, job.model)
    return stored is not None and stored.imported is None and stored.start >= since


def _refuse_losses(results: Results, kept: Sequence[tuple[str, str]]) -> None:
    """Raise StoreError where what this run stored is not there any more: somebody deleted it meanwhile."""
    paths = [results.path / "pairs.json", *(results.dataset_file(name) for name, _ in kept)]
    paths += [results.predictions_file(dataset, model) for dataset, model in kept]
    lost = [str(path.relative_to(results.path)) for path in dict.fromkeys(paths) if not path.is_file()]
    if lost:
        raise StoreError(
            "stored results disappeared during the run",
            where=results.path,
            found=f"{counted(len(lost), 'file')} missing: {name_some(lost, 3)}",
            expected="all that this run stored",
            fix="run the same again: only what is missing is redone",
        )


def say_plan(plan: Plan, registry: Registry, results: Results, console: Console) -> str:
    """Print what will be run, and why stored predictions are not valid; returns that text."""
    lines = choice_lines(plan.chosen, registry)
    if plan.done:
        lines.append(f"skipped   {len(plan.done)} predictions stored and still valid")
    redone: dict[str, list[Job]] = {}
    for job in plan.jobs:
        if job.reason != NEW:
            redone.setdefault(job.reason, []).append(job)
    for reason, jobs in redone.items():
        names = ", ".join(f"{job.model} on {job.dataset}" for job in jobs[:3]) + (", …" if len(jobs) > 3 else "")
        lines.append(f"redone    {names}: {reason}")
    if not plan.jobs:
        lines.append(f"nothing to do: everything is in {results.path}")
    text = "\n".join(lines)
    _say(console, text)
    return text


def planned_downloads(
    registry: Registry, pairs: Iterable[str], models: Iterable[str], results: Results, **choices: bool | str
) -> str | None:
    """What is to be run and downloaded, in a line; None where nothing is to be downloaded. No dataset is read."""
    chosen = choose_models(registry, pairs, models)
    if chosen_downloads(registry, chosen) is None:
        return None
    plan = make_plan(
        registry,
        results,
        pairs=pairs,
        models=models,
        fingerprint=lambda name: stored_fingerprint(registry, results, name),
        **choices,  # type: ignore[arg-type]
    )
    return downloads_line(plan, registry, results)


def say_warnings(plan: Plan, datasets: _Datasets, console: Console) -> None:
    """Print what affects accuracies on each dataset, such as files that were not read."""
    for name in dict.fromkeys(job.dataset for job in plan.jobs):
        for warning in datasets.load(name).warnings:
            _say(console, f"{name + ':':<9} {warning}")


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def _carry_out(
    plan: Plan, registry: Registry, store: Store, datasets: _Datasets, options: Options, console: Console
) -> list[Failure]:
    with console.status("loading torch"):
        from evalshift.evaluate.devices import choose_device, describe, set_precision
    device = choose_device(options.device)
    with set_precision(options.precision, device):
        _say(console, f"device    {describe(device)}, {options.precision}")
        # All data is read, and errors are raised, before the first model runs.
        images = sum(len(datasets.load(job.dataset)) for job in plan.jobs)
        say_warnings(plan, datasets, console)
        lengths = {name: len(datasets.load(name)) for name in dict.fromkeys(job.dataset for job in plan.jobs)}
        paces = read_paces(datasets.results, plan.models, describe(device), options.precision)
        if line := work_line(plan, lengths, paces):
            _say(console, line)
        outlook, started = Outlook(plan, lengths, paces), time.perf_counter()

        def keep_and_say(predictions: Predictions, logits: np.ndarray | None) -> None:
            store.keep(predictions, logits)
            if line := outlook.after(predictions.provenance):
                _say(console, line)

        try:
            with RunProgress(console, images) as progress:
                bench = Bench(
                    reader=datasets.reader,
                    fingerprint=datasets.fingerprint,
                    keep=keep_and_say,
                    options=options,
                    device=device,
                    progress=progress,
                    at_work=lambda work: at_work(datasets.results.path, work.name, work.entry.identity()),
                )
                works, suspects = _works(plan, registry, options), notes(datasets.results.path)
                failures = run_all([work for work in works if work.name not in suspects], bench)
                for work in works:
                    if work.name in suspects:  # alone, so that it takes no other down
                        failures += run_all([work], bench)
            line = bench.spent.line(datasets.images_decoded)
            if line:
                _say(console, line)
            if options.limit is not None and outlook.stored:
                whole = {name: datasets.load(name).limited_from or count for name, count in lengths.items()}
                decode = bench.spent.decode
                besides = time.perf_counter() - started - decode - sum(one.seconds or 0 for one in outlook.stored)
                decode *= sum(whole.values()) / sum(lengths.values())
                _say(console, full_run_line(outlook.stored, whole, max(0.0, besides), decode))
        finally:
            datasets.close()
    if bench.damaged:
        raise next(iter(bench.damaged.values()))
    return failures


def _works(plan: Plan, registry: Registry, options: Options) -> list[Work]:
    revision = git_revision(registry.path.parent)
    return [
        Work(
            name=name,
            entry=entry,
            datasets=tuple(job.dataset for job in jobs),
            space=registry.class_space(entry.classes),
            written=publishable(registry.written.get(f"models/{name}", {})),
            revision=revision,
            own=name in registry.own_models,
            config=publishable(options.config),
        )
        for name in dict.fromkeys(job.model for job in plan.jobs)
        for entry, jobs in [(plan.models[name], plan.jobs_of(name))]
    ]


def _carry_out_with_ray(
    plan: Plan, registry: Registry, store: Store, datasets: _Datasets, options: Options, console: Console
) -> list[Failure]:
    from evalshift.evaluate.cluster import run_on_cluster

    loaded = {name: datasets.load(name) for name in dict.fromkeys(job.dataset for job in plan.jobs)}
    say_warnings(plan, datasets, console)
    fingerprints = {name: datasets.fingerprint(name) for name in loaded}
    works = _works(plan, registry, options)
    with RunProgress(console, sum(len(loaded[job.dataset]) for job in plan.jobs)) as progress:
        return run_on_cluster(works, loaded, fingerprints, options, store, progress)
