"""Classes whose images became harder or easier for the models than those of the median class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.statistics.image_means import ChangeOfMeans, ImageMeans, change_of_means
from evalshift.analysis.statistics.intervals import check_level
from evalshift.analysis.statistics.item_response import AbilityChange, ItemResponse
from evalshift.analysis.statistics.multiplicity import adjust


@dataclass(frozen=True, eq=False)
class ClassDifficulties:
    """Difficulties of c classes on two sets, in standard deviations of the models' ability.

    original, new   mean difficulty of the class's images minus that of all images of the set, with its variance over
                    draws of the class's images; NaN below two images
    change          new minus original difficulty, minus the median over classes: above 0 if a class became harder by
                    more than the median class
    shift           that median, which is robust to a few classes that changed differently
    p_holm          for no such change, adjusted over the classes; NaN if the change has no standard error
    """

    original: ImageMeans
    new: ImageMeans
    change: ChangeOfMeans
    shift: float
    p_holm: Float[np.ndarray, " c"]


def class_difficulties(
    found: AbilityChange,
    original_labels: Int[np.ndarray, " n"],
    new_labels: Int[np.ndarray, " new_n"],
    classes: int,
    level: float = 0.95,
) -> ClassDifficulties:
    """How each class's difficulty differs from that of all images of a set, and how the difference changes.

    An analysis of differential item functioning, with classes as items and sets as groups: both sets have images of
    each class, although no image is in both. It controls for the models' abilities and subtracts the shift of the
    median class. A class's difficulty is the maximum likelihood estimate of the mean over its images, by one Newton
    step from the mean of all images: the images' expected difficulties, which are shrunk, divided by their reliability.
    Its variance is that over the class's images. Welch's test, with Holm's adjustment over the classes.
    Raises ValueError for a level outside (0, 1), and for labels that are not one per image or outside the classes.
    Source: Mislevy 1985, JASA 80, 993-997 (means of groups of a latent variable); Holland and Wainer 1993, Differential
    Item Functioning.
    """
    check_level(level)
    original, new = (
        _of_set(side, labels, classes) for side, labels in ((found.original, original_labels), (found.new, new_labels))
    )
    change, shift = _beyond_median(original, new, level)
    # A class without a standard error on one of the sets is not tested.
    known = np.isfinite(original.variance) & np.isfinite(new.variance)
    for values in (change.change, change.interval.low, change.interval.high, change.p_value):
        values[~known] = np.nan
    p_holm = np.full(classes, np.nan)
    p_holm[known] = adjust(change.p_value[known])
    return ClassDifficulties(original, new, change, shift, p_holm)


def _beyond_median(original: ImageMeans, new: ImageMeans, level: float) -> tuple[ChangeOfMeans, float]:
    """The changes minus their median, and that median, over classes with standard errors on both sets; NaN if none."""
    both = np.isfinite(original.variance) & np.isfinite(new.variance)
    shift = float(np.median((new.mean - original.mean)[both])) if both.any() else float("nan")
    return change_of_means(original, ImageMeans(new.mean - shift, new.variance, new.images), level), shift


def _of_set(found: ItemResponse, labels: np.ndarray, classes: int) -> ImageMeans:
    if len(labels) != len(found.image_difficulty):
        raise ValueError(f"found {len(labels)} labels of {len(found.image_difficulty)} images; expected one per image")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels: found {labels.min()} to {labels.max()}; expected 0 to {classes - 1}")
    beyond = found.image_difficulty - found.difficulty.value

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels, values, classes)

    images, reliability = total(np.ones(len(labels))), total(found.image_reliability)
    with np.errstate(divide="ignore", invalid="ignore"):
        difficulty = total(beyond) / reliability
        squares = total((beyond - difficulty[labels] * found.image_reliability) ** 2)
        variance = images / (images - 1) * squares / reliability**2
    known = (images > 1) & (variance > 0)
    return ImageMeans(np.where(known, difficulty, np.nan), np.where(known, variance, np.nan), images)
