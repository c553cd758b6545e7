"""Numbers as text: one rounding, whoever prints them."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalshift.formatting import number, percent, points


@pytest.mark.parametrize(
    "correct, total, printed",
    [
        (1293, 2000, "64.7"),  # 64.65 %: as a float 100 * 0.6465 lies below it, 100 * 1293 / 2000 does not
        (1291, 2000, "64.6"),  # 64.55 %
        (1, 2000, "0.1"),  # 0.05 %
        (1999, 2000, "100.0"),  # 99.95 %
        (9173, 10_000, "91.7"),
    ],
)
def test_a_half_is_rounded_up_however_the_fraction_was_worked_out(correct: int, total: int, printed: str) -> None:
    assert percent(correct / total) == printed
    assert number(100 * correct / total, 1) == printed
    assert points(-correct / total) == "−" + printed


@given(
    st.integers(1, 50_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))), st.integers(0, 3)
)
def test_an_accuracy_is_rounded_as_by_hand(counts: tuple[int, int], digits: int) -> None:
    correct, total = counts
    exact = (Decimal(100) * correct / total).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    assert percent(correct / total, digits) == str(exact)


@pytest.mark.parametrize(
    "value, printed", [(float("nan"), "nan"), (float("inf"), "inf"), (-1e-9, "0.00"), (1e20, "1" + 20 * "0" + ".00")]
)
def test_what_is_no_ordinary_number(value: float, printed: str) -> None:
    assert number(value) == printed
