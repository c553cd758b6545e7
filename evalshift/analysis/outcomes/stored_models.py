"""Which models and families are stored on the sets of pairs; no predictions are read."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from evalshift.analysis.outcomes.pair_views import seen_alike
from evalshift.analysis.outcomes.records import split_pair
from evalshift.errors import StoreError
from evalshift.evaluate.store import Results


def stored_families(results: Results, pairs: Iterable[str]) -> set[str]:
    """The families of all models with predictions or counts on a set of these pairs; no predictions are read."""
    found: set[str | None] = set()
    for dataset in _datasets(results, pairs):
        with suppress(StoreError):  # what cannot be read is said when its pair is loaded
            _, counted = results.load_counts(dataset) or (None, {})
            found |= {one.provenance.entry.get("family") for one in counted.values()}
        for model in results.models(dataset):
            with suppress(StoreError):
                origin = results.provenance(dataset, model)
                found |= {origin.entry.get("family")} if origin else set()
    return {family for family in found if family is not None}


def stored_models(results: Results, pairs: Iterable[str]) -> list[str]:
    """The names of all models with predictions or counts on a set of these pairs; no predictions are read."""
    found: dict[str, None] = {}
    for dataset in _datasets(results, pairs):
        found |= dict.fromkeys(results.models(dataset))
        with suppress(StoreError):  # what cannot be read is said when its pair is loaded
            _, counted = results.load_counts(dataset) or (None, {})
            found |= dict.fromkeys(counted)
    return list(found)


def _datasets(results: Results, pairs: Iterable[str]) -> Iterator[str]:
    """The sets of these pairs, each once."""
    yield from dict.fromkeys(name for pair in pairs for name in split_pair(seen_alike(results, pair)))
