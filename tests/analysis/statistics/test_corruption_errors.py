"""Corruption errors: by hand, in closed form, as others compute them, by simulation, and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.statistics.corruption_errors import (
    ALEXNET_CLEAN_ERROR,
    ALEXNET_ERRORS,
    ReferenceErrors,
    corruption_errors,
)
from evalshift.analysis.statistics.image_sets import ImageSets
from evalshift.analysis.statistics.several_shifts import SetCounts


def counts(*correct: float, total: int = 1000) -> SetCounts:
    return SetCounts(np.array(correct, dtype=np.int64), np.full(len(correct), total))


def test_two_corruptions_by_hand():
    # Errors of the model: clean 0.1, fog 0.3 and 0.5, snow 0.2; of the reference: 0.3, 0.7 and 0.9, 0.5.
    clean = counts(900, 700)
    sets = [counts(700, 300), counts(500, 100), counts(800, 500)]
    found = corruption_errors(clean, sets, np.array([0, 0, 1]), reference=1)
    assert found.error[:, 0] == pytest.approx([0.4, 0.2])
    assert found.mean_error[0] == pytest.approx(0.3)  # corruptions count alike, not sets
    assert found.ce[:, 0] == pytest.approx([0.8 / 1.6, 0.4])
    assert found.mce[0] == pytest.approx(0.45)
    assert found.relative_ce[:, 0] == pytest.approx([0.3 / 0.5, 0.1 / 0.2])
    assert found.relative_mce[0] == pytest.approx(0.55)


def test_the_reference_is_one_without_error():
    sets = ImageSets(
        tuple(np.random.default_rng(n).random((3, 50)) < 0.9 - 0.2 * n for n in range(3)), (np.arange(50),) * 3
    )
    clean, *corrupted = (SetCounts(one.sum(axis=1), np.full(3, 50)) for one in sets.correct)
    found = corruption_errors(clean, corrupted, np.array([0, 1]), reference=2, sets=sets)
    assert (found.mce[2], found.relative_mce[2]) == pytest.approx((1, 1))
    for around in (found.mce_interval, found.relative_mce_interval):
        assert (around.low[2], around.high[2]) == pytest.approx((1, 1))


def test_one_corruption_from_counts_in_closed_form():
    """Known errors of the reference: the standard error is that of the error, over the reference's."""
    found = corruption_errors(counts(900), [counts(600)], np.array([0]), ReferenceErrors(np.array([0.8]), 0.4))
    error = np.sqrt(0.4 * 0.6 / 1000)
    assert found.mce_interval.high[0] - found.mce[0] == pytest.approx(1.959964 * error / 0.8)
    # Of the relative one both errors count: (0.4 − 0.1)/(0.8 − 0.4), its bound the sum of both.
    reach = 1.959964 * (error + np.sqrt(0.09 / 1000)) / 0.4
    assert found.relative_mce[0] == pytest.approx(0.75)
    assert found.relative_mce_interval.high[0] - 0.75 == pytest.approx(reach)
    assert found.conservative


def test_resnet50_on_imagenet_c_as_published():
    """Its corruption errors as the benchmark's table prints them, whole percents of AlexNet's, average to 76.7."""
    printed = np.array([80, 82, 83, 75, 89, 78, 80, 78, 75, 66, 57, 71, 85, 77, 77]) / 100
    errors = printed * ALEXNET_ERRORS
    sets = [counts(round(50_000 * (1 - error)), total=50_000) for error in errors]
    reference = ReferenceErrors(ALEXNET_ERRORS, ALEXNET_CLEAN_ERROR)
    found = corruption_errors(counts(38_066, total=50_000), sets, np.arange(15), reference)
    assert found.mce[0] == pytest.approx(0.767, abs=0.004)
    # As scripts for ImageNet-C have it: 100 · mean error / AlexNet's, a fifteenth each.
    theirs = sum(100 * error / alexnet / 15 for error, alexnet in zip(errors, ALEXNET_ERRORS, strict=True))
    assert 100 * found.mce[0] == pytest.approx(theirs, abs=0.01)


def drawn(seed: int) -> tuple[ImageSets, np.ndarray]:
    """Two models on 300 images, clean and under two corruptions at two severities; the better one is hurt less."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=300)
    clean = [hard < 1.2, hard < 0.6]
    harder = [(0.4, 0.6), (0.9, 1.3), (0.3, 0.4), (0.7, 0.9)]
    noise = [hard + rng.normal(0, 0.4, 300) for _ in harder]
    worse = [np.stack([one < 1.2 - down[0], one < 0.6 - down[1]]) for one, down in zip(noise, harder, strict=True)]
    return ImageSets((np.stack(clean), *worse), (np.arange(300),) * 5), np.array([0, 0, 1, 1])


def of(drawn_sets: ImageSets, corruption: np.ndarray, **choices):
    clean, *corrupted = (SetCounts(one.sum(axis=1), np.full(2, 300)) for one in drawn_sets.correct)
    return corruption_errors(clean, corrupted, corruption, reference=1, **choices)


def test_intervals_are_as_wide_as_drawn_images_make_them():
    found = [of(*drawn(seed), sets=drawn(seed)[0]) for seed in range(300)]
    for name in ("mean_error", "mce", "relative_mce"):
        values = np.array([getattr(one, name)[0] for one in found])
        stated = np.mean([getattr(one, f"{name}_interval").high[0] - getattr(one, name)[0] for one in found]) / 1.959964
        assert stated == pytest.approx(values.std(), rel=0.12), name


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_bounds_from_counts_are_no_narrower(seed):
    sets, corruption = drawn(seed)
    known, bound = of(sets, corruption, sets=sets), of(sets, corruption)
    np.testing.assert_array_equal(known.mce, bound.mce)
    for one, other in (
        (known.mean_error_interval, bound.mean_error_interval),
        (known.mce_interval, bound.mce_interval),
        (known.relative_mce_interval, bound.relative_mce_interval),
    ):
        assert np.all(other.high - other.low >= one.high - one.low - 1e-12)


def test_without_a_reference_only_plain_errors_are_defined():
    found = corruption_errors(counts(900, 800), [counts(600, 300)], np.array([0]))
    assert np.isfinite(found.mean_error_interval.low).all()
    assert np.isnan(found.mce).all()
    assert np.isnan(found.relative_mce_interval.low).all()


def test_a_reference_that_a_corruption_does_not_hurt_has_no_relative_error():
    found = corruption_errors(counts(900, 800), [counts(600, 850)], np.array([0]), reference=1)
    assert found.mce[0] == pytest.approx(0.4 / 0.15)
    assert np.isnan(found.relative_mce[0])
    assert np.isnan(found.relative_mce_interval.high[0])
