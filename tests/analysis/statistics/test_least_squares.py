"""Many lines at once: by hand, against numpy, and however their points lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalshift.analysis.statistics.least_squares import weighted_least_squares


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


class TestWeightedLeastSquares:
    def test_by_hand(self):
        # Weights 1, 2, 1 of x 0, 1, 2: x̄ = 1, ȳ = (0 + 2 · 3 + 2)/4 = 2; Σw dx² = 2, Σw dx dy = 2 + 0 + 0 = 2.
        lines = weighted_least_squares(
            np.array([[0.0, 1.0, 2.0]]), np.array([[0.0, 3.0, 2.0]]), np.array([[1.0, 2.0, 1.0]])
        )
        assert lines == pytest.approx(np.array([[1.0], [1.0]]))

    def test_agrees_with_numpy(self):
        draw = rng("weights")
        x, y, weights = draw.uniform(0.5, 0.9, (3, 20, 7))
        lines = weighted_least_squares(x, y, weights)
        # numpy.polyfit weighs residuals, not their squares.
        theirs = [np.polyfit(a, b, 1, w=np.sqrt(w)) for a, b, w in zip(x, y, weights, strict=True)]
        np.testing.assert_allclose(lines.T, theirs, rtol=1e-9)

    @given(st.lists(st.integers(0, 4), min_size=4, max_size=9), st.integers(0, 2**32 - 1))
    def test_a_whole_weight_repeats_its_point(self, weights, seed):
        x, y = np.random.default_rng(seed).uniform(0, 1, (2, len(weights)))
        line = weighted_least_squares(x[np.newaxis], y[np.newaxis], np.array([weights], dtype=float))[:, 0]
        again = np.repeat(np.arange(len(weights)), weights)
        if len(set(again)) < 2:
            assert np.isnan(line).all()
        else:
            np.testing.assert_allclose(line, np.polyfit(x[again], y[again], 1), rtol=1e-6, atol=1e-9)

    def test_one_accuracy_has_no_line_however_its_digits_fall(self):
        x = np.full((1, 7), 0.1 + 0.2)
        x[0, 6] = 0.9
        weights = np.array([[3.0, 1, 7, 0, 2, 5, 0], [0, 0, 0, 0, 0, 0, 3]])
        assert np.isnan(weighted_least_squares(x, np.linspace(0, 1, 7)[np.newaxis], weights)).all()

    @pytest.mark.parametrize("far", [0.0, 0.1, 100.0])
    def test_lines_of_the_same_points_are_those_of_each_alone(self, far):
        # One point lies far off, where a line that leaves it out would lose the digits of the others.
        draw = rng("same points")
        x, y = draw.uniform(0.5, 0.9, (2, 12))
        x[3], y[3] = x[3] + far, y[3] - far
        weights = draw.integers(0, 3, size=(300, 12)).astype(float)
        weights[:100, 3] = 0
        lines = weighted_least_squares(x[np.newaxis], y[np.newaxis], weights)
        each = [np.polyfit(x[w > 0], y[w > 0], 1, w=np.sqrt(w[w > 0])) for w in weights]
        np.testing.assert_allclose(lines.T, each, rtol=1e-9, atol=1e-9)

    @given(st.integers(1, 12), st.integers(2, 9), st.integers(0, 2**32 - 1))
    def test_close_points_keep_their_digits(self, digits, models, seed):
        # Points that differ in their last digits alone, beside one that has no weight: exact in integers.
        draw = np.random.default_rng(seed)
        steps, rise = draw.integers(0, 8, models), draw.integers(-3, 4)
        x = np.append(1 + steps * 2.0**-digits, 0.0)
        y = np.append(rise * steps * 2.0**-digits, 5.0)
        weights = np.append(draw.integers(1, 5, models), 0.0)[np.newaxis]
        slope = weighted_least_squares(x[np.newaxis], y[np.newaxis], weights)[0, 0]
        if len(set(steps.tolist())) < 2:
            assert np.isnan(slope)
        else:
            assert slope == pytest.approx(rise, abs=1e-9)
