"""The mean drop where images come in clusters: by hand, against single images, against statsmodels, and by coverage."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from evalshift.analysis.pair_statistics.compute import compute_statistics
from evalshift.analysis.statistics.clustered import cluster_mean
from evalshift.analysis.statistics.mean_drop import mean_drop, mean_drop_of_clusters


def test_by_hand():
    # Four clusters of five images, means 0, 1, 1, 0: equal sizes, so the variance is s²/4 with s² = 1/3, df 3. On the
    # new set means 0, 1, 0, 0: s² = 1/4. df (1/12 + 1/16)²/((1/12)²/3 + (1/16)²/3) = 5.769.
    cluster = np.repeat(np.arange(4), 5)
    original, new = (
        np.repeat([bools], 5, axis=1) for bools in ([False, True, True, False], [False, True, False, False])
    )
    found = mean_drop_of_clusters(original, new, (cluster, cluster))
    assert found is not None
    reach = stats.t.isf(0.025, (1 / 12 + 1 / 16) ** 2 / ((1 / 12) ** 2 / 3 + (1 / 16) ** 2 / 3)) * np.sqrt(
        1 / 12 + 1 / 16
    )
    assert (found.drop, found.interval.high) == pytest.approx((0.25, 0.25 + reach))


def test_an_image_each_is_welchs_interval():
    draw = np.random.default_rng(0)
    original, new = draw.uniform(size=(3, 300)) < 0.8, draw.uniform(size=(3, 200)) < 0.7
    alone = np.full(300, -1), np.arange(200)
    ours, theirs = mean_drop_of_clusters(original, new, alone), mean_drop(original, new)
    assert ours is not None
    assert theirs is not None
    assert (ours.interval.low, ours.interval.high) == pytest.approx(
        (theirs.interval.low, theirs.interval.high), rel=1e-6
    )


def test_the_standard_error_is_near_statsmodels_clustered_one():
    draw = np.random.default_rng(1)
    member = draw.integers(60, size=500)
    values = draw.uniform(size=500) + draw.uniform(size=60)[member]
    fitted: Any = sm.OLS(values, np.ones(500)).fit(cov_type="cluster", cov_kwds={"groups": member})
    # Theirs is CR1, whose correction for few clusters is another: 60/59 · 499/499.
    assert cluster_mean(values, member).error == pytest.approx(float(fitted.bse[0]), rel=0.02)


def test_nothing_without_variance_between_clusters():
    same = np.ones((2, 6), bool)
    assert mean_drop_of_clusters(same, same, (np.arange(6), np.arange(6))) is None
    assert mean_drop_of_clusters(same, same, (np.zeros(6, int), np.arange(6))) is None


def test_intervals_cover_where_single_images_do_not():
    held = np.zeros(2)
    for seed in range(300):
        draw = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(30), 10)
        sides = [
            draw.standard_normal((1, 300)) + 1.5 * draw.standard_normal(30)[cluster] < quantile * np.sqrt(1 + 1.5**2)
            for quantile in (0.8, 0.4)
        ]
        truth = stats.norm.cdf(0.8) - stats.norm.cdf(0.4)
        for place, found in enumerate(
            (mean_drop_of_clusters(sides[0], sides[1], (cluster, cluster)), mean_drop(*sides))
        ):
            assert found is not None
            held[place] += found.interval.low < truth < found.interval.high
    # A standard error of 1.3 points.
    assert 0.91 < held[0] / 300 < 0.985
    assert held[1] / 300 < 0.8


def test_a_report_uses_the_clusters_that_images_are_declared_in(make_pair_of_videos):
    outcomes, predictions, clusters = make_pair_of_videos
    found = compute_statistics(outcomes, predictions, resamples=0).mean_drop
    theirs = mean_drop_of_clusters(predictions[0].correct(), predictions[1].correct(), clusters)
    assert theirs is not None
    assert found.interval == theirs.interval


@pytest.fixture
def make_pair_of_videos():
    from evalshift.analysis.outcomes.records import ImagePredictions, Outcomes

    draw, cluster = np.random.default_rng(5), np.repeat(np.arange(20), 4)
    labels = np.arange(80) % 3
    sides = []
    for name, easy in (("old", 1.0), ("new", 0.3)):
        missed = draw.standard_normal((4, 80)) + draw.standard_normal(20)[cluster] > easy
        top = np.where(missed, (labels + 1) % 3, labels)[:, :, np.newaxis]
        video = {"video": tuple(f"v{one}" for one in cluster)} if name == "new" else {}
        ids = tuple(f"{name}{image}" for image in range(80))
        sides.append(ImagePredictions(name, tuple("abcd"), top, labels, ids, tuple("xyz"), video))
    counts = [side.correct().sum(axis=1) for side in sides]
    outcomes = Outcomes("old", "new", "top1", tuple("abcd"), counts[0], counts[1], 80, 80, {})
    return outcomes, tuple(sides), (np.full(80, -1), cluster)
