"""Models by name or glob."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from evalshift.errors import unknown_name
from evalshift.formatting import name_some


def is_glob(name: str) -> bool:
    """Whether a name has a wildcard in it."""
    return any(sign in name for sign in "*?[")


def matching(wanted: str, models: Iterable[str]) -> list[str]:
    """The models of this name, or those that match it as a glob, in their order.

    >>> matching("my-*", ["resnet50", "my-b", "my-a"]), matching("[a]", ["[a]", "a"])
    (['my-b', 'my-a'], ['[a]'])
    """
    known = list(models)
    return [wanted] if wanted in known else [model for model in known if fnmatchcase(model, wanted)]


def select_models(wanted: Sequence[str], models: Iterable[str]) -> list[str]:
    """The models of these names and globs, each once, in the order of `models`."""
    known = list(models)
    chosen = {model for one in wanted for model in matching(one, known)}
    return [model for model in known if model in chosen]


def check_selection(argument: str, wanted: Sequence[str], models: Iterable[str]) -> None:
    """UsageError for a name or glob that matches none of the models; `argument` is what it was given as."""
    known = list(dict.fromkeys(models))
    for one in wanted:
        if not matching(one, known):
            raise unknown_name(
                f"no model of the report has this name (`{argument}`)",
                one,
                known,
                expected=name_some(known) if known else "models with predictions on both sets",
            )
