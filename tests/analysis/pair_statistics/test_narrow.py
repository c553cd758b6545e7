"""Matrices over many models take half of the memory; those over few keep every digit."""

import numpy as np
import pytest

from evalshift.analysis.pair_statistics.narrow import narrowed
from evalshift.analysis.statistics.paired import compare_models


@pytest.mark.parametrize("models, kind", [(200, np.float64), (201, np.float32)])
def test_of_many_models_alone(models: int, kind: type) -> None:
    rng = np.random.default_rng(list(b"narrow"))
    compared = compare_models(rng.random((models, 40)) < 0.7)
    found = narrowed(compared)
    assert found.difference.dtype == found.interval.low.dtype == found.p_value.dtype == kind
    np.testing.assert_array_equal(found.only, compared.only)
    np.testing.assert_allclose(found.interval.high, compared.interval.high, rtol=1e-6)
