"""What of a registry is meant: the pairs, and the models that fit them. Imports no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evalshift.errors import UsageError
from evalshift.formatting import counted, name_some
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.trust import code_lines

# Models on request that are named in a plan.
_NAMED = 10


@dataclass(frozen=True)
class Choice:
    """What of a registry is meant.

    models      that fit one of the pairs
    unfit       models that were requested but whose classes no pair has, with those classes
    unnamed     models of the default registry that would fit, but are not run beside a user's own unless they are named
    on_request  models that would fit, but run only when they are named
    """

    pairs: tuple[Pair, ...]
    models: Mapping[str, AnyModel]
    unfit: Mapping[str, str]
    on_request: tuple[str, ...]
    unnamed: tuple[str, ...] = ()


def pairs_of(registry: Registry, pairs: Iterable[str]) -> tuple[Pair, ...]:
    """The pairs that are named, wildcards filled in, each once; those of a run that names none.

    Raises UsageError for names that are not in the registry.
    """
    named = (pair for text in _listed(pairs) for pair in registry.matching_pairs(text))
    return tuple(dict.fromkeys(named)) or registry.default_pairs


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


def datasets_for(entry: AnyModel, registry: Registry, pairs: Iterable[Pair]) -> list[str]:
    """The datasets that a model is run on for those of these pairs that it fits, each once."""
    fitting = (pair for pair in pairs if registry.dataset(pair.original).predicted_in == entry.classes)
    return list(dict.fromkeys(name for pair in fitting for name in datasets_of(registry, pair)))


def datasets_of(registry: Registry, pair: Pair) -> tuple[str, ...]:
    """The datasets that a model is run on for a pair: both sets, and fresh images of the original one if it has any."""
    fresh = registry.dataset(pair.original).fresh
    return (pair.original, pair.new) if fresh is None else (pair.original, pair.new, fresh)
