"""A published accuracy as counts of images: those that round to it, and how far a few changed predictions move it."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from evalshift.formatting import percent

# Other libraries, another GPU or precision change a few predictions: about one in 2,000. The smallest known effect of
# different preprocessing is larger (Resize(384) for Resize((384, 384)): 0.066 points, timm pull request 1383).
_IMAGES_TO_ONE = 2000


def rounding(accuracy: float) -> Fraction:
    """Half a unit of the last digit of an accuracy as it was written: what its rounding leaves open.

    Zeros at the end are gone from a number by the time it is read, so 0.9260 counts as 0.926, which leaves open more.
    0 and 1 are taken as exact.

    >>> rounding(0.9173), rounding(0.926), rounding(1.0)
    (Fraction(1, 20000), Fraction(1, 2000), Fraction(0, 1))
    """
    exponent = Decimal(repr(float(accuracy))).normalize().as_tuple().exponent
    return Fraction(1, 2 * 10 ** -int(exponent)) if int(exponent) < 0 else Fraction(0)


def published_counts(accuracy: float, total: int) -> range:
    """The numbers of correct predictions on `total` images that round to `accuracy` at its number of digits.

    Empty where there are none: then the accuracy was measured on another number of images. A half may have been
    rounded either way.

    >>> published_counts(0.9173, 10_000), published_counts(0.7613, 50_000)
    (range(9173, 9174), range(38063, 38068))
    >>> len(published_counts(0.930689, 10_000)), list(published_counts(0.930689, 9_984))
    (0, [9292])
    """
    exact, half = Fraction(repr(float(accuracy))), rounding(accuracy)
    return range(max(0, ceil(total * (exact - half))), min(total, floor(total * (exact + half))) + 1)


def images_off(correct: int, total: int, accuracy: float) -> int:
    """By how many images a count lies above (+) or below (−) the counts that are published as `accuracy`; 0 among them.

    Where no count of `total` images gives that accuracy, the two nearest pass for such.

    >>> images_off(9180, 10_000, 0.9173), images_off(38_060, 50_000, 0.7613), images_off(9306, 10_000, 0.930689)
    (7, -3, 0)
    """
    counts = published_counts(accuracy, total)
    least, most = sorted((counts.start, counts.stop - 1))
    return min(0, correct - least) + max(0, correct - most)


def few_images(total: int) -> int:
    """How many of `total` images may be predicted differently without indicating an error; at least 1.

    >>> few_images(10_000), few_images(453)
    (5, 1)
    """
    return max(1, round(total / _IMAGES_TO_ONE))


def off_words(correct: int, total: int, accuracy: float | None) -> str | None:
    """How an accuracy differs from the published one; None for a difference of few images, or if none was published.

    >>> off_words(9150, 10_000, 0.9173), off_words(9170, 10_000, 0.9173), off_words(9170, 10_000, None)
    ('91.7 % published, 23 images fewer', None, None)
    """
    if accuracy is None or abs(off := images_off(correct, total, accuracy)) <= few_images(total):
        return None
    images = f"{abs(off):,} image{'' if abs(off) == 1 else 's'}"
    return f"{percent(accuracy)} % published, {images} {'more' if off > 0 else 'fewer'}"
