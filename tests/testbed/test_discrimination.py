import numpy as np
import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.testbed.discrimination import discriminate, draw_balanced


def sets(
    shift: float, seed: int = 0, images: int = 300
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Two normal samples with 5 features, the second moved along the first feature; classes 0 to 2, out of balance."""
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(images, 5)), rng.normal(size=(images + 60, 5))
    other[:, 0] += shift
    return one, other, (np.arange(images) % 3, rng.choice(3, images + 60, p=[0.2, 0.3, 0.5]))


@pytest.mark.parametrize("method", ["logistic", "ridge"])
def test_equal_distributions_are_not_told_and_distant_ones_always(method: str) -> None:
    found = [discriminate(*sets(0.0, seed), method, seed=seed) for seed in range(5)]
    share = sum(one.correct for one in found) / sum(one.total for one in found)
    assert share == pytest.approx(0.5, abs=0.06)  # three standard errors of √(0.25 / 600)
    assert discriminate(*sets(20.0), method).correct == discriminate(*sets(20.0), method).total


def test_as_well_as_the_best_there_is() -> None:
    # Normal distributions at a distance of 2 are distinguished by the middle: Φ(1) = 84.1 %.
    one, other, classes = sets(2.0, images=3000)
    found = discriminate(one, other, classes)
    assert found.correct / found.total == pytest.approx(0.841, abs=0.02)


def test_as_many_images_of_each_class_on_both_sides() -> None:
    one, other, classes = sets(1.0)
    found = discriminate(one, other, classes)
    counts = np.minimum(*(np.bincount(labels, minlength=3) for labels in classes))
    held = [round(0.5 * count) for count in counts]
    assert [found.by_class[label][1] for label in range(3)] == [2 * count for count in held]
    assert found.total == 2 * sum(held)
    assert found.trained == 2 * (counts.sum() - sum(held))
    assert sum(correct for correct, _ in found.by_class.values()) == found.correct


def test_class_balance_alone_tells_nothing() -> None:
    # Features are the class; one set has mostly class 0, the other class 1.
    labels = np.repeat([0, 1], [150, 50]), np.repeat([0, 1], [50, 150])
    features = [np.eye(2)[one] for one in labels]
    found = discriminate(features[0], features[1], labels)
    assert found.correct / found.total == 0.5


def test_images_are_drawn_from_the_whole_dataset_balanced() -> None:
    labels = np.repeat([0, 1, 2], [500, 300, 4])
    drawn = draw_balanced(labels, 100, 0)
    assert np.bincount(labels[drawn]).tolist() == [48, 48, 4]
    assert (np.diff(drawn) > 0).all()
    assert 150 < np.median(drawn[:48]) < 350  # of the 500 of class 0
    assert draw_balanced(labels, 100, 1).tolist() != drawn.tolist()


def test_what_cannot_be_is_refused() -> None:
    one, other, classes = sets(0.0)
    with pytest.raises(UsageError) as caught:
        discriminate(one, other, classes, "forest")
    says(caught.value, expected="logistic, ridge")
    with pytest.raises(UsageError) as caught:
        discriminate(one[:4], other[:4], (classes[0][:4], classes[1][:4]))
    says(caught.value)
