"""Calls with arrays of a wrong shape fail, the first ones and some of all later ones."""

import beartype
import numpy as np
import pytest
from jaxtyping import Float, TypeCheckError
from shapes_checked import AT_FIRST, THEN, check_some_calls, modules_with_arrays

from evalshift.analysis.statistics.scales import to_scale


@check_some_calls(typechecker=beartype.beartype)
def total(values: Float[np.ndarray, " images"]) -> float:
    return float(values.sum())


def test_wrong_shapes_are_found_at_first_and_now_and_then() -> None:
    wrong = np.ones((2, 2))
    for _ in range(AT_FIRST):
        with pytest.raises(TypeCheckError):
            total(wrong)

    found = 0
    for _ in range(4 * THEN):
        try:
            assert total(wrong) == 4
        except TypeCheckError:
            found += 1
    assert found == 4


def test_functions_of_the_package_are_checked() -> None:
    assert to_scale.__module__ in modules_with_arrays()
    complaints = set()
    for _ in range(THEN):  # however often other tests have called it
        try:
            to_scale("half", "probit")  # pyright: ignore
        except TypeError as error:
            complaints.add(type(error))
    assert TypeCheckError in complaints
