"""Entries that stand for several test sets, one of which `name@choice` selects."""

from collections.abc import Iterable

from evalshift.errors import UsageError


def not_chosen(where: str, found: str, expected: str, fix: str) -> UsageError:
    """The error for an entry of which none is chosen."""
    return UsageError(
        "this name has several variants, one of which must be chosen",
        where=where,
        found=found,
        expected=expected,
        fix=fix,
    )


def corruption_not_chosen(where: str, corruption: object, name: str, offered: Iterable[str]) -> UsageError:
    """The same for corruptions at severities: `corruption` is the entry's, None for none; `offered` are all."""
    return not_chosen(
        where,
        found="no corruption" if corruption is None else "no severity",
        expected=f"a corruption and a severity from 1 to 5, such as {name}@fog-3",
        fix=f"choose among {', '.join(offered)}",
    )
