"""The correction for near-duplicates: the paper's example, whole counts, planted duplicates, and any numbers."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from released import cifar10, needs_cifar10

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.near_duplicates import without_duplicates
from evalshift.errors import AnalysisError


def of_one(correct: int, total: int, share: float, accuracy: float, level: float = 0.95) -> tuple[float, float, float]:
    rest = without_duplicates(np.array([correct]), np.array([total]), share, np.array([accuracy]), level)
    return rest.interval.low[0], rest.accuracy[0], rest.interval.high[0]


def test_the_papers_example():
    # Appendix B.2.2: 93 % on the whole set, 8 % duplicates, all correct: (0.93 − 0.08)/0.92 = 92.4 %, 0.6 less.
    rest = without_duplicates(np.array([9300]), np.array([10_000]), 0.08, np.array([1.0]))
    assert rest.accuracy[0] == pytest.approx(0.85 / 0.92)
    assert round(100 * rest.accuracy[0], 1) == 92.4
    assert round(100 * rest.inflation[0], 1) == 0.6


def test_whole_counts_give_the_exact_interval_of_the_rest():
    # 800 of 10,000 are duplicates, 792 of them right at 99 %: 9300 − 792 = 8508 of 9,200 are left.
    exact = clopper_pearson(np.array([8508]), np.array([9200]))
    low, accuracy, high = of_one(9300, 10_000, 0.08, 0.99)
    assert (low, accuracy, high) == pytest.approx((exact.low[0], 8508 / 9200, exact.high[0]), rel=1e-9)


def test_no_duplicates_change_nothing():
    exact = clopper_pearson(np.array([85]), np.array([100]))
    assert of_one(85, 100, 0.0, 1.0) == pytest.approx((exact.low[0], 0.85, exact.high[0]))


def test_all_that_is_right_are_duplicates():
    # 10 of 100 right, 10 duplicates, all correct: none of 90, from 0 to 1 − (α/2)^(1/90).
    assert of_one(10, 100, 0.1, 1.0) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 90)))
    # The mirror: all that is wrong.
    assert of_one(90, 100, 0.1, 0.0) == pytest.approx((0.025 ** (1 / 90), 1, 1))


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 0.9), st.floats(0, 1), st.floats(0.5, 0.999))
def test_duplicates_and_the_rest_make_the_whole(total, rest, share, duplicates, level):
    # Any accuracy on the rest, put together with that on the duplicates, comes back.
    correct = round(total * ((1 - share) * rest + share * duplicates))
    right = correct - duplicates * share * total
    if not 0 <= right <= (1 - share) * total:
        return
    low, accuracy, high = of_one(correct, total, share, duplicates, level)
    assert (1 - share) * accuracy + share * duplicates == pytest.approx(correct / total, abs=1e-9)
    assert -1e-12 <= low <= accuracy + 1e-9
    assert accuracy - 1e-9 <= high <= 1 + 1e-12
    if duplicates > correct / total:
        assert accuracy <= correct / total + 1e-12


def test_covers_the_accuracy_on_the_rest():
    # 5,000 models, 80 % right on 920 images and 99.5 % on 80 duplicates, which the correction takes for 99.5 % sharp.
    draw = np.random.default_rng(0)
    correct = draw.binomial(920, 0.8, 5000) + draw.binomial(80, 0.995, 5000)
    rest = without_duplicates(correct, np.full(5000, 1000), 0.08, np.full(5000, 0.995))
    assert rest.accuracy.mean() == pytest.approx(0.8, abs=0.001)
    inside = (rest.interval.low <= 0.8) & (rest.interval.high >= 0.8)
    assert 0.95 <= inside.mean() < 0.97


@needs_cifar10
def test_duplicates_explain_little_of_the_drop_on_cifar10():
    correct, total, new_correct, new_total = cifar10().counts
    rest = without_duplicates(correct, total, 0.08, np.ones(30))
    drop = correct / total - new_correct / new_total
    # "At most 1 %" in the paper, for a model at 93 %; more for the weakest here, whose drop is larger still.
    strong = correct / total > 0.9
    assert rest.inflation[strong].max() < 0.01
    assert rest.inflation.max() < 0.02
    assert (rest.inflation / drop).max() < 1 / 8


class TestComplaints:
    def test_duplicates_that_cannot_be_there(self):
        with pytest.raises(AnalysisError) as complaint:
            without_duplicates(np.array([9300, 500]), np.array([10_000, 10_000]), 0.08, np.array([1.0, 1.0]))
        says(
            complaint.value,
            where="model 1",
            found="500 of 10,000 correct, 0.08 of the images near-duplicates at an accuracy of 1",
        )

    @pytest.mark.parametrize(
        "share, accuracy, level, message",
        [
            (1.0, [1.0], 0.95, "share: found 1.0; expected a fraction from 0 to below 1"),
            (-0.1, [1.0], 0.95, "share: found -0.1; expected a fraction from 0 to below 1"),
            (0.1, [99.0], 0.95, "duplicate_accuracy[0]: found 99.0; expected 0 to 1"),
            (0.1, [float("nan")], 0.95, "duplicate_accuracy[0]: found nan; expected 0 to 1"),
            (0.1, [1.0], 95.0, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
        ],
    )
    def test_impossible_numbers(self, share, accuracy, level, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            without_duplicates(np.array([80]), np.array([100]), share, np.array(accuracy), level)
        assert str(complaint.value) == message

    def test_impossible_counts(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            without_duplicates(np.array([80, 101]), np.array([100, 100]), 0.1, np.ones(2))
        assert str(complaint.value) == (
            "model 1: found 101 correct of 100; expected a total of at least 1 and 0 <= correct <= total"
        )

    def test_an_accuracy_less(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(without_duplicates)(np.array([80, 90]), np.array([100, 100]), 0.1, np.ones(1))
        assert str(complaint.value) == "duplicate_accuracy: found 1 for 2 models; expected one per model"
