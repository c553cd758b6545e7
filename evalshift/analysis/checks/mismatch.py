"""Likely causes of a difference from the published accuracy: from the predictions, else from its size."""

from evalshift.analysis.checks.plausibility import Cause, likely_causes
from evalshift.analysis.outcomes import ImagePredictions
from evalshift.evaluate.expected import few_images, images_off, published_counts, rounding
from evalshift.evaluate.predictions import labels_for

# Images of the sets that accuracies are published for.
_OFFICIAL = {
    "cifar10": 10_000,
    "cifar10.1-v4": 2_021,
    "cifar10.1-v6": 2_000,
    "cifar10.2": 2_000,
    "cifar100": 10_000,
    "fashion-mnist": 10_000,
    "imagenet": 50_000,
    "imagenetv2-matched-frequency": 10_000,
    "imagenetv2-threshold0.7": 10_000,
    "imagenetv2-topimages": 10_000,
    "mnist": 10_000,
    "qmnist-50k": 50_000,
    "svhn": 26_032,
}
_BATCHES = (1024, 1000, 512, 500, 256, 250, 200, 128, 100, 64, 50, 32, 16, 8)
# Falls up to this many points have been traced to geometry and decoding alone, or to the constants of normalisation.
_SMALL_FALL = 0.015
# Beyond this nothing but broken input or other weights has been seen.
_LARGE_FALL = 0.25


def likely_mismatch(
    correct: int,
    total: int,
    published: float,
    *,
    dataset: str = "",
    predictions: ImagePredictions | None = None,
    resized: bool | None = None,
) -> str:
    """Likely cause of a difference from the published accuracy, in words; "" without a difference.

    predictions   of this model, if stored
    resized       whether the images were resized before inference; None if unknown
    """
    number = _another_number(total, published, dataset)
    if abs(images_off(correct, total, published)) <= few_images(total):
        return number
    found = []
    for cause in causes_of(predictions, published) if predictions else ():
        met = cause.correct is not None and abs(images_off(cause.correct, total, published)) <= few_images(total)
        found.append(f"{cause.sentence}{f' ({cause.correct:,} is as published)' if met else ''}")
    words = [*found, number] if found else [number, _by_size(correct / total - published, resized)]
    return "; ".join(word for word in words if word)


def causes_of(predictions: ImagePredictions, published: float | None = None) -> tuple[Cause, ...]:
    """The likely causes for the first model of these predictions; see `likely_causes`."""
    return likely_causes(
        predictions.top[0],
        labels_for(predictions.top[0], predictions.labels, predictions.accepted),
        predictions.class_names,
        ids=predictions.ids,
        published=published,
        confidence=predictions.confidence[0] if predictions.confidence else None,
    )


def _another_number(total: int, published: float, dataset: str) -> str:
    """A sentence if the accuracy was published for another number of images, where that can be inferred."""
    official = _OFFICIAL.get(dataset, total)
    if total != official:
        return (
            f"{total:,} images have predictions, but the published accuracy is for {official:,}"
            f"{_known_part(total, official)}"
        )
    if published_counts(published, total):
        return ""
    words = f"no count of {total:,} images gives the published accuracy, so it was measured on other images"
    parts = dict.fromkeys(total - total % batch for batch in _BATCHES if total % batch and total > batch)
    fitting = [part for part in parts if published_counts(published, part)]
    # With few digits some count of any number of images fits, and says nothing.
    if fitting and 2 * float(rounding(published)) * total * len(parts) < 0.2:
        counts = published_counts(published, fitting[0])
        words += f": {counts[0]:,} of {fitting[0]:,} would, as where the last, smaller batch is dropped"
    return words


def _known_part(total: int, official: int) -> str:
    if (total, official) == (48_238, 50_000):
        return " (ILSVRC's list of 1,762 images to leave out counts for localisation only)"
    if any(official % batch and total == official - official % batch for batch in _BATCHES):
        return " (the last, smaller batch was dropped)"
    if (total, official) == (20_000, 10_000):
        return " (the release of December 2020 holds 20 images per class)"
    return ""


def _by_size(difference: float, resized: bool | None) -> str:
    if difference > 0:
        return (
            "trained on these images, other weights under the same name (a later version), or an accuracy that was "
            "published for other images"
        )
    if difference >= -_SMALL_FALL:
        geometry = "another resize, interpolation, antialiasing, crop or JPEG decoder (0.1 to 1.5 points are known)"
        constants = "another mean and std than in training (0.1 to 1 point)"
        return geometry if resized else constants if resized is False else f"{geometry}, or {constants}"
    if difference >= -_LARGE_FALL:
        return (
            "channels in the order BGR, pixels scaled or normalised otherwise than in training, images squashed or of "
            "another size, or other weights"
        )
    return (
        "pixels of another scale (0 to 255 for 0 to 1), normalised twice or not at all, or weights that were not loaded"
    )
