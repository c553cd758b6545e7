"""What the statistics of one metric of a pair are computed from."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.outcomes.shared_images import FEWEST_SHARED, overlaps_unseen, same_images, shared_image_numbers
from evalshift.analysis.pair_statistics.missing import Missing, attempt, require
from evalshift.analysis.statistics.clustered import cluster_mean
from evalshift.analysis.statistics.clusterings import clusterings
from evalshift.analysis.statistics.draws import affordable
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.image_means import SharedPlaces
from evalshift.analysis.statistics.mean_drop import MeanDrop, mean_drop, mean_drop_of_clusters, mean_drop_of_counts
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.analysis.statistics.shared_image_drops import SharedImageDrops, shared_image_drops
from evalshift.errors import AnalysisError

# Resamples at most, whatever is requested: the bounds then move by less than they are read to. A drawn set of 60,000
# images costs as much as a thousand draws of models.
IMAGE_RESAMPLES = 1_000
SECONDARY_RESAMPLES = 20_000
# Models times resamples: fewer resamples of more than 200 models.
_MOST_DRAWN = 4_000_000

ONLY_COUNTS = Missing("only counts are stored, not per-image predictions")
NOT_RESAMPLED = Missing("nothing was resampled")
SHARED = "it needs independent sets, and these two share images"
NO_DROP = Missing("accuracies do not drop significantly on average")

Result = TypeVar("Result")


class Basis:
    """Counts of one metric of a pair, predictions where they are stored, and the options of the report.

    counts        original correct and total, new correct and total, shape (m,) each
    accuracies    original and new, finite on `scale`
    correct       whether each prediction on either set is correct; None where there are only counts
    complete      whether predictions of all models are stored
    families, years    of each model, None where the registry gives none
    in_line       which models lines are fitted to: all but those of the families that `options` leave out
    """

    def __init__(
        self, outcomes: Outcomes, predictions: tuple[ImagePredictions, ImagePredictions] | None, options: ReportOptions
    ) -> None:
        self.outcomes, self.predictions, self.options = outcomes, predictions, options
        self.scale, self.level = options.scale, options.level
        self.image_resamples = min(options.resamples, IMAGE_RESAMPLES)
        self.resamples = affordable(min(options.resamples, SECONDARY_RESAMPLES), len(outcomes), _MOST_DRAWN)
        self.counts = outcomes.counts
        original_correct, original_total, new_correct, new_total = outcomes.counts
        self.accuracies = (
            fitted_accuracy(original_correct, original_total, options.scale),
            fitted_accuracy(new_correct, new_total, options.scale),
        )
        self.families, self.years = outcomes.families, outcomes.years
        self.in_line = outcomes.in_line(options.named)
        self.correct = None
        if predictions is not None:
            self.correct = predictions[0].correct(outcomes.metric), predictions[1].correct(outcomes.metric)
        self.complete = self.correct is not None and len(self.correct[0]) == len(outcomes)

    def of_line(self) -> "Basis":
        """The same for the models of the line alone."""
        if self.in_line.all():
            return self
        outcomes = self.outcomes.of_line(self.options.named)
        predictions = self.predictions
        if predictions is not None:
            places = [place for place, model in enumerate(predictions[0].models) if model in set(outcomes.models)]
            predictions = (predictions[0].subset(places), predictions[1].subset(places)) if places else None
        return Basis(outcomes, predictions, self.options)

    @cached_property
    def covariances(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Covariances of the original and the new accuracies over draws of their images, independent of each other.

        None unless `complete`, and where the sets share images.
        """
        if self.correct is None or not self.complete or self.overlap:
            return None
        original, new = self.correct
        return sampling_covariance(original), sampling_covariance(new)

    @cached_property
    def shared_drops(self) -> SharedImageDrops | None:
        """Drops of the models with predictions, where the two sets share images."""
        if self.correct is None or self.predictions is None:
            return None
        images = self._image_numbers
        return None if images is None else shared_image_drops(*self.correct, images, self.level)

    @cached_property
    def _image_numbers(self) -> tuple[np.ndarray, np.ndarray] | None:
        return None if self.predictions is None else shared_image_numbers(*self.predictions)

    @property
    def shared_places(self) -> SharedPlaces | None:
        """Where the images that both sets hold are in either; None where they hold none in common."""
        if self._image_numbers is None:
            return None
        _, original, new = np.intersect1d(*self._image_numbers, assume_unique=True, return_indices=True)
        return original, new

    @property
    def overlap(self) -> bool:
        """Whether the sets share so many images that they are no independent samples."""
        found = self.shared_drops
        if found is None:
            return overlaps_unseen(self.outcomes.original, self.outcomes.new)
        smaller = min(self.outcomes.original_total, self.outcomes.new_total)
        return found.shared >= FEWEST_SHARED * smaller

    @property
    def same_images(self) -> bool:
        """Whether either set has all images of the other, altered or labelled anew."""
        found = self.shared_drops
        if found is None:
            return same_images(self.outcomes.original, self.outcomes.new)
        return found.shared == self.outcomes.original_total == self.outcomes.new_total

    @cached_property
    def clusters(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The clusters that the images of either set come in, by the attribute that matters most; None without any."""
        if self.correct is None or self.predictions is None:
            return None
        sides = [
            _strongest(correct.mean(axis=0), predictions.attributes)
            for correct, predictions in zip(self.correct, self.predictions, strict=True)
        ]
        if all(side is None for side in sides):
            return None
        original, new = (
            np.full(correct.shape[1], -1) if side is None else side
            for side, correct in zip(sides, self.correct, strict=True)
        )
        return original, new

    @cached_property
    def mean_drop(self) -> MeanDrop:
        """From the predictions where all of several models have them, otherwise from counts."""
        found = None
        if self.shared_drops is not None and self.complete:
            found = self.shared_drops.mean
            found = found if found.interval.low < found.interval.high else None
        elif self.correct is not None and self.complete and self.clusters is not None:
            found = mean_drop_of_clusters(*self.correct, self.clusters, self.level)
        elif self.correct is not None and self.complete and len(self.outcomes) > 1:
            found = mean_drop(*self.correct, level=self.level)
        return found or mean_drop_of_counts(*self.counts, level=self.level)

    def require_predictions(self) -> tuple[ImagePredictions, ImagePredictions]:
        """Predictions on the original and the new set. Raises AnalysisError where only counts are stored."""
        return require(ONLY_COUNTS if self.predictions is None else self.predictions)

    def require_correct(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each of these is correct. Raises AnalysisError where only counts are stored."""
        return require(ONLY_COUNTS if self.correct is None else self.correct)

    @property
    def related(self) -> bool:
        """Whether two models or more are of one family."""
        named = [family for family in self.families if family is not None]
        return len(set(named)) < len(named)

    def rng(self, statistic: str) -> np.random.Generator:
        """A generator of this statistic's own, see `ReportOptions.rng`."""
        return self.options.rng(self.outcomes, statistic)

    def of_images(
        self, compute: Callable[[np.ndarray, np.ndarray], Result], least: int = 1, *, independent: bool = False
    ) -> Result | Missing:
        """What `compute` makes of the correctness on the original and the new set of at least `least` models.

        With `independent` it takes sets that share no images.
        """

        def made() -> Result:
            original, new = self.require_correct()
            if independent:
                self.require_independent()
            if len(original) < least:
                raise AnalysisError(f"fewer than {least} models have per-image predictions: {len(original)}")
            return compute(original, new)

        return attempt(made)

    def require_independent(self) -> None:
        """Raise AnalysisError where the two sets share images."""
        if self.overlap:
            raise AnalysisError(SHARED)


def _strongest(shares: np.ndarray, attributes: Mapping[str, Sequence[str]]) -> np.ndarray | None:
    """The clusters with the largest standard error of the mean share; None where no attribute has clusters."""
    found = clusterings(attributes).values()
    return max(found, key=lambda cluster: cluster_mean(shares, cluster).error, default=None)
