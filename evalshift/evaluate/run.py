"""`run`: models on pairs of test sets, from what is requested to what is stored."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from evalshift.errors import StoreError, explain_missing_packages
from evalshift.evaluate.carry_out import carry_out, say_warnings, works_of
from evalshift.evaluate.casualties import without_casualties
from evalshift.evaluate.choice import choice_lines, datasets_of
from evalshift.evaluate.downloads import planned_downloads
from evalshift.evaluate.model_run import is_off
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import Job, Plan, Request, make_plan, make_request
from evalshift.evaluate.predictions import Failure, Predictions
from evalshift.evaluate.progress import RunProgress, say
from evalshift.evaluate.run_datasets import RunDatasets
from evalshift.evaluate.run_store import RunStore
from evalshift.evaluate.store import Results
from evalshift.evaluate.validity import NEW, is_of
from evalshift.file_dependencies import conclude
from evalshift.files import remove_leftovers, write_atomic
from evalshift.formatting import counted, name_some
from evalshift.testbed.registry import Registry

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
    request = make_request(registry, pairs, models, results, options, force=force)
    return run_request(request, console or Console(stderr=True))


def run_request(request: Request, console: Console) -> Results:
    """Run what is requested; comes back with and raises what `run` does."""
    datasets = RunDatasets(request, partial(say, console))
    downloads = planned_downloads(request)
    if downloads:
        say(console, f"plan      {downloads}")
    if request.options.handover is not None:
        _collect_earlier(request.options.handover, request, datasets, console)
    plan = make_plan(request, datasets.fingerprint)
    said = say_plan(plan, request, console)
    if not plan.jobs and downloads is None:
        conclude(said)
    plan, skipped = without_casualties(plan, request)
    if plan.jobs:
        _prepare_folder(request.results)
    # Noted before the first model runs, so that a run that is stopped half-way can be reported.
    names = tuple(map(str, plan.pairs))
    request.results.add_pairs(names)
    datasets.note_further(dict.fromkeys(name for pair in plan.pairs for name in (pair.original, pair.new)))
    models = request.registry.models
    store = RunStore(
        request.results,
        is_off=lambda found: is_off(found, datasets.load(found.dataset), models[found.model]),
    )
    failures = _carry_out(plan, request, datasets, store, console) if plan.jobs else []
    for failure in skipped:
        say(console, f"{failure.model} not run: {failure.error}")
    _refuse_losses(request.results, store.kept)
    if store.off:
        some = ", ".join(list(store.off)[:3]) + (", …" if len(store.off) > 3 else "")
        say(console, f"accuracy differs from the expected one: {some}; `evalshift report` names the likely cause")
    return Results(
        request.results.path,
        only=names,
        failures=(*skipped, *failures),
        only_models=tuple(request.chosen.models),
    )


def _carry_out(plan: Plan, request: Request, datasets: RunDatasets, store: RunStore, console: Console) -> list[Failure]:
    if request.options.executor != "ray":
        return carry_out(plan, request, datasets, store, console)
    from evalshift.evaluate.cluster import run_on_cluster

    loaded = {name: datasets.load(name) for name in dict.fromkeys(job.dataset for job in plan.jobs)}
    say_warnings(plan, datasets, console)
    fingerprints = {name: datasets.fingerprint(name) for name in loaded}
    works = works_of(plan, request)
    with RunProgress(console, sum(len(loaded[job.dataset]) for job in plan.jobs)) as progress:
        return run_on_cluster(works, loaded, fingerprints, request.options, store, progress)


def _collect_earlier(handover: str, request: Request, datasets: RunDatasets, console: Console) -> None:
    """Take what workers of an earlier run handed over, which ended before it could; what is not of this run stays."""
    from evalshift.evaluate.handover import Handover

    names = {name for pair in request.chosen.pairs for name in datasets_of(request.registry, pair)}

    def is_wanted(predictions: Predictions) -> bool:
        entry, dataset = request.chosen.models.get(predictions.model), predictions.dataset
        if entry is None or dataset not in names:
            return False
        return is_of(predictions, entry, datasets.fingerprint(dataset), request.options.precision)

    taken = list(Handover(handover).collect(request.results, is_wanted))
    if taken:
        say(console, f"collected {counted(len(taken), 'prediction file')} that an earlier run handed over")


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


def say_plan(plan: Plan, request: Request, console: Console) -> str:
    """Print what will be run, and why stored predictions are not valid; returns that text."""
    lines = choice_lines(plan.chosen, request.registry)
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
        lines.append(f"nothing to do: everything is in {request.results.path}")
    text = "\n".join(lines)
    say(console, text)
    return text
