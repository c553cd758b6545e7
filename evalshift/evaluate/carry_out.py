"""Carry out a plan in this process: each model loaded once, run on each of its datasets, and stored as it is done."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
from rich.console import Console

from evalshift.evaluate.at_work import at_work, notes
from evalshift.evaluate.estimates import Outlook, full_run_line, read_paces, work_line
from evalshift.evaluate.git_revision import git_revision
from evalshift.evaluate.groups import run_all
from evalshift.evaluate.model_run import Bench, Work
from evalshift.evaluate.plan import Plan, Request
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress, say
from evalshift.evaluate.run_datasets import RunDatasets
from evalshift.evaluate.run_store import RunStore
from evalshift.publishing import publishable


def carry_out(plan: Plan, request: Request, datasets: RunDatasets, store: RunStore, console: Console) -> list[Failure]:
    """Run what is planned, one group of models after the other; predictions are stored, failures are returned.

    Raises DataError where a dataset cannot be read, in part only after all other datasets were run on.
    """
    with console.status("loading torch"):
        from evalshift.evaluate.devices import choose_device, describe, set_precision
    options, device = request.options, choose_device(request.options.device)
    with set_precision(options.precision, device):
        say(console, f"device    {describe(device)}, {options.precision}")
        # All data is read, and errors are raised, before the first model runs.
        lengths = {name: len(datasets.load(name)) for name in dict.fromkeys(job.dataset for job in plan.jobs)}
        say_warnings(plan, datasets, console)
        paces = read_paces(request.results, plan.models, describe(device), options.precision)
        if line := work_line(plan, lengths, paces):
            say(console, line)
        outlook, started = Outlook(plan, lengths, paces), time.perf_counter()

        def keep(predictions: Predictions, logits: np.ndarray | None) -> None:
            store.keep(predictions, logits)
            if line := outlook.after(predictions.provenance):
                say(console, line)

        with closing(datasets):
            with RunProgress(console, sum(lengths[job.dataset] for job in plan.jobs)) as progress:
                bench = Bench(
                    reader=datasets.reader,
                    fingerprint=datasets.fingerprint,
                    keep=keep,
                    options=options,
                    device=device,
                    progress=progress,
                    at_work=lambda work: at_work(request.results.path, work.name, work.entry.identity()),
                )
                failures = _run(works_of(plan, request), bench, suspects=notes(request.results.path))
            if line := bench.spent.line(datasets.images_decoded):
                say(console, line)
            if options.limit is not None and outlook.stored:
                seconds = time.perf_counter() - started
                say(console, _without_limit(outlook, datasets, lengths, seconds, bench.spent.decode))
    if bench.damaged:
        raise next(iter(bench.damaged.values()))
    return failures


def _run(works: Sequence[Work], bench: Bench, suspects: Mapping[str, object]) -> list[Failure]:
    failures = run_all([work for work in works if work.name not in suspects], bench)
    for work in works:
        if work.name in suspects:  # alone, so that it takes no other down
            failures += run_all([work], bench)
    return failures


def _without_limit(
    outlook: Outlook, datasets: RunDatasets, lengths: Mapping[str, int], seconds: float, decode: float
) -> str:
    """How long the run would take on all images, going by the seconds of this one, and those that it decoded."""
    whole = {name: datasets.load(name).limited_from or count for name, count in lengths.items()}
    besides = seconds - decode - sum(one.seconds or 0 for one in outlook.stored)
    decode *= sum(whole.values()) / sum(lengths.values())
    return full_run_line(outlook.stored, whole, max(0.0, besides), decode)


def say_warnings(plan: Plan, datasets: RunDatasets, console: Console) -> None:
    """Print what affects accuracies on each dataset, such as files that were not read."""
    for name in dict.fromkeys(job.dataset for job in plan.jobs):
        for warning in datasets.load(name).warnings:
            say(console, f"{name + ':':<9} {warning}")


def works_of(plan: Plan, request: Request) -> list[Work]:
    """What is to be run, by model."""
    registry = request.registry
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
            config=publishable(request.options.config),
        )
        for name in dict.fromkeys(job.model for job in plan.jobs)
        for entry, jobs in [(plan.models[name], plan.jobs_of(name))]
    ]
