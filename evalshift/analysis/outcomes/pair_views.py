"""The views of a pair's sets: under which name a pair is stored, and whether both sets are of the same classes."""

from collections.abc import Sequence
from contextlib import suppress

from evalshift.analysis.outcomes.records import split_pair
from evalshift.errors import AnalysisError, StoreError
from evalshift.evaluate.store import CountedDataset, Results, StoredDataset


def seen_alike(results: Results, pair: str) -> str:
    """The name under which a run stored a pair: where one set has a view, the other one is seen in it too.

    imagenet:imagenet-a was run as imagenet@imagenet-a:imagenet-a. A pair that is stored as it is named is that pair.
    Damaged files tell nothing: whoever needs what is in them says so.
    """
    names = split_pair(pair)
    stored: list[str] = []
    with suppress(StoreError):
        stored = results.pairs()
    if pair in stored:
        return pair
    both = {one for one in stored if _without_view(one) == names}
    if len(both) == 1 and not set(names) <= set(results.datasets()):
        return both.pop()
    views = [_view_of(results, name) for name in names]
    if None not in views or views[0] == views[1]:
        return pair
    right = _right_pair(names, views)
    return right if any(_is_stored(results, name) for name in right.split(":") if name not in names) else pair


def _view_of(results: Results, name: str) -> str | None:
    """The name of the view that a stored or counted dataset is seen in."""
    with suppress(StoreError):
        facts = results.dataset_facts(name)
        if facts is not None:
            return (facts.view or {}).get("name") or facts.entry.get("view")
    with suppress(StoreError):
        counted = results.load_counts(name)
        return counted[0].view.name if counted and counted[0].view else None
    return None


def _is_stored(results: Results, name: str) -> bool:
    return name in results.datasets() or results.counts_file(name).exists()


def _right_pair(names: Sequence[str], views: Sequence[str | None]) -> str:
    """The pair with both sets in the view of one."""
    view = views[0] or views[1]
    return ":".join(
        name if own or name.endswith(f"@{view}") else f"{name}@{view}" for name, own in zip(names, views, strict=True)
    )


def refuse_unlike(original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset) -> None:
    """AnalysisError where one set is of other classes than the other: a view on one side alone, or two views."""
    views = [dataset.view for dataset in (original, new)]
    if views[0] is views[1] or (views[0] is not None and views[1] is not None and views[0].same_as(views[1])):
        return
    names = [original.name, new.name]
    seen = [
        f"{name} is of all classes" if view is None else f"{name} of {len(view.labels)} (view {view.name})"
        for name, view in zip(names, views, strict=True)
    ]
    fix = None
    if None in views:
        right = _right_pair(names, [None if view is None else view.name for view in views])
        fix = f"the pair is {right}: run it, or import what was measured on these classes under these names"
    raise AnalysisError(
        "this pair compares different classes",
        where=":".join(names),
        found=", ".join(seen),
        expected="the same classes on both sides",
        fix=fix,
    )


def _without_view(pair: str) -> tuple[str, str] | None:
    """The names of a pair's datasets without the view that both are seen in; None where their names have none."""
    (original, _, view), (new, _, other) = (name.rpartition("@") for name in split_pair(pair))
    return (original, new) if original and new and view == other else None
