"""What is requested × what is stored → what is to be run, what is done and still valid, and why the rest is redone.

Imports no torch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from evalshift.evaluate.choice import Choice, choose_models, datasets_for
from evalshift.evaluate.limited_runs import limited_pairs, limited_results
from evalshift.evaluate.options import Options
from evalshift.evaluate.store import Results
from evalshift.evaluate.validity import stored_fingerprint, why_redo
from evalshift.files import sha256_of
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.registry_reading import load_registry

FORCED = "run again on request"


@dataclass(frozen=True)
class Request:
    """What somebody wants to be run.

    chosen    pairs and models of the registry
    results   where predictions are stored; of a run on the first images only, a folder in the one that was named
    force     whether predictions that are stored and still valid are run again
    """

    registry: Registry
    chosen: Choice
    results: Results
    options: Options = field(default_factory=Options)
    force: bool = False


def make_request(
    registry: str | Path | Registry | None,
    pairs: Iterable[str],
    models: Iterable[str],
    results: str | Path | Results,
    options: Options,
    *,
    force: bool = False,
) -> Request:
    """A request in the words of a person: names, globs and paths, as `run` takes them.

    Raises RegistryError, and UsageError for names that are not in the registry and when no model fits any pair.
    """
    registry = registry if isinstance(registry, Registry) else load_registry(registry)
    results = results if isinstance(results, Results) else Results(results)
    if options.limit is not None:
        pairs = limited_pairs(registry, pairs, options.limit)
        results = limited_results(results, options.limit)
    return Request(registry, choose_models(registry, pairs, models), results, options, force)


@dataclass(frozen=True)
class Job:
    """One model on one dataset, and why it is to be run."""

    model: str
    dataset: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    chosen  the pairs and the models that are meant
    done    (model, dataset) stored and still valid
    """

    chosen: Choice
    jobs: tuple[Job, ...]
    done: tuple[tuple[str, str], ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return self.chosen.pairs

    @property
    def models(self) -> Mapping[str, AnyModel]:
        return self.chosen.models

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets of all pairs, in order, each once."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in (pair.original, pair.new)))

    def jobs_of(self, model: str) -> list[Job]:
        return [job for job in self.jobs if job.model == model]


def make_plan(request: Request, fingerprint: Callable[[str], str | None] | None = None) -> Plan:
    """Compare what is requested with what is stored.

    fingerprint   gives a dataset's fingerprint, or None where it would have to be read for that; by default the one
                  that is stored, so that no dataset is read
    Raises StoreError when what is stored comes from a newer evalshift, so that it is never overwritten.
    """
    registry, chosen, results = request.registry, request.chosen, request.results
    fingerprint = fingerprint or (lambda name: stored_fingerprint(registry, results, name))
    jobs, done = [], []
    hash_once = cache(sha256_of)  # a model's weights are compared once for each of its datasets
    for model, entry in chosen.models.items():
        for dataset in datasets_for(entry, registry, chosen.pairs):
            reason = why_redo(entry, dataset, model, results, fingerprint(dataset), request.options, hash_once)
            if request.force and reason is None:
                reason = FORCED
            if reason is None:
                done.append((model, dataset))
            else:
                jobs.append(Job(model, dataset, reason))
    return Plan(chosen, tuple(jobs), tuple(done))
