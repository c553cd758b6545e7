"""A published accuracy as counts: by hand, by trying every count, and for any accuracy and number of images."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalshift.evaluate.expected import few_images, images_off, published_counts, rounding


@pytest.mark.parametrize(
    "accuracy, half",
    [
        (0.9173, Fraction(5, 100_000)),
        (0.926, Fraction(5, 10_000)),
        (0.9, Fraction(5, 100)),
        (0.930689, Fraction(5, 10_000_000)),
        (0.00001, Fraction(5, 1_000_000)),  # written 1e-05
        (1.0, 0),
        (0.0, 0),
    ],
)
def test_half_a_unit_of_the_last_digit(accuracy, half):
    assert rounding(accuracy) == half


@pytest.mark.parametrize(
    "accuracy, total, counts",
    [
        # One count of 10,000 a step of the fourth digit; 91.73 % is 9,173 and nothing else.
        (0.9173, 10_000, [9173]),
        # Three digits leave 9,255 to 9,265, halves either way.
        (0.926, 10_000, list(range(9255, 9266))),
        # 76.13 % of 50,000 is 38,065; half a unit is 2.5 images.
        (0.7613, 50_000, [38_063, 38_064, 38_065, 38_066, 38_067]),
        # The accuracy of a loader that drops the last batch: 9,292 of 78 batches of 128.
        (0.930689, 10_000, []),
        (0.930689, 9_984, [9292]),
        (1.0, 12, [12]),
        (0.0, 12, [0]),
        (0.99, 10, []),
    ],
)
def test_counts_that_are_published_as_an_accuracy(accuracy, total, counts):
    assert list(published_counts(accuracy, total)) == counts


@given(st.integers(1, 400), st.integers(0, 5), st.data())
def test_they_are_those_that_round_to_it(total, digits, data):
    correct = data.draw(st.integers(0, total))
    printed = round(Decimal(correct) / total, digits)
    counts = published_counts(float(printed), total)
    assert correct in counts or float(printed) in (0, 1)  # 0 and 1 are taken as exact
    half = rounding(float(printed))
    assert list(counts) == [k for k in range(total + 1) if abs(Fraction(k, total) - Fraction(printed)) <= half]


@pytest.mark.parametrize(
    "correct, total, accuracy, off",
    [
        (9173, 10_000, 0.9173, 0),
        (9180, 10_000, 0.9173, 7),
        (38_060, 50_000, 0.7613, -3),
        # No count gives it: the two on either side, 9,306 and 9,307, pass.
        (9306, 10_000, 0.930689, 0),
        (9307, 10_000, 0.930689, 0),
        (9308, 10_000, 0.930689, 1),
        (9300, 10_000, 0.930689, -6),
        (0, 10, 0.99, -9),
        (10, 10, 0.99, 0),
    ],
)
def test_images_off(correct, total, accuracy, off):
    assert images_off(correct, total, accuracy) == off


@given(st.integers(1, 10_000), st.integers(0, 10**6), st.data())
def test_a_step_of_one_image_is_a_step_of_one(total, millionths, data):
    correct, accuracy = data.draw(st.integers(0, total - 1)), millionths / 10**6
    here, there = images_off(correct, total, accuracy), images_off(correct + 1, total, accuracy)
    assert there - here in (0, 1)
    assert (there > 0) <= ((correct + 1) / total > accuracy)
    assert (here < 0) <= (correct / total < accuracy)


@pytest.mark.parametrize("total, few", [(1, 1), (453, 1), (2_999, 1), (10_000, 5), (50_000, 25)])
def test_few_images(total, few):
    assert few_images(total) == few
