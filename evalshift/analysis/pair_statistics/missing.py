"""Statistics that are not computed: a reason in words in place of the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from evalshift.errors import AnalysisError

Result = TypeVar("Result")


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


def there(*results: object) -> bool:
    """Whether all of these were computed."""
    return not any(isinstance(result, Missing) for result in results)
