"""Carry out a plan: each model loaded once, run on each of its datasets, and stored as soon as it is done."""

import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from evalshift.errors import DataError, EvalshiftError, first_line
from evalshift.evaluate.environment import git_revision
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import NEW, Job, Plan, make_plan, stored_fingerprint
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import remove_leftovers, write_atomic
from evalshift.testbed.datasets import Dataset, dataset_stamp, fingerprint, load_dataset
from evalshift.testbed.entries import AnyModel
from evalshift.testbed.registry import Registry, load_registry

if TYPE_CHECKING:  # torch is imported when the first model runs, so that a run with nothing to do stays light
    import torch

    from evalshift.evaluate.images import ImageReader

# Long enough that no other run can still be writing it.
_LEFTOVER_SECONDS = 24 * 3600

# More than other libraries or another GPU make of an accuracy, less than wrong preprocessing does.
_EXPECTED_WITHIN = 0.005


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
    say_plan(plan, registry, results, console)
    names = tuple(map(str, plan.pairs))
    if plan.jobs:
        _prepare_folder(results)
    # Noted before the first model runs, so that a run that is stopped half-way can be reported.
    results.add_pairs(names)
    failures = _carry_out(plan, registry, results, datasets, options, console) if plan.jobs else []
    return Results(results.path, only=names, failures=tuple(failures))


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
        from evalshift.evaluate.images import CACHE_BYTES, ImageReader

        if name not in self._readers:
            # Every model comes by every dataset, so what one reader keeps, the others cannot.
            dataset = self.load(name)
            self._readers[name] = ImageReader(dataset, self.workers, CACHE_BYTES // len(self._loaded))
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
    lines = [
        f"registry  {registry.path}",
        f"pairs     {', '.join(map(str, plan.pairs))}",
        f"models    {len(plan.models)}{left_out}",
    ]
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
        lines.append(f"nothing to do: all is in {results.path}")
    _say(console, "\n".join(lines))


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


@dataclass(frozen=True)
class _Bench:
    """What the models of one run share."""

    registry: Registry
    results: Results
    datasets: _Datasets
    options: Options
    device: "torch.device"
    revision: str | None
    progress: RunProgress


def _carry_out(
    plan: Plan, registry: Registry, results: Results, datasets: _Datasets, options: Options, console: Console
) -> list[Failure]:
    with console.status("loading torch"):
        from evalshift.evaluate.devices import choose_device, describe, set_precision
    device = choose_device(options.device)
    with set_precision(options.precision, device):
        _say(console, f"device    {describe(device)}, {options.precision}")
        # All data is read, and complained about, before the first model runs.
        images = sum(len(datasets.load(job.dataset)) for job in plan.jobs)
        revision = git_revision(registry.path.parent)
        failures: list[Failure] = []
        with RunProgress(console, images) as progress:
            bench = _Bench(registry, results, datasets, options, device, revision, progress)
            for name, entry in plan.models.items():
                if jobs := plan.jobs_of(name):
                    failures += _run_model(name, entry, jobs, bench)
        return failures


def _run_model(name: str, entry: AnyModel, jobs: Sequence[Job], bench: _Bench) -> list[Failure]:
    """One model on all of its datasets: what it answered is stored, and what it failed on comes back."""
    from evalshift.evaluate.evaluation import Origin, evaluate_classifier, prepare
    from evalshift.testbed.models import load_classifier

    images = sum(len(bench.datasets.load(job.dataset)) for job in jobs)
    try:
        with bench.progress.aside():
            classifier = load_classifier(name, entry, bench.registry.class_space(entry.classes))
    except EvalshiftError as error:
        bench.progress.skip(images)
        return [_failed(name, None, str(error), bench)]
    origin = Origin(bench.registry.written.get(f"models/{name}", {}), entry.identity(), bench.revision)
    prepared, failures, lines = None, [], []
    for job in jobs:
        reader = bench.datasets.reader(job.dataset)
        try:
            with bench.progress.job(f"{name} on {job.dataset}", len(reader.dataset)) as advance:
                prepared = prepared or prepare(classifier, reader, bench.device, bench.options, images)
                predictions, answers = evaluate_classifier(
                    prepared[0],
                    reader,
                    prepared[1],
                    origin,
                    bench.datasets.fingerprint(job.dataset),
                    keep_logits=bench.options.save_logits,
                    advance=advance,
                )
        except DataError:
            raise  # no other model would fare better
        except (Exception, SystemExit) as error:  # someone else's network
            failures.append(_failed(name, job.dataset, _explain(error), bench))
            continue
        predictions = _compared_with_expected(predictions, entry, reader.dataset)
        bench.results.save_predictions(predictions, answers.logits)
        lines.append(_line(predictions, answers.images_per_second, reader.dataset))
    if lines:
        bench.progress.note(Text.assemble((f"{name:<28} ", "bold"), "   ".join(lines)))
    return failures


def _line(predictions: Predictions, images_per_second: float, dataset: Dataset) -> str:
    accuracy = 100 * predictions.hits(dataset.labels).mean()
    warnings = "".join(f" ({warning})" for warning in predictions.provenance.warnings)
    return f"{dataset.name} {accuracy:.1f} %{warnings} ({images_per_second:,.0f}/s)"


def _compared_with_expected(predictions: Predictions, entry: AnyModel, dataset: Dataset) -> Predictions:
    """The same with a warning where the accuracy is not the one that the registry promises."""
    expected = entry.expected.get(dataset.name)
    found = float(predictions.hits(dataset.labels).mean())
    if expected is None or abs(found - expected) <= _EXPECTED_WITHIN:
        return predictions
    warning = f"{100 * expected:.1f} % expected: check the preprocessing and the weights"
    provenance = predictions.provenance.model_copy(update={"warnings": [*predictions.provenance.warnings, warning]})
    return replace(predictions, provenance=provenance)


def _failed(name: str, dataset: str | None, error: str, bench: _Bench) -> Failure:
    on = f" on {dataset}" if dataset else ""
    bench.progress.note(Text.assemble((f"{name}{on} failed: ", "bold red"), error))
    return Failure(name, dataset, error)


def _explain(error: Exception | SystemExit) -> str:
    if isinstance(error, EvalshiftError):
        return str(error)
    text = f"the network raised {type(error).__name__}: {first_line(error)}"
    if _is_out_of_memory(error):
        return f"{text}\n  {'do:':<10}give a smaller --batch-size, or auto"
    place = _place_in_own_code(error)
    return f"{text}\n  {'where:':<10}{place}" if place else text


def _place_in_own_code(error: BaseException) -> str | None:
    """The last line of the user's code that the exception came by; below it torch is talking to itself."""
    import torch

    import evalshift

    ours, torchs = (str(Path(module.__file__ or "").parent) for module in (evalshift, torch))
    frames = traceback.extract_tb(error.__traceback__)
    called = max((position for position, frame in enumerate(frames) if frame.filename.startswith(ours)), default=-1)
    own = [frame for frame in frames[called + 1 :] if not frame.filename.startswith(torchs)]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else None


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)
