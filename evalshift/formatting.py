"""Numbers and names as prose and tables show them."""

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

# What stands in a table where a number is undefined; its note says why.
EMPTY = "–"
_WIDE = Context(prec=400)  # digits enough for any float
# How a number is rounded depends on all of its digits where it is so near the middle of two.
_FEW, _NEAR_HALF = 1e6, 1e-3


def number(value: float, digits: int = 2) -> str:
    """A number for prose, with a true minus sign and without a negative zero; a half is rounded away from zero.

    >>> number(-0.021), number(-0.0001, 1), number(0.125)
    ('−0.02', '0.0', '0.13')
    """
    if not math.isfinite(value):
        return f"{value}".replace("-", "−")
    scaled = abs(value) * 10**digits
    if scaled < _FEW and abs(scaled % 1 - 0.5) > _NEAR_HALF:  # in a third of the time, and the same
        return f"{value:z.{digits}f}".replace("-", "−")
    # Twelve digits take away what arithmetic with floats adds: 100 * 0.6465 lies a little below 64.65.
    exact = Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)
    return f"{exact:zf}".replace("-", "−")


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction in per cent, without the sign of it.

    >>> percent(0.8248), percent(-0.0001), percent(1293 / 2000)
    ('82.5', '0.0', '64.7')
    """
    return number(100 * fraction, digits)


def points(fraction: float, digits: int = 1) -> str:
    """A fraction in percentage points.

    >>> points(0.0345)
    '3.5'
    """
    return number(100 * fraction, digits)


def signed_points(fraction: float) -> str:
    """A fraction in percentage points, with its sign.

    >>> signed_points(0.012), signed_points(-0.0301), signed_points(0.0)
    ('+1.2', '−3.0', '0.0')
    """
    text = points(fraction)
    return text if text.startswith("−") or text == "0.0" else f"+{text}"


def signed_count(change: int) -> str:
    """A change of a count or a rank, with its sign.

    >>> signed_count(3), signed_count(-12), signed_count(0)
    ('+3', '−12', '0')
    """
    return f"{change:+,d}".replace("-", "−") if change else "0"


def span(one: float, other: float) -> str:
    """An interval of fractions in percentage points, the lower bound first.

    >>> span(0.1, -0.02)
    '[−2.0, 10.0]'
    """
    low, high = sorted((one, other))
    return f"[{points(low)}, {points(high)}]"


def duration(seconds: float) -> str:
    """A time in the two units that matter.

    >>> duration(0.24), duration(9.97), duration(75.0), duration(7325.0), duration(200_000.0)
    ('0.2 s', '10 s', '1 min 15 s', '2 h 2 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{number(seconds, 1)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for large, small, in_large, in_small in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1)):
        if whole >= in_large:
            rest = whole % in_large // in_small
            return f"{whole // in_large} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError(seconds)


def ci_words(low: str, high: str, level: float = 0.95) -> str:
    """A confidence interval for prose, of bounds that are text already.

    >>> ci_words("10.8", "12.8")
    '95 % CI 10.8 to 12.8'
    """
    return f"{100 * level:g} % CI {low} to {high}"


def points_ci(one: float, other: float, level: float = 0.95) -> str:
    """A confidence interval of fractions for prose, in percentage points, the lower bound first.

    >>> points_ci(0.1, -0.02)
    '95 % CI −2.0 to 10.0'
    """
    low, high = sorted((one, other))
    return ci_words(points(low), points(high), level)


def name_some(names: Sequence[str], limit: int = 5) -> str:
    """A list of names short enough for a sentence.

    >>> name_some(["a", "b", "c", "d"], limit=2)
    'a, b and 2 more'
    """
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit:,} more"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "model"), counted(1200, "class", "classes")
    ('1 model', '1,200 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def p_cell(p_value: float) -> str:
    """A p-value for a table.

    >>> p_cell(0.0312), p_cell(0.5), p_cell(0.0004), p_cell(float("nan"))
    ('0.031', '0.500', '< 0.001', '–')
    """
    return EMPTY if math.isnan(p_value) else "< 0.001" if p_value < 0.001 else number(p_value, 3)


def p_words(p_value: float) -> str:
    """A p-value for prose: two digits after the point where they say enough.

    >>> p_words(0.31), p_words(0.0042), p_words(0.0004)
    ('p = 0.31', 'p = 0.004', 'p < 0.001')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {number(p_value, 3 if p_value < 0.01 else 2)}"


_UNITS = {"": 1, "b": 1} | {
    prefix + end: base**power
    for power, prefix in enumerate("kmgt", start=1)
    for end, base in (("", 1000), ("b", 1000), ("ib", 1024))
}


def bytes_in(size: object) -> int | None:
    """Bytes of a size such as "20GB", "1.5 TB", "512MiB" or 0; None for what is no size.

    >>> bytes_in("20GB"), bytes_in("512 MiB"), bytes_in(0), bytes_in("much")
    (20000000000, 536870912, 0, None)
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)\s*", str(size).lower())
    unit = _UNITS.get(found[2]) if found and not isinstance(size, bool) else None
    return None if found is None or unit is None else int(float(found[1]) * unit)
