"""Differences of effective robustness of all pairs: those of each pair alone, by another implementation."""

from itertools import combinations

import numpy as np
import pytest

from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.robustness_differences import robustness_differences
from evalshift.analysis.statistics.robustness_of_pairs import robustness_of_pairs
from evalshift.errors import AnalysisError


@pytest.fixture
def correct() -> tuple[np.ndarray, np.ndarray]:
    """Ten models on 800 and 500 images that they share; the first is far below the others."""
    rng = np.random.default_rng(3)
    skills = np.array([0.3, 0.62, 0.65, 0.7, 0.74, 0.78, 0.8, 0.83, 0.86, 0.9])
    original, new = rng.random(800), rng.random(500) * 1.1
    noise = rng.normal(0, 0.03, (2, 10))
    return (original < (skills + noise[0])[:, np.newaxis], new < (skills + noise[1])[:, np.newaxis])


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_each_pair_has_what_it_has_alone(correct, scale, paired):
    original, new = correct
    counts = (original.sum(axis=1), np.full(10, 800), new.sum(axis=1), np.full(10, 500))
    in_line = np.arange(10) != 4  # a family that the line leaves out
    covariances = (sampling_covariance(original), sampling_covariance(new)) if paired else None
    found = robustness_of_pairs(counts, in_line=in_line, covariances=covariances, scale=scale, level=0.9)

    undetermined = 0
    for pair in combinations(range(10), 2):
        chosen = np.isin(np.arange(10), pair)
        alone = robustness_differences(counts, chosen, in_line=in_line, covariances=covariances, scale=scale, level=0.9)
        assert found.difference[pair] == pytest.approx(alone.difference[0, 1])
        assert found.difference[pair[::-1]] == pytest.approx(alone.difference[1, 0])
        assert found.interval.low[pair] == pytest.approx(alone.interval.low[0, 1])
        assert found.interval.high[pair] == pytest.approx(alone.interval.high[0, 1])
        assert found.p_value[pair] == pytest.approx(alone.p_value[0, 1])
        both = [found.distance[pair], found.distance[pair[::-1]]]
        assert both == pytest.approx(alone.reported.tolist(), nan_ok=True)
        undetermined += int(np.isnan(both).sum())
    assert 0 < undetermined < 20  # some are beyond their line, most are not
    assert np.isnan(np.diag(found.difference)).all()


def test_pairs_that_leave_four_models_have_nothing(correct):
    original, new = (side[:7] for side in correct)
    counts = (original.sum(axis=1), np.full(7, 800), new.sum(axis=1), np.full(7, 500))
    found = robustness_of_pairs(counts, in_line=np.arange(7) < 6)

    assert np.isnan(found.difference[:6, :6]).all()
    assert np.isfinite(found.difference[:6, 6]).all()
    with pytest.raises(AnalysisError, match="too few models to compare two of them"):
        robustness_of_pairs(counts, in_line=np.arange(7) < 4)
