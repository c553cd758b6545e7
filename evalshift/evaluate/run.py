"""Carry out a plan: each model loaded once, run on each of its datasets, and stored as soon as it is done."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from evalshift.errors import DataError, EvalshiftError, StoreError, UsageError, first_line
from evalshift.evaluate.environment import git_revision
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import NEW, Job, Plan, make_plan, stored_fingerprint
from evalshift.evaluate.predictions import Failure
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import remove_leftovers, write_atomic
from evalshift.testbed.datasets import Dataset, dataset_stamp, fingerprint, load_dataset
from evalshift.testbed.entries import AnyModel
from evalshift.testbed.registry import Registry, load_registry

if TYPE_CHECKING:  # torch is imported when the first model runs, so that a run with nothing to do stays light
    import torch

    from evalshift.evaluate.devices import Execution
    from evalshift.evaluate.evaluation import Origin
    from evalshift.evaluate.images import ImageReader
    from evalshift.testbed.models import Classifier

# Long enough that no other run can still be writing it.
_LEFTOVER_SECONDS = 24 * 3600


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
    console: Console | None = None,
) -> Results:
    """Evaluate models on pairs of test sets, whatever is not stored yet, and store each as soon as it is done.

    registry     a path, a Registry, or None for ./registry.yaml or the one that comes with evalshift
    pairs        "original:new" each; none means the registry's own, or the embedded pair
    models       globs; none means all that fit
    precision    fp32, tf32, bf16 or fp16
    batch_size   "auto" finds the batch and the memory layout by a short search
    workers      threads that decode image files; None means one a processor

    A model that fails is reported, stands among the `failures` of what comes back, and the others go on.
    Raises UsageError, RegistryError, DataError, DownloadError or StoreError when the run as a whole cannot go on; what
    was finished is kept.
    """
    options = Options(device, precision, batch_size, workers, save_logits)
    registry = registry if isinstance(registry, Registry) else load_registry(registry)
    results = results if isinstance(results, Results) else Results(results)
    console = console or Console(stderr=True)
    datasets = _Datasets(registry, results, workers)
    plan = make_plan(
        registry,
        results,
        pairs=pairs,
        models=models,
        precision=precision,
        save_logits=save_logits,
        force=force,
        fingerprint=datasets.fingerprint,
    )
    _prepare_folder(results)
    say_plan(plan, registry, results, console)
    failures: list[Failure] = []
    if plan.jobs:
        _carry_out(plan, registry, results, datasets, options, console, failures)
    results.add_pairs(list(map(str, plan.pairs)))
    return Results(results.path, only=tuple(map(str, plan.pairs)), failures=tuple(failures))


class _Datasets:
    """Datasets of one run, each loaded at most once, and only when its files were touched or a model needs it."""

    def __init__(self, registry: Registry, results: Results, workers: int | None) -> None:
        self.registry, self.results, self.workers = registry, results, workers
        self._loaded: dict[str, Dataset] = {}
        self._fingerprints: dict[str, str] = {}
        self._readers: dict[str, ImageReader] = {}

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
        from evalshift.evaluate.images import ImageReader

        if name not in self._readers:
            self._readers[name] = ImageReader(self.load(name), self.workers)
        return self._readers[name]

    def _read(self, name: str) -> str:
        """Load a dataset whose files are new or were touched, and note its labels and fingerprint in the store."""
        entry, dataset = self.registry.dataset(name), self.load(name)
        mark = fingerprint(dataset, self.workers or 2)
        self.results.save_dataset(
            StoredDataset(
                name=name,
                ids=dataset.ids,
                labels=dataset.labels,
                classes=entry.classes,
                class_names=dataset.classes.names,
                fingerprint=mark,
                stamp=dataset_stamp(entry),
                entry=entry.model_dump(mode="json", exclude_defaults=True),
            )
        )
        return mark


def _prepare_folder(results: Results) -> None:
    """Fail before the first model runs, not after, when nothing can be stored."""
    probe = results.path / ".writable"
    write_atomic(probe, b"")
    probe.unlink(missing_ok=True)
    remove_leftovers(results.path, time.time() - _LEFTOVER_SECONDS)


def say_plan(plan: Plan, registry: Registry, results: Results, console: Console) -> None:
    """What is about to happen, and why what was there already is not enough."""
    left_out = f", {len(plan.unfit)} of other classes left out" if plan.unfit else ""
    console.print(
        f"registry  {registry.path}\n"
        f"pairs     {', '.join(map(str, plan.pairs))}\n"
        f"models    {len(plan.models)}{left_out}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if plan.done:
        console.print(f"skipped   {len(plan.done)} predictions stored and still valid", highlight=False)
    redone: dict[str, list[Job]] = {}
    for job in plan.jobs:
        if job.reason != NEW:
            redone.setdefault(job.reason, []).append(job)
    for reason, jobs in redone.items():
        names = ", ".join(f"{job.model} on {job.dataset}" for job in jobs[:3]) + (", …" if len(jobs) > 3 else "")
        console.print(f"redone    {names}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if not plan.jobs:
        console.print(f"nothing to do: all is in {results.path}", highlight=False, markup=False)


def _carry_out(
    plan: Plan,
    registry: Registry,
    results: Results,
    datasets: _Datasets,
    options: Options,
    console: Console,
    failures: list[Failure],
) -> None:
    with console.status("loading torch"):
        from evalshift.evaluate.devices import choose_device, describe, set_precision
        from evalshift.evaluate.evaluation import Origin
    device = choose_device(options.device)
    set_precision(options.precision, device)
    console.print(f"device    {describe(device)}, {options.precision}", highlight=False)
    # All data is read, and complained about, before the first model runs.
    sizes = {name: len(datasets.load(name)) for name in dict.fromkeys(job.dataset for job in plan.jobs)}
    revision = git_revision(registry.path.parent)
    with RunProgress(console, sum(sizes[job.dataset] for job in plan.jobs)) as progress:
        for name, entry in plan.models.items():
            jobs = plan.jobs_of(name)
            if jobs:
                origin = Origin(registry.written.get(f"models/{name}", {}), entry.identity(), revision)
                work = _ModelRun(name, entry, origin, registry, results, datasets, options, device, progress)
                failures.extend(work.carry_out(jobs, sizes))


@dataclass
class _ModelRun:
    """One model on all of its datasets."""

    name: str
    entry: AnyModel
    origin: "Origin"
    registry: Registry
    results: Results
    datasets: _Datasets
    options: Options
    device: "torch.device"
    progress: RunProgress

    def carry_out(self, jobs: Sequence[Job], sizes: dict[str, int]) -> list[Failure]:
        from evalshift.evaluate.evaluation import choose_execution
        from evalshift.testbed.models import load_classifier

        try:
            classifier = load_classifier(self.name, self.entry, self.registry.class_space(self.entry.classes))
        except EvalshiftError as error:
            self.progress.skip(sum(sizes[job.dataset] for job in jobs))
            return [self._failed(None, str(error))]
        failures, lines = [], []
        execution = None
        for job in jobs:
            try:
                reader = self.datasets.reader(job.dataset)
                if execution is None:
                    images = sum(sizes[other.dataset] for other in jobs)
                    execution = choose_execution(classifier, reader, self.device, self.options, images)
                lines.append(self._one(job, classifier, reader, execution))
            except (DataError, StoreError, UsageError, KeyboardInterrupt):
                raise  # the data, the disk or the user: no other model would fare better
            except Exception as error:  # someone else's network
                failures.append(self._failed(job.dataset, _explain(error, self.options)))
        if lines:
            self.progress.note(Text.assemble((f"{self.name:<28} ", "bold"), "   ".join(lines)))
        return failures

    def _one(self, job: Job, classifier: "Classifier", reader: "ImageReader", execution: "Execution") -> str:
        from evalshift.evaluate.evaluation import evaluate_classifier

        dataset = reader.dataset
        with self.progress.job(f"{job.model} on {job.dataset}", len(dataset)) as advance:
            predictions, answers = evaluate_classifier(
                classifier,
                reader,
                execution,
                self.origin,
                self.datasets.fingerprint(job.dataset),
                keep_logits=self.options.save_logits,
                advance=advance,
            )
        if answers.logits is not None:
            self.results.save_logits(job.dataset, job.model, answers.logits)
        self.results.save_predictions(predictions)
        accuracy = predictions.hits(dataset.labels).mean()
        return f"{job.dataset} {100 * accuracy:.1f} % ({predictions.provenance.images_per_second:,.0f}/s)"

    def _failed(self, dataset: str | None, error: str) -> Failure:
        on = f" on {dataset}" if dataset else ""
        self.progress.note(Text.assemble((f"{self.name}{on} failed: ", "bold red"), error))
        return Failure(self.name, dataset, error)


def _explain(error: Exception, options: Options) -> str:
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return f"out of memory at batch size {options.batch_size}\n  {'do:':<10}give a smaller --batch-size, or auto"
    if isinstance(error, EvalshiftError):
        return str(error)
    return f"the network raised {type(error).__name__}: {first_line(error)}"
