import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.statistics.percentiles import central_bounds

DRAWS = 20_000


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.99, 0.9999])
def test_bounds_are_those_of_numpy_to_the_last_bit(level: float) -> None:
    rng = np.random.default_rng(0)
    samples = {
        "normal": rng.normal(size=(3, DRAWS)),
        "few values": rng.integers(0, 4, (3, DRAWS)).astype(float),
        "one value": np.ones((1, DRAWS)),
        "sorted": np.sort(rng.standard_cauchy((2, DRAWS)), axis=1),
        "a period that the sample meets": np.tile(np.arange(10.0), (1, DRAWS // 10)),
        "infinite": np.where(rng.random((2, DRAWS)) < 0.3, np.inf, rng.normal(size=(2, DRAWS))),
        "undefined": np.where(rng.random((2, DRAWS)) < 0.001, np.nan, 1.0),
        "few": rng.normal(size=(2, 7)),
    }
    for name, draws in samples.items():
        with np.errstate(invalid="ignore"):  # infinity less infinity, by numpy's interpolation
            expected = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1)
            np.testing.assert_array_equal(central_bounds(draws, level), expected, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(st.integers(8_000, 30_000), st.floats(0.01, 0.9999), st.integers(0, 2**32 - 1))
def test_bounds_are_those_of_numpy_for_any_number_and_level(count: int, level: float, seed: int) -> None:
    draws = np.random.default_rng(seed).standard_t(2, count)
    np.testing.assert_array_equal(central_bounds(draws, level), np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]))


def test_without_draws_there_are_no_bounds() -> None:
    assert np.isnan(central_bounds(np.empty((3, 0)), 0.95)).all()
    assert central_bounds(np.empty(0), 0.95).shape == (2,)


def test_the_draws_are_left_as_they_are() -> None:
    draws = np.random.default_rng(0).normal(size=DRAWS)
    kept = draws.copy()
    central_bounds(draws, 0.95)
    np.testing.assert_array_equal(draws, kept)
