"""Registry × pairs → what is to be run, what is done and still valid, and why the rest is redone. Imports no torch."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalshift.errors import EvalshiftError, NewerResultsError, StoreError, UsageError, first_line
from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store import Results
from evalshift.files import sha256_of
from evalshift.formatting import counted, name_some
from evalshift.testbed.datasets import source_checksum
from evalshift.testbed.limits import limited_name
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.trust import code_lines
from evalshift.testbed.weights import current_sha256

# Models on request that are named in a plan.
_NAMED = 10

NEW = "not run yet"
FORCED = "run again on request"


@dataclass(frozen=True)
class Job:
    """One model on one dataset, and why it is to be run."""

    model: str
    dataset: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """What of a registry is meant.

    models      that fit one of the pairs
    unfit       models that were asked for but whose classes no pair has, with those classes
    unnamed     models of the default registry that would fit, but are not run beside a user's own unless they are named
    on_request  models that would fit, but run only when they are named
    """

    pairs: tuple[Pair, ...]
    models: Mapping[str, AnyModel]
    unfit: Mapping[str, str]
    on_request: tuple[str, ...]
    unnamed: tuple[str, ...] = ()


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


def make_plan(
    registry: Registry,
    results: Results,
    *,
    pairs: Iterable[str] = (),
    models: Iterable[str] = (),
    precision: str = "fp32",
    save_logits: bool = False,
    fast_decode: bool = False,
    force: bool = False,
    fingerprint: Callable[[str], str | None],
) -> Plan:
    """Compare what is wanted with what is stored.

    fingerprint   gives a dataset's fingerprint, or None where it would have to be read for that (a dry run reads none)
    Raises UsageError for names that are not in the registry and when no model fits any pair; StoreError when what is
    stored comes from a newer evalshift, so that it is never overwritten.
    """
    chosen = choose_models(registry, pairs, models)
    jobs, done = [], []
    hash_once = cache(sha256_of)  # a model's weights are compared once for each of its datasets
    for model, entry in chosen.models.items():
        for dataset in _datasets_for(entry, registry, chosen.pairs):
            reason = why_redo(
                entry,
                dataset,
                model,
                results,
                fingerprint(dataset),
                precision=precision,
                save_logits=save_logits,
                fast_decode=fast_decode,
                hash_of=hash_once,
            )
            if force and reason is None:
                reason = FORCED
            if reason is None:
                done.append((model, dataset))
            else:
                jobs.append(Job(model, dataset, reason))
    return Plan(chosen, tuple(jobs), tuple(done))


def pairs_of(registry: Registry, pairs: Iterable[str]) -> tuple[Pair, ...]:
    """The pairs that are named, wildcards filled in, each once; those of a run that names none.

    Raises UsageError for names that are not in the registry.
    """
    named = (pair for text in _listed(pairs) for pair in registry.matching_pairs(text))
    return tuple(dict.fromkeys(named)) or registry.default_pairs


def limited_pairs(registry: Registry, pairs: Iterable[str], limit: int) -> tuple[str, ...]:
    """The pairs meant, of the first images of each of their datasets; see `testbed.limits`.

    Raises UsageError for names that are not in the registry.
    """
    chosen = pairs_of(registry, pairs)
    return tuple(f"{limited_name(pair.original, limit)}:{limited_name(pair.new, limit)}" for pair in chosen)


def choose_models(registry: Registry, pairs: Iterable[str] = (), models: Iterable[str] = ()) -> Choice:
    """The pairs meant, each once, and the models that fit one of them: those named, or all but those on request.

    Of a registry with models of its own that extends the default one, its own are all.

    Raises UsageError for names that are not in the registry, and when no model fits any pair.
    """
    chosen_pairs = pairs_of(registry, pairs)
    globs = tuple(_listed(models))
    selected = registry.select_models(globs) if globs else registry.default_models
    spaces = {registry.dataset(pair.original).predicted_in for pair in chosen_pairs}
    unnamed = tuple(
        name
        for name, entry in registry.models.items()
        if not globs and name not in selected and entry.classes in spaces
    )
    fitting = {name: entry for name, entry in selected.items() if entry.classes in spaces}
    unfit = {name: entry.classes for name, entry in selected.items() if entry.classes not in spaces}
    if not fitting:
        raise UsageError(
            "no model fits these pairs",
            where=registry.path,
            found=f"{counted(len(unfit), 'model')} of {', '.join(sorted(set(unfit.values()))) or 'no classes at all'}",
            expected=f"models of {', '.join(sorted(spaces))}",
            fix=_how_to_fit(registry, unfit, unnamed),
        )
    waiting = () if globs else tuple(name for name, entry in fitting.items() if entry.on_request)
    unasked = {name: entry for name, entry in fitting.items() if name not in waiting}
    if not unasked:
        raise UsageError(
            "the models that fit these pairs run only on request",
            where=registry.path,
            found=", ".join(f"{name} ({fitting[name].on_request})" for name in waiting),
            fix=f"name them in `models`: {','.join(waiting)}",
        )
    return Choice(chosen_pairs, unasked, unfit, waiting, unnamed)


def _how_to_fit(registry: Registry, unfit: Mapping[str, str], unnamed: tuple[str, ...]) -> str:
    """What to do where none of the models fits the pairs."""
    if not unnamed:
        return "add models of these classes, or `extends: default` for those that come with evalshift"
    fitting = [str(pair) for pair in registry.pairs if registry.dataset(pair.original).predicted_in in unfit.values()]
    pair = f"choose a pair of theirs with `pairs`, such as {fitting[0]}, or " if fitting else ""
    return f"{pair}name models of the default registry with `models`, such as {unnamed[0]}"


def choice_lines(chosen: Choice, registry: Registry) -> list[str]:
    """What was chosen from a registry, as lines of text."""
    left_out = f" ({len(chosen.unfit)} with other classes left out)" if chosen.unfit else ""
    code = code_lines(chosen.models)
    found = ", found in this folder" + ("; it names code" if code else "") if registry.found else ""
    lines = [
        f"registry  {registry.path}{found}",
        *code,
        f"pairs     {', '.join(map(str, chosen.pairs))}",
        f"models    {len(chosen.models)}{left_out}",
    ]
    if chosen.on_request:
        lines.append(f"not run   {name_some(chosen.on_request, _NAMED)}: run only when named")
    if chosen.unnamed:
        lines.append(f"not run   {len(chosen.unnamed)} models of the default registry: run beside your own when named")
    return lines


def _listed(names: Iterable[str]) -> Iterable[str]:
    """One name alone is easily written without its list, and would be taken apart into letters."""
    return (names,) if isinstance(names, str) else names


def _datasets_for(entry: AnyModel, registry: Registry, pairs: Iterable[Pair]) -> list[str]:
    fitting = (pair for pair in pairs if registry.dataset(pair.original).predicted_in == entry.classes)
    return list(dict.fromkeys(name for pair in fitting for name in datasets_of(registry, pair)))


def datasets_of(registry: Registry, pair: Pair) -> tuple[str, ...]:
    """The datasets that a model is run on for a pair: both sets, and fresh images of the original one if it has any."""
    fresh = registry.dataset(pair.original).fresh
    return (pair.original, pair.new) if fresh is None else (pair.original, pair.new, fresh)


def stored_fingerprint(registry: Registry, results: Results, dataset: str) -> str | None:
    """The fingerprint noted in the store, if the dataset's files were not touched since; else None.

    So a run with nothing to do reads no images.
    """
    entry = registry.dataset(dataset)
    try:
        facts = results.dataset_facts(dataset)
    except NewerResultsError:
        raise
    except StoreError:
        return None
    if facts is None or facts.source_checksum is None:
        return None
    # The order of the classes decides what a folder's label is, so it belongs to the data.
    now = {
        "classes": entry.classes,
        "class_names": list(registry.label_space(entry).names),
        "entry": entry.model_dump(mode="json", exclude_defaults=True),
        "source_checksum": source_checksum(entry),
    }
    if entry.seen is not None:
        now["view"] = entry.seen.facts()
    if not now.items() <= facts.model_dump().items():
        return None
    try:
        return results.load_dataset(dataset).fingerprint
    except StoreError:  # its rows are damaged
        return None


def why_redo(
    entry: AnyModel,
    dataset: str,
    model: str,
    results: Results,
    fingerprint: str | None,
    *,
    precision: str,
    save_logits: bool,
    fast_decode: bool = False,
    hash_of: Callable[[Path], str] = sha256_of,
) -> str | None:
    """Why stored predictions are no longer valid for this entry; None when they are."""
    try:
        stored = results.provenance(dataset, model)
    except NewerResultsError:
        raise
    except StoreError as error:
        return f"the stored file cannot be read ({error.found})"
    if stored is None:
        return NEW
    if stored.imported is not None:
        return f"what is stored was imported ({', '.join(stored.imported.files)}), not run from this entry"
    reasons = (
        *differences(stored.identity, _as_stored(entry.identity())),
        _other_checkpoint(entry, stored, hash_of),
        _other_dataset(fingerprint, stored),
        _other_decoding(fast_decode, stored),
        None if precision == stored.precision else f"precision {stored.precision} → {precision}",
        "its logits are not stored" if save_logits and not results.has_logits(dataset, model) else None,
    )
    return next((reason for reason in reasons if reason), None) or _damage(results, dataset, model)


def _damage(results: Results, dataset: str, model: str) -> str | None:
    """What is wrong with the rows of stored predictions, which a report would refuse."""
    try:
        results.load_predictions(dataset, model)
    except StoreError as error:
        return f"the stored file cannot be read ({error.found})"
    return None


def is_of(predictions: Predictions, entry: AnyModel, fingerprint: str, precision: str) -> bool:
    """Whether predictions are of this form of a model in a precision, on the images with this fingerprint."""
    stored = predictions.provenance
    if stored.imported is not None or stored.dataset_fingerprint != fingerprint or stored.precision != precision:
        return False
    return not differences(stored.identity, _as_stored(entry.identity()))


def _other_decoding(fast_decode: bool, stored: Provenance) -> str | None:
    if fast_decode == (stored.fast_decode is not None):
        return None
    return "JPEG decoding full size → reduced" if fast_decode else "JPEG decoding reduced → full size"


def _other_dataset(fingerprint: str | None, stored: Provenance) -> str | None:
    if fingerprint is None:
        return "its dataset must be read again to know whether it changed"
    return None if fingerprint == stored.dataset_fingerprint else "the dataset changed"


def _as_stored(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity as it comes back from a file: JSON has lists only, and text keys."""
    return json.loads(json.dumps(identity))


def _other_checkpoint(entry: AnyModel, stored: Provenance, hash_of: Callable[[Path], str]) -> str | None:
    known = stored.checkpoint_sha256
    try:
        current = current_sha256(entry, hash_of)
    except EvalshiftError as error:
        return first_line(error)
    if current is None:  # gone or never a file: what was stored came from it all the same
        return None
    if known is not None and known.startswith(current):
        return None
    return f"checkpoint {(known or 'unknown')[:8]} → {current[:8]}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two entries, one text per key: `preprocess.mean [0.5] → [0.4]`."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{key} {_short(before.get(key, 'not set'))} → {_short(after.get(key, 'not set'))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _short(value: object) -> object:
    """The first digits of a sha256, as in file names."""
    return value[:8] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value


def _leaves(entry: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):  # an empty one says no more than none
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
