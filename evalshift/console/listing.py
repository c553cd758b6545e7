"""`evalshift list`: models, datasets and pairs of a registry, as a table or as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from evalshift.console.terminal import least_width, print_table, seen_width, stdout, wrapped
from evalshift.errors import UsageError, did_you_mean, unknown_name
from evalshift.formatting import percent

if TYPE_CHECKING:
    from evalshift.testbed.readiness import State
    from evalshift.testbed.registry import Pair, Registry


@dataclass(frozen=True)
class Choice:
    """Which entries to list: all whose names match `names`, of these sources, and only those that can run now.

    Empty means any; globs are those of `--models`.
    """

    names: Sequence[str] = ()
    sources: Sequence[str] = ()
    runnable: bool = False


# One entry as JSON has it. Tables show some of it.
_Row = dict[str, Any]


def list_models(registry: "Registry", choice: Choice) -> list[_Row]:
    """The models with their label space, family, year, expected accuracies, and whether they can run."""
    from evalshift.testbed.state import model_state

    return _rows(
        registry.models,
        choice,
        model_state,
        lambda entry: {
            "family": entry.family,
            "year": entry.year,
            "expected": dict(entry.expected),
            "on_request": entry.on_request,
        },
    )


def list_datasets(registry: "Registry", choice: Choice) -> list[_Row]:
    """The datasets with their label space, and whether they are on disk."""
    from evalshift.testbed.state import dataset_state

    return _rows(registry.datasets, choice, dataset_state, _told_of_dataset)


def _told_of_dataset(entry: Any) -> _Row:
    return {"note": entry.note, "homepage": entry.homepage, "licence": entry.licence}


def _rows(
    entries: Mapping[str, Any],
    choice: Choice,
    state_of: Callable[[Any], "State"],
    others: Callable[[Any], _Row],
) -> list[_Row]:
    """The chosen entries of one kind: what models and datasets have in common, with the `others` of their kind."""
    rows = []
    for name, entry in entries.items():
        if _is_chosen(name, entry.source, choice):
            state = state_of(entry)
            rows.append(
                {
                    "name": name,
                    "title": entry.title,
                    "source": entry.source,
                    "classes": entry.classes,
                    **others(entry),
                    "can_run": state.can_run,
                    "state": state.words,
                }
            )
    return _runnable(rows, choice)


def list_pairs(registry: "Registry", choice: Choice) -> list[_Row]:
    """The pairs, and how many models fit each; a pair with a wildcard in its name stands for `pairs` of them."""
    rows = [row for pair in registry.pairs if (row := _pair_row(registry, pair, [pair], choice))]
    for family in registry.families_of_pairs:
        pairs = registry.matching_pairs(str(family))
        named = not choice.names or any(fnmatchcase(str(family), glob) for glob in choice.names)
        found = [_pair_row(registry, family, pairs, choice)] if named else []
        rows += [row for row in found or (_pair_row(registry, pair, [pair], choice) for pair in pairs) if row]
    return _runnable(rows, choice)


def _pair_row(registry: "Registry", name: "Pair", pairs: Sequence["Pair"], choice: Choice) -> _Row | None:
    """What is said of a pair, or of a family of pairs by its first; None if it is not among those chosen."""
    from evalshift.testbed.state import dataset_state

    sides = [registry.dataset(one) for one in (pairs[0].original, pairs[0].new)]
    if not (_matches(str(name), choice.names) and _any_of(choice.sources, [side.source for side in sides])):
        return None
    classes = sides[0].predicted_in
    return {
        "name": str(name),
        "original": name.original,
        "new": name.new,
        "classes": classes,
        "pairs": len(pairs),
        "models": sum(model.classes == classes for model in registry.models.values()),
        "can_run": all(dataset_state(side).can_run for side in sides),
    }


def print_listing(what: str, registry: "Registry", choice: Choice, *, as_json: bool = False) -> None:
    """Print the entries of one kind; raises UsageError for a kind, a source or a glob that names nothing."""
    if what not in _KINDS:
        raise UsageError(f'unknown kind of entry "{what}"', expected=", ".join(_KINDS), fix=did_you_mean(what, _KINDS))
    find, show = _KINDS[what]
    _check(what, registry, choice)
    rows = find(registry, choice)
    if as_json:
        stdout().print(json.dumps(rows, indent=1, ensure_ascii=False), soft_wrap=True)
    elif rows:
        show(rows)
    else:
        stdout().print(f"no {what.removesuffix('s')} fits")


def _names_of_pairs(registry: "Registry") -> list[str]:
    """The names of all pairs and of the families of pairs, and of the pairs in these."""
    families = registry.families_of_pairs
    inside = (pair for family in families for pair in registry.matching_pairs(str(family)))
    return [str(pair) for pair in (*registry.pairs, *families, *inside)]


def _check(what: str, registry: "Registry", choice: Choice) -> None:
    entries = {
        "models": registry.models,
        "datasets": registry.datasets,
        "pairs": _names_of_pairs(registry),
    }[what]
    for glob in choice.names:
        if not any(fnmatchcase(name, glob) for name in entries):
            raise UsageError(
                f"no {what.removesuffix('s')} has this name",
                where=registry.path,
                found=f'"{glob}"',
                fix=did_you_mean(glob, list(entries)),
            )
    sources = {entry.source for entry in (*registry.models.values(), *registry.datasets.values())}
    for source in choice.sources:
        if source not in sources:
            raise unknown_name("no entry is of this source", source, sorted(sources), where=registry.path)


def _is_chosen(name: str, source: str, choice: Choice) -> bool:
    return _matches(name, choice.names) and _any_of(choice.sources, [source])


def _matches(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _any_of(wanted: Sequence[str], found: Sequence[str]) -> bool:
    return not wanted or any(one in wanted for one in found)


def _runnable(rows: list[_Row], choice: Choice) -> list[_Row]:
    return [row for row in rows if row["can_run"]] if choice.runnable else rows


def _show_models(rows: Iterable[_Row]) -> None:
    cells = [
        (
            row["name"],
            row["classes"],
            row["family"] or "",
            str(row["year"] or ""),
            ", ".join(f"{dataset} {percent(accuracy)} %" for dataset, accuracy in row["expected"].items()),
            row["on_request"] or "",
        )
        for row in rows
    ]
    columns = ("model", "classes", "family", "year", "expected", "run on request")
    if not any(row[-1] for row in cells):
        columns, cells = columns[:-1], [row[:-1] for row in cells]
    _print_fitting(columns, cells, ("run on request", "year", "family", "classes", "expected"))


def _show_datasets(rows: Iterable[_Row]) -> None:
    _print_fitting(
        ("dataset", "classes", "state", "what it is"),
        [(row["name"], row["classes"], row["state"], row["note"] or "") for row in rows],
        ("what it is", "classes", "state"),
    )


def _show_pairs(rows: Iterable[_Row]) -> None:
    cells = [(row["name"], row["classes"], str(row["pairs"]), str(row["models"])) for row in rows]
    columns = ("pair", "classes", "pairs", "models")
    _print_fitting(columns, cells, ("classes", "models", "pairs"), right=("pairs", "models"))


def _print_fitting(
    columns: Sequence[str], cells: Sequence[Sequence[str]], less: Sequence[str], right: Sequence[str] = ()
) -> None:
    """Print a table without the columns for which there is no room, the `less` important ones first, and say which."""
    shown = list(columns)
    omitted = [column for column in less if column in shown and _omit(column, columns, cells, shown)]
    places = [columns.index(column) for column in shown]
    align = "".join("r" if column in right else "l" for column in shown)
    print_table(shown, [[row[place] for place in places] for row in cells], align)
    if omitted:
        names = ", ".join(column for column in columns if column in omitted)
        stdout().print(wrapped(f"not shown at this width: {names}; --json has all", ""), soft_wrap=True)


def _omit(column: str, columns: Sequence[str], cells: Sequence[Sequence[str]], shown: list[str]) -> bool:
    """Take a column out of those shown if they are wider than the terminal."""
    places = [columns.index(one) for one in shown]
    needed = least_width(shown, [[row[place] for place in places] for row in cells])
    too_wide = (width := seen_width()) is not None and needed > width
    if too_wide:
        shown.remove(column)
    return too_wide


_KINDS: dict[str, tuple[Callable[["Registry", Choice], list[_Row]], Callable[[list[_Row]], None]]] = {
    "models": (list_models, _show_models),
    "datasets": (list_datasets, _show_datasets),
    "pairs": (list_pairs, _show_pairs),
}
