"""What of a registry is stored, what would be downloaded, and what is missing. Imports no torch."""

import fnmatch
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from evalshift.errors import EvalshiftError, UsageError, did_you_mean
from evalshift.testbed import download
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import fetch_dataset, format_of
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.model_entry import Weighted
from evalshift.testbed.readiness import State, size_words, state_of_files
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import with_built_in_files
from evalshift.testbed.trust import code_of, needs_trust
from evalshift.testbed.weights import find_weights, local_weights, remote_weights, weights_folder

__all__ = ["State", "dataset_state", "fetch_all", "model_state", "run_by_fetching"]


def dataset_state(entry: AnyDataset) -> State:
    """Whether a dataset can be read now, by a look at the disk."""
    return format_of(entry).state(entry)


def model_state(entry: AnyModel) -> State:
    """Whether a model can be built now, going by its files; building it is the only proof."""
    code = _code_state(entry)
    if code is not None and not code.can_run:
        return code
    if needs_trust(entry):
        return State(False, "is code, lacks trust: true", code_of(entry) or "")
    weights = [state for part in entry.weights_parts if (state := _weights_state(part)) is not None]
    if weights:  # the part that lacks most speaks for all
        return min(weights, key=lambda state: (state.can_run, state.is_ready))
    return code or entry.state_without_weights()


def _code_state(entry: AnyModel) -> State | None:
    """Whether the code that an entry names is installed or found; None where it comes with a library or a download."""
    if entry.code_file is not None:
        return state_of_files([entry.code_file])
    return None if entry.function_named is None else _function_state(entry.function_named)


def _function_state(function: str) -> State:
    module = function.rpartition(":")[0]
    if module.endswith(".py"):
        return state_of_files([Path(module)])
    try:
        found = importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        found = False
    return State.ready(function) if found else State(False, "missing: not installed", function)


def _weights_state(entry: Weighted) -> State | None:
    """Whether a file of weights is there; None where the entry names none."""
    try:
        path = local_weights(entry)
        remote = None if path else remote_weights(entry)
    except EvalshiftError as error:
        return State(False, error.problem, str(error.where or ""))
    if path is not None:
        return State.ready(str(path))
    if remote is not None:
        return State(True, f"to download{size_words(remote.size or 0)}", remote.urls[0])
    places = entry.weights_files()
    return State(False, "missing", ", ".join(places)) if places else None


def fetch_all(registry: Registry, names: Iterable[str]) -> Iterator[tuple[str, list[Path]]]:
    """Download what the named datasets and models need to be run without network: each name with what has arrived.

    A name may be a glob. Raises UsageError for one that names nothing, before anything is downloaded, and DownloadError
    or HashMismatchError where no mirror gives the promised file.
    """
    for name in _resolved(registry, list(names)):
        if name in registry.datasets or "@" in name:
            yield name, fetch_dataset(registry.dataset(name))
        if name in registry.models:
            yield name, _fetch_model(name, registry.models[name])


def run_by_fetching(registry: Registry, names: Iterable[str]) -> dict[str, AnyModel]:
    """Of the named models those whose own code does the downloading, so that it runs."""
    chosen = {name: registry.models[name] for name in _resolved(registry, list(names)) if name in registry.models}
    return {name: entry for name, entry in chosen.items() if entry.runs_to_fetch}


def _fetch_model(name: str, entry: AnyModel) -> list[Path]:
    if entry.trained_on is not None:
        return fetch_dataset(with_built_in_files(entry.trained_on))
    paths = [path for part in entry.weights_parts for path in _fetch_weights(part)]
    if entry.fetches:
        from evalshift.testbed.models import fetch_from_library  # only these need torch to know what to fetch

        paths += fetch_from_library(name, entry)
    return paths


def _fetch_weights(entry: Weighted) -> list[Path]:
    """The file of weights, downloaded where it is not there; with those that it names, where it is an index."""
    path = local_weights(entry)
    remote = remote_weights(entry) if path is None else None
    if remote is not None and remote.name.endswith(".json"):
        weights = find_weights(entry)
        return [weights.path, *weights.shards.values()]
    return [download.fetch(remote, weights_folder())] if remote else [path] if path else []


def _resolved(registry: Registry, names: list[str]) -> list[str]:
    known = list(dict.fromkeys((*registry.datasets, *registry.models)))
    found: list[str] = []
    for name in names:
        matching = [one for one in known if fnmatch.fnmatchcase(one, name)]
        if not matching and "@" in name:
            matching = registry.datasets_like(name)
            for one in matching:
                registry.dataset(one)  # raises for an unknown name
        if not matching:
            raise UsageError(
                f'nothing is called "{name}"',
                where=registry.path,
                expected="the name of a dataset or a model, or a glob",
                fix=did_you_mean(name, known) or "see `evalshift list models` and `evalshift list datasets`",
            )
        found += matching
    return list(dict.fromkeys(found))
