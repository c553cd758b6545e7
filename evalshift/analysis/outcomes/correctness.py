"""Which images of a set each model classifies correctly, packed so that many sets fit into memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8

from evalshift.analysis.outcomes.records import ImagePredictions
from evalshift.analysis.outcomes.shared_images import NamedImages, number_images
from evalshift.shapes import Correct


@dataclass(frozen=True, eq=False)
class SetCorrectness:
    """Correctness of m models on the n images of one set, one bit each.

    source  what the images are taken from, see `image_source`
    ids     the images' names, in the set's order
    bits    shape (m, n / 8), rounded up
    pictures  of each image, equal for the same picture in another set; None where nothing is known
    """

    dataset: str
    source: str
    ids: tuple[str, ...]
    models: tuple[str, ...]
    bits: UInt8[np.ndarray, "m bytes"]
    pictures: tuple[str, ...] | None = None

    def of_models(self, models: Sequence[str]) -> Correct:
        """Which images these models classify correctly, in the order asked for."""
        place = {model: position for position, model in enumerate(self.models)}
        rows = self.bits[[place[model] for model in models]]
        return np.unpackbits(rows, axis=1, count=len(self.ids)).astype(bool)


def packed(predictions: ImagePredictions, metric: str) -> SetCorrectness:
    """The correctness of these predictions by "top1" or "top5"."""
    return SetCorrectness(
        predictions.dataset,
        predictions.source or predictions.dataset,
        predictions.ids,
        predictions.models,
        np.packbits(predictions.correct(metric), axis=1),
        predictions.pictures,
    )


def numbers_of_images(sets: Sequence[SetCorrectness]) -> tuple[Int[np.ndarray, " _"], ...]:
    """A number for each image of each set: equal where two sets hold the same image."""
    return number_images([NamedImages(one.source, one.ids, one.pictures) for one in sets])
