"""What the shell offers after Tab: values of options and arguments, from the registry and stored results.

Nothing is printed and nothing is raised: an invalid registry completes to nothing, and the command itself says why.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from evalshift.errors import EvalshiftError


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Completes to these values.

    >>> one_of("top1", "top5")("to")
    ['top1', 'top5']
    """

    def complete(incomplete: str) -> list[str]:
        return _beginning(values, incomplete)

    return complete


def several_of(*values: str) -> Callable[[str], list[str]]:
    """Completes to these values; after a comma, to the next one.

    >>> several_of("html", "png", "pdf")("html,p")
    ['html,png', 'html,pdf']
    """

    def complete(incomplete: str) -> list[str]:
        return _next(values, incomplete)

    return complete


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Models of the registry; after a comma, the next one."""
    return _next(_registry(ctx, lambda registry: registry.models), incomplete)


def pairs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Pairs of the registry and those with results, or those of the published testbed; after a comma, the next one."""
    if ctx.params.get("published"):
        return _next(_published_pairs(str(ctx.params["published"])), incomplete)
    known = _registry(ctx, lambda registry: map(str, (*registry.pairs, *registry.families_of_pairs)))
    return _next(dict.fromkeys((*known, *_stored(ctx, lambda results: results.pairs()))), incomplete)


def stored_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Models with predictions, or those of the published testbed that the command names."""
    if ctx.params.get("published"):
        return _beginning(_published_models(str(ctx.params["published"])), incomplete)
    found = _stored(ctx, lambda results: (one for name in results.datasets() for one in results.models(name)))
    return _beginning(dict.fromkeys(found), incomplete)


def datasets_and_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Datasets and models of the registry."""
    return _beginning(_registry(ctx, lambda registry: (*registry.datasets, *registry.models)), incomplete)


def datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Datasets of the registry."""
    return _beginning(_registry(ctx, lambda registry: registry.datasets), incomplete)


def entries(ctx: typer.Context, incomplete: str) -> list[str]:
    """Models, datasets or pairs of the registry, according to the argument of `list`; after a comma, the next one."""
    what = str(ctx.params.get("what"))
    if what not in ("models", "datasets", "pairs"):
        return []
    return _next(_registry(ctx, lambda registry: map(str, getattr(registry, what))), incomplete)


def sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Sources of the models and datasets of the registry; after a comma, the next one."""
    return _next(
        _registry(
            ctx,
            lambda registry: sorted({one.source for one in (*registry.models.values(), *registry.datasets.values())}),
        ),
        incomplete,
    )


def classes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Label spaces: those that come with evalshift, and those of the registry."""
    from evalshift.testbed.classes import BUILT_IN

    known = _registry(ctx, lambda registry: registry.classes)
    return _beginning(dict.fromkeys((*BUILT_IN, *known)), incomplete)


def families(ctx: typer.Context, incomplete: str) -> list[str]:
    """Families of the registry's models, or of the published testbed that is named; after a comma, the next one."""
    if ctx.params.get("published"):
        known = _published_families(str(ctx.params["published"]))
    else:
        known = _registry(ctx, lambda registry: [one.family for one in registry.models.values() if one.family])
    return _next(sorted(set(known)), incomplete)


def corruptions(incomplete: str) -> list[str]:
    """Kinds of corruptions; after a comma, the next one."""
    from evalshift.testbed.corruptions import KINDS, VALIDATION

    return _next(("all", *KINDS, *VALIDATION), incomplete)


def published(incomplete: str) -> list[str]:
    """Published testbeds."""
    from evalshift.testbed.published import published_names

    return _beginning(published_names(), incomplete)


def every_published_model(incomplete: str) -> list[str]:
    """Models of all published testbeds."""
    from evalshift.testbed.published import published_names

    return _beginning(
        dict.fromkeys(model for name in published_names() for model in _published_models(name)), incomplete
    )


def _published_models(name: str) -> list[str]:
    return list(dict.fromkeys(model.name for model in _published(name)))


def _published_families(name: str) -> list[str]:
    return [model.family for model in _published(name) if model.family]


def _published_pairs(name: str) -> tuple[str, ...]:
    from evalshift.testbed.published import load_published

    try:
        return load_published(name).pairs
    except EvalshiftError:
        return ()


def _published(name: str) -> list[Any]:
    from evalshift.testbed.published import load_published

    try:
        testbed = load_published(name)
    except EvalshiftError:
        return []
    return [model for table in testbed.tables if not table.detail for model in table.models]


def _registry(ctx: typer.Context, names: Callable[[Any], Iterable[str]]) -> list[str]:
    from evalshift.testbed.registry_reading import load_registry

    try:
        return list(names(load_registry(ctx.params.get("registry"))))
    except (EvalshiftError, OSError):
        return []


def _stored(ctx: typer.Context, names: Callable[[Any], Iterable[str]]) -> list[str]:
    from evalshift.evaluate.store import Results

    try:
        return list(names(Results(ctx.params.get("results") or Path("results"))))
    except (EvalshiftError, OSError):
        return []


def _next(known: Iterable[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(known, last)]


def _beginning(known: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in known if name.startswith(incomplete)]
