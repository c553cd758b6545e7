"""Runs on the first images of each dataset only: what their datasets are called, and where their results are."""

from collections.abc import Iterable

from evalshift.evaluate.choice import pairs_of
from evalshift.evaluate.store import Results
from evalshift.testbed.limits import limited_name
from evalshift.testbed.registry import Registry

# In a results folder, the folders of limited runs.
_LIMITED = "limit-{}"


def limited_pairs(registry: Registry, pairs: Iterable[str], limit: int) -> tuple[str, ...]:
    """The pairs meant, of the first images of each of their datasets; see `testbed.limits`.

    Raises UsageError for names that are not in the registry.
    """
    chosen = pairs_of(registry, pairs)
    return tuple(f"{limited_name(pair.original, limit)}:{limited_name(pair.new, limit)}" for pair in chosen)


def limited_results(results: Results, limit: int) -> Results:
    """Where predictions on the first images are stored: in a folder of their own in the results folder."""
    return Results(results.path / _LIMITED.format(limit))


def with_limited_results(results: Results) -> list[Results]:
    """The results folder that this one is, or is a limited part of, and those of all limited runs in it."""
    whole = results.path.parent if results.path.name.startswith(_LIMITED.format("")) else results.path
    return [Results(folder) for folder in (whole, *sorted(whole.glob(_LIMITED.format("*"))))]
