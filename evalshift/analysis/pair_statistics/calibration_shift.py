"""Calibration and likelihood of a pair's models on both sets, and how they change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.missing import or_missing
from evalshift.analysis.statistics.calibration import Calibration, calibration, ece_change
from evalshift.analysis.statistics.image_means import (
    ChangeOfMeans,
    ImageMeans,
    change_of_means,
    image_means,
    parts_of_models,
    shared_covariance,
)
from evalshift.analysis.statistics.intervals import Interval, undefined_interval
from evalshift.analysis.statistics.likelihood import LabelledLogits, Temperature
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.errors import AnalysisError, StoreError
from evalshift.evaluate.predictions import labels_for

# Model -> its logits on both sets. Not typed further: who checks the type of a value would read it from disk.
Logits = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CalibrationShift:
    """Calibration of m models on either set; NaN for models without probabilities on one of them.

    over_confidence   change, new − original; `p_holm` are its p-values adjusted over the models
    brier             change
    ece_change        change of the debiased calibration error, with its interval; NaN where the sets share images
    mean              over-confidence of the models' mean on the original and the new set, shape (1,), and its change
    models            that have probabilities on both sets: positions among the m
    """

    original: Calibration
    new: Calibration
    over_confidence: ChangeOfMeans
    p_holm: Float[np.ndarray, " m"]
    brier: ChangeOfMeans
    ece_change: Float[np.ndarray, " m"]
    ece_change_interval: Interval[np.ndarray]
    mean: tuple[ImageMeans, ImageMeans, ChangeOfMeans]
    models: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ModelLikelihood:
    """Negative log-likelihood of one model, per image in nats; means over either set, shape (1,).

    temperatures   the best on either set
    scaled         on the new set with the temperature of the original one; NaN where that is undefined
    """

    model: str
    original: ImageMeans
    new: ImageMeans
    change: ChangeOfMeans
    temperatures: tuple[Temperature, Temperature]
    scaled: ImageMeans


@dataclass(frozen=True, eq=False)
class LikelihoodShift:
    """Those of the models whose logits are stored on both sets, and why logits of others could not be used."""

    models: tuple[ModelLikelihood, ...]
    unusable: dict[str, str]


def with_probabilities(basis: Basis) -> tuple[ImagePredictions, ImagePredictions, tuple[int, ...]]:
    """The predictions on both sets, and which of the models have probabilities on both.

    Raises AnalysisError where no model has.
    """
    original, new = basis.require_predictions()
    if basis.outcomes.metric != "top1":
        raise AnalysisError("only the probability of the first prediction is stored: see top-1")
    models = np.flatnonzero(_has_probabilities(original) & _has_probabilities(new))
    if not len(models):
        raise AnalysisError("the probability of the first prediction is not stored for any model on both sets")
    return original, new, tuple(models.tolist())


def _has_probabilities(side: ImagePredictions) -> np.ndarray:
    return np.zeros(len(side.models), bool) if side.prob is None else np.asarray(np.isfinite(side.prob).any(axis=1))


@or_missing
def calibration_shift(basis: Basis) -> CalibrationShift:
    """Calibration of all models on either set, and its change; Missing where no model has probabilities."""
    *sides, models = with_probabilities(basis)
    resamples = basis.image_resamples if basis.image_resamples > 1 else 0
    both = [(probabilities(side, models), side.correct()) for side in sides]
    original, new = (
        calibration(prob, correct, resamples=resamples, level=basis.level, rng=basis.rng(f"calibration {name}"))
        for name, (prob, correct) in zip(("original", "new"), both, strict=True)
    )
    over_confidence = change_of_means(
        original.over_confidence, new.over_confidence, basis.level, _covariance_of_gaps(both, 1, basis)
    )
    change, interval = ece_change(original, new)
    if basis.overlap:
        interval = undefined_interval(change)
    shares = [_mean_over_models(prob, right, models) for prob, right in both]
    mean = [image_means(share) for share in shares]
    return CalibrationShift(
        original=original,
        new=new,
        over_confidence=over_confidence,
        p_holm=_adjusted(over_confidence.p_value),
        brier=change_of_means(original.brier, new.brier, basis.level, _covariance_of_gaps(both, 2, basis)),
        ece_change=change,
        ece_change_interval=interval,
        mean=(mean[0], mean[1], change_of_means(mean[0], mean[1], basis.level, _covariance(shares, basis))),
        models=models,
    )


def probabilities(side: ImagePredictions, models: tuple[int, ...]) -> np.ndarray:
    """Probabilities of the first predictions, NaN in the rows of all other models."""
    assert side.prob is not None
    kept = np.full_like(side.prob, np.nan)
    kept[list(models)] = side.prob[list(models)]
    return kept


@or_missing
def likelihood_shift(basis: Basis, logits: Logits | None) -> LikelihoodShift:
    """Negative log-likelihood and temperature of the models whose logits are stored on both sets; Missing without."""
    predictions = basis.require_predictions()
    if basis.outcomes.metric != "top1":
        raise AnalysisError("the likelihood of a label is the same for top-1 and top-5: see top-1")
    models = [model for model in predictions[0].models if logits is not None and model in logits]
    if logits is None or not models:
        raise AnalysisError("logits are not stored for any model on both sets (a run keeps them with `save_logits`)")
    found, unusable = [], {}
    for model in models:
        try:
            found.append(_of_model(model, logits[model], predictions, basis))
        except (AnalysisError, StoreError) as error:
            unusable[model] = error.problem
    if not found:
        raise AnalysisError(f"no stored logits can be used ({next(iter(unusable.values()))})")
    return LikelihoodShift(tuple(found), unusable)


def _of_model(
    model: str,
    logits: tuple[np.ndarray, np.ndarray],
    predictions: tuple[ImagePredictions, ImagePredictions],
    basis: Basis,
) -> ModelLikelihood:
    place = predictions[0].models.index(model)
    labels = [labels_for(side.top[place], side.labels, side.accepted) for side in predictions]
    before, after = (LabelledLogits(*one) for one in zip(logits, labels, strict=True))
    temperatures, values = [before.temperature(basis.level)], [_defined(before.likelihoods())]
    del before  # which keeps the logits in single precision
    temperatures.append(after.temperature(basis.level))
    values.append(_defined(after.likelihoods()))
    means = [image_means(value) for value in values]
    best = temperatures[0].temperature
    scaled = after.likelihoods(best) if np.isfinite(best) else np.full(len(after), np.nan)
    return ModelLikelihood(
        model=model,
        original=means[0],
        new=means[1],
        change=change_of_means(means[0], means[1], basis.level, _covariance(values, basis)),
        temperatures=(temperatures[0], temperatures[1]),
        scaled=image_means(_defined(scaled)),
    )


def _covariance_of_gaps(both: Sequence[tuple[np.ndarray, np.ndarray]], power: int, basis: Basis) -> np.ndarray | float:
    """Of the means, on both sets, of a power of confidence less correctness; some models at a time."""
    if basis.shared_places is None:
        return 0.0
    parts = []
    for models in parts_of_models(*both[0][0].shape):
        gaps = [(prob[models].astype(np.float64) - right[models]) ** power for prob, right in both]
        parts.append(_covariance(gaps, basis))
    return np.concatenate(parts)


def _covariance(values: Sequence[np.ndarray], basis: Basis) -> np.ndarray | float:
    """Of the means on both sets; 0 where these share no images."""
    places = basis.shared_places
    return 0.0 if places is None else shared_covariance(values[0], values[1], places)


def _defined(likelihoods: np.ndarray) -> np.ndarray:
    """Shape (1, n); undefined rather than a mean over the rest where a label is impossible for the model."""
    values = likelihoods if np.isfinite(likelihoods).all() else np.full_like(likelihoods, np.nan)
    return values[np.newaxis]


def _mean_over_models(prob: np.ndarray, correct: np.ndarray, models: tuple[int, ...]) -> np.ndarray:
    """Over-confidence of the mean of models, which share the images: one value per image, shape (1, n)."""
    gap = prob[list(models)] - correct[list(models)]
    known = np.isfinite(gap)
    with np.errstate(invalid="ignore"):
        return (np.where(known, gap, 0).sum(axis=0) / known.sum(axis=0))[np.newaxis]


def _adjusted(p_values: np.ndarray) -> np.ndarray:
    adjusted = np.full_like(p_values, np.nan)
    known = np.isfinite(p_values)
    adjusted[known] = adjust(p_values[known])
    return adjusted
