"""Accuracies over clusters: by hand, in closed form, against statsmodels, as a property, by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.api import OLS

from evalshift.analysis.statistics.clustered import clustered_accuracies, clustered_drop
from evalshift.analysis.statistics.clusterings import clusterings
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.errors import AnalysisError


def drawn(seed: int, clusters: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), rng.integers(1, 15, clusters))
    return rng.random((3, len(cluster))) < rng.beta(4, 1, clusters)[cluster], cluster


def test_ten_clusters_of_two_alike_by_hand():
    # 8 of 10 clusters are correct. Residual sums 0.4 and −1.6, over √(1 − 1/10): (8 · 0.16 + 2 · 2.56)/0.9 = 64/9,
    # over 20²: variance 4/225, where independent images have 0.8 · 0.2/20 = 0.008.
    correct = np.repeat(np.arange(10) < 8, 2)[np.newaxis]
    found = clustered_accuracies(correct, np.repeat(np.arange(10), 2))
    assert found.error[0] ** 2 == pytest.approx(4 / 225)
    assert found.design_effect[0] == pytest.approx(4 / 225 / 0.008)
    assert (found.clusters, found.images, found.df) == (10, 20, pytest.approx(9))


def test_all_correct_counts_clusters():
    found = clustered_accuracies(np.ones((1, 60), dtype=bool), np.repeat(np.arange(20), 3))
    assert found.interval.high[0] == 1
    # 0.025^(1/n) for n of n correct, n below the 20 clusters by what the degrees of freedom cost.
    assert 0.8 < found.interval.low[0] < 0.025 ** (1 / 20)
    assert np.isnan(found.design_effect[0])


def test_images_of_their_own_have_nearly_the_exact_interval():
    correct = (np.arange(400) % 5 > 0)[np.newaxis]
    found = clustered_accuracies(correct, np.full(400, -1))
    exact = clopper_pearson(np.array([320]), np.array([400]))
    assert found.design_effect[0] == pytest.approx(400 / 399)
    assert (found.interval.low[0], found.interval.high[0]) == pytest.approx((exact.low[0], exact.high[0]), abs=1e-3)


def test_the_error_is_statsmodels_but_for_the_correction_of_few_clusters():
    correct, cluster = drawn(1, 200)
    found = clustered_accuracies(correct, cluster)
    for one, error in zip(correct, found.error, strict=True):
        fit = OLS(one.astype(float), np.ones(len(one))).fit(cov_type="cluster", cov_kwds={"groups": cluster})
        assert error == pytest.approx(float(fit.bse[0]), rel=0.01)


@given(seed=st.integers(0, 500))
@settings(max_examples=30)
def test_names_and_order_do_not_matter_and_intervals_hold_the_accuracy(seed):
    correct, cluster = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(cluster))
    one, other = clustered_accuracies(correct, cluster), clustered_accuracies(correct[:, order], 99 - cluster[order])
    assert other.error == pytest.approx(one.error)
    assert other.interval.low == pytest.approx(one.interval.low)
    assert (one.interval.low <= one.accuracy).all()
    assert (one.accuracy <= one.interval.high).all()


def test_the_interval_covers_where_that_of_independent_images_does_not():
    rng = np.random.default_rng(4)
    clustered, alone = 0, 0
    for _ in range(150):
        cluster = np.repeat(np.arange(25), 20)
        correct = (rng.random(500) < rng.beta(4, 1, 25)[cluster])[np.newaxis]
        found, plain = clustered_accuracies(correct, cluster), clopper_pearson(correct.sum(axis=1), np.array([500]))
        clustered += found.interval.low[0] <= 0.8 <= found.interval.high[0]
        alone += plain.low[0] <= 0.8 <= plain.high[0]
    assert clustered >= 136
    assert alone < 110


def test_a_drop_has_the_uncertainty_of_both_sets():
    correct, cluster = drawn(2)
    one = clustered_accuracies(correct, cluster)
    around = clustered_drop(one, one)
    reach = np.hypot(one.accuracy - one.interval.low, one.interval.high - one.accuracy)
    assert around.low == pytest.approx(-reach)
    assert around.high == pytest.approx(reach)


def test_few_clusters_are_refused():
    with pytest.raises(AnalysisError) as error:
        clustered_accuracies(np.ones((1, 27), dtype=bool), np.repeat(np.arange(9), 3))
    assert error.value.found == "9 clusters"


def test_which_attributes_are_clusters():
    found = clusterings(
        {
            "video": [f"v{frame // 4}" for frame in range(48)],
            "place": ["land", "water"] * 24,
            "file": [f"{frame}.jpg" for frame in range(48)],
            "photographer": ["", "", *(f"p{frame % 11}" for frame in range(46))],
        }
    )
    assert list(found) == ["video", "photographer"]
    assert found["video"].tolist() == (np.arange(48) // 4).tolist()
    assert found["photographer"][:4].tolist() == [-1, -1, 0, 1]
