"""Numbers and names as prose and tables show them."""

from collections.abc import Sequence


def number(value: float, digits: int = 2) -> str:
    """A number for prose, with a true minus sign and without a negative zero.

    >>> number(-0.021), number(-0.0001, 1)
    ('−0.02', '0.0')
    """
    return f"{value:z.{digits}f}".replace("-", "−")


def points(fraction: float, digits: int = 1) -> str:
    """A fraction in percentage points.

    >>> points(0.0345)
    '3.5'
    """
    return number(100 * fraction, digits)


def span(one: float, other: float) -> str:
    """An interval of fractions in percentage points, the lower bound first.

    >>> span(0.1, -0.02)
    '[−2.0, 10.0]'
    """
    low, high = sorted((one, other))
    return f"[{points(low)}, {points(high)}]"


def name_some(names: Sequence[str], limit: int = 5) -> str:
    """A list of names short enough for a sentence.

    >>> name_some(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"
