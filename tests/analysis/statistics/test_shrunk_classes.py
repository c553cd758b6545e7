"""Classes shrunk on both sets together: by hand, at the edges, against the truth."""

import numpy as np
import pytest
from scipy import stats

from evalshift.analysis.statistics.shrunk_classes import ShrunkClasses, shrunk_classes
from evalshift.errors import AnalysisError


def drawn(
    seed: int, images: tuple[int, int] = (50, 10), spread: float = 0.03
) -> tuple[ShrunkClasses, np.ndarray, np.ndarray]:
    """200 classes whose drops differ by `spread`: shrunk, the true drops, and the measured ones."""
    draw = np.random.default_rng(seed)
    before = draw.uniform(0.5, 0.9, 200)
    truth = np.clip(draw.normal(0.1, spread, 200), -0.05, 0.4)
    sides, measured = [], []
    for accuracy, count in zip((before, before - truth), images, strict=True):
        labels = np.repeat(np.arange(200), count)
        correct = draw.uniform(size=(1, len(labels))) < accuracy[labels]
        sides.append((correct, labels))
        measured.append(correct[0].reshape(200, count).mean(axis=1))
    return shrunk_classes(sides[0], sides[1], 200), truth, measured[0] - measured[1]


def test_by_hand():
    # Both sets alike: four classes of 40 images with 36, 28, 20 and 12 correct, means 0.9, 0.7, 0.5, 0.3. Variance
    # within: 40 Σ p(1 − p)/(160 − 4) = 40 · 0.76/156 = 0.19487, of a mean 0.0048718. Between: 0.066667 on both and
    # across, less that on the diagonal: 0.061795; the nearest covariance has (0.061795 + 0.066667)/2 = 0.064231 in all
    # places. K = B/(B + V) is 0.064231/(2 · 0.064231 + 0.0048718) = 0.48173 in all, and 0.9 becomes
    # 0.6 + 2 · 0.48173 · 0.3.
    labels = np.repeat(np.arange(4), 40)
    correct = np.concatenate([np.arange(40) < count for count in (36, 28, 20, 12)])[np.newaxis]
    found = shrunk_classes((correct, labels), (correct, labels), 4)
    assert found.original[0] == pytest.approx(0.6 + 2 * 0.48173 * 0.3, abs=1e-5)
    assert found.new.tolist() == pytest.approx(found.original.tolist())
    assert found.drop == pytest.approx(np.zeros(4), abs=1e-12)
    assert found.spread == pytest.approx(0, abs=1e-6)


def test_many_images_are_hardly_shrunk_and_equal_classes_wholly():
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 20_000)
    accuracy = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    wide = [(draw.uniform(size=(3, 100_000)) < lower[labels], labels) for lower in (accuracy, accuracy[::-1])]
    found = shrunk_classes(wide[0], wide[1], 5)
    assert found.original == pytest.approx(accuracy, abs=0.01)
    assert found.drop == pytest.approx(accuracy - accuracy[::-1], abs=0.01)
    # All of one accuracy, alternating within each class: nothing is left of differences.
    same = np.arange(100) % 2 == 0
    side = same[np.newaxis], np.repeat(np.arange(5), 20)
    found = shrunk_classes(side, side, 5)
    assert found.original == pytest.approx(np.full(5, 0.5))
    assert (found.original_interval.high - found.original_interval.low > 0.05).all()


def test_the_largest_drop_is_not_too_large_any_more():
    apart, errors, held = [], [], []
    for seed in range(40):
        found, truth, measured = drawn(seed)
        top, shrunk_top = int(np.argmax(measured)), int(np.argmax(found.drop))
        apart.append((measured[top] - truth[top], found.drop[shrunk_top] - truth[shrunk_top]))
        errors.append((np.mean((measured - truth) ** 2), np.mean((found.drop - truth) ** 2)))
        held.append(np.mean((found.drop_interval.low < truth) & (truth < found.drop_interval.high)))
    measured, shrunk = np.mean(apart, axis=0)
    assert measured > 0.25
    assert abs(shrunk) < 0.04
    assert np.mean(errors, axis=0)[1] < 0.2 * np.mean(errors, axis=0)[0]
    assert 0.93 < np.mean(held) < 0.995


def test_with_equal_images_it_is_the_shrinkage_of_each_axis():
    # Rotated to sum and difference, sets of as many images with equal variance within shrink each axis by itself.
    found, _, measured = drawn(3, images=(40, 40), spread=0.06)
    factor = stats.linregress(measured, found.drop)
    assert float(factor.rvalue) > 0.94  # type: ignore[attr-defined]
    assert 0.2 < float(factor.slope) < 0.9  # type: ignore[attr-defined]


def test_classes_without_images_and_too_few():
    labels = np.repeat(np.arange(4), 10)
    correct = np.random.default_rng(1).uniform(size=(2, 40)) < 0.7
    found = shrunk_classes((correct, labels), (correct, labels), 6)
    assert np.isnan(found.drop).tolist() == [False] * 4 + [True] * 2
    for few, names in ((labels // 2, 2), (np.arange(40), 40)):
        with pytest.raises(AnalysisError) as complaint:
            shrunk_classes((correct, few), (correct, few), names)
        assert complaint.value.found == f"{names} classes"


def test_images_in_both_sets_leave_less_of_the_drops_to_sampling_error():
    """All images are in both sets: what is drawn twice alike makes no difference between the sets."""
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(8), 30)
    easy = rng.random(240) < np.repeat(np.linspace(0.4, 0.9, 8), 30)
    original, new = easy[np.newaxis], (easy & (rng.random(240) < 0.95))[np.newaxis]
    places = np.arange(240), np.arange(240)
    apart = shrunk_classes((original, labels), (new, labels), 8)
    found = shrunk_classes((original, labels), (new, labels), 8, shared=places)
    assert (found.drop_interval.high - found.drop_interval.low).mean() < 0.6 * (
        apart.drop_interval.high - apart.drop_interval.low
    ).mean()
    none = shrunk_classes((original, labels), (new, labels), 8, shared=(places[0][:0], places[1][:0]))
    np.testing.assert_allclose(none.drop, apart.drop)
