"""Statistics that are not computed: a reason in words instead of the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from evalshift.errors import AnalysisError

Result = TypeVar("Result")
Other = TypeVar("Other")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Missing:
    """Why a statistic is not computed, as a sentence that begins in lower case and has no full stop."""

    reason: str


def attempt(compute: Callable[[], Result]) -> Result | Missing:
    """What `compute` gives, or why it cannot: an AnalysisError becomes its reason, any other error goes on.

    >>> attempt(lambda: 7)
    7
    """
    try:
        return compute()
    except AnalysisError as error:
        return Missing(error.problem + (f" ({error.found})" if error.found else ""))


def require(result: Result | Missing) -> Result:
    """The result; where there is none, an AnalysisError with the reason, which `attempt` makes a `Missing` of again.

    >>> require(7)
    7
    """
    if isinstance(result, Missing):
        raise AnalysisError(result.reason)
    return result


def or_missing(make: Callable[Arguments, Result]) -> Callable[Arguments, Result | Missing]:
    """A function that gives Missing, with the reason, where a result that it requires is missing.

    >>> half = or_missing(lambda result: require(result) / 2)
    >>> half(7), half(Missing("too few models"))
    (3.5, Missing(reason='too few models'))
    """

    @wraps(make)
    def made(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result | Missing:
        return attempt(lambda: make(*arguments, **named))

    return made


def or_none(make: Callable[Arguments, Result]) -> Callable[Arguments, Result | None]:
    """A function that gives None where a result that it requires is missing.

    >>> half = or_none(lambda result: require(result) / 2)
    >>> half(7), half(Missing("too few models"))
    (3.5, None)
    """

    @wraps(make)
    def made(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result | None:
        return or_else(attempt(lambda: make(*arguments, **named)), None)

    return made


def either(result: Result | Missing, use: Callable[[Result], Other], otherwise: Callable[[str], Other]) -> Other:
    """What `use` makes of the result; where there is none, what `otherwise` makes of the reason.

    >>> either(Missing("too few models"), str, lambda reason: f"not computed: {reason}")
    'not computed: too few models'
    """
    reason = _reason(result)
    return use(require(result)) if reason is None else otherwise(reason)


def or_else(result: Result | Missing, default: Other) -> Result | Other:
    """The result; `default` where there is none.

    >>> or_else(7, 0), or_else(Missing("too few models"), 0)
    (7, 0)
    """
    return default if _reason(result) is not None else require(result)


def computed(results: Mapping[str, Result | Missing]) -> dict[str, Result]:
    """Those results by name that are computed.

    >>> computed({"slope": 1.1, "year": Missing("too few years")})
    {'slope': 1.1}
    """
    return {name: require(result) for name, result in results.items() if _reason(result) is None}


def reasons(results: Mapping[str, object]) -> dict[str, str]:
    """Why each of the others is not, by name.

    >>> reasons({"slope": 1.1, "year": Missing("too few years")})
    {'year': 'too few years'}
    """
    found = {name: _reason(result) for name, result in results.items()}
    return {name: reason for name, reason in found.items() if reason is not None}


def _reason(result: object) -> str | None:
    return result.reason if isinstance(result, Missing) else None
