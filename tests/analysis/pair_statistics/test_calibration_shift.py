"""Calibration and likelihood of a pair: of which models, how they change, and why they are not computed."""

from dataclasses import replace

import numpy as np
import pytest

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.compute import compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.calibration import calibration
from evalshift.analysis.statistics.likelihood import fit_temperature, label_likelihoods
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.tables.read import readable_statistic
from evalshift.errors import AnalysisError

MODELS = ("first", "second", "silent")


def side(name, images, over, seed):
    """Three models of ten classes that are 60 to 100 % sure, and correct less often by `over`."""
    rng = np.random.default_rng(seed)
    prob = rng.uniform(0.6, 1, size=(3, images)).astype(np.float32)
    labels = rng.integers(10, size=images)
    correct = rng.random((3, images)) < prob - np.array([over])[:, np.newaxis]
    top = np.where(correct, labels, (labels + 1) % 10)[:, :, np.newaxis].astype(np.int8)
    return ImagePredictions(name, MODELS, top, labels, tuple(map(str, range(images))), tuple("abcdefghij"), prob=prob)


@pytest.fixture(scope="module")
def pair():
    original, new = side("old", 900, 0.0, 1), side("new", 700, 0.2, 2)
    assert new.prob is not None
    silent = np.where(np.arange(3)[:, np.newaxis] == 2, np.float32(np.nan), new.prob)
    return original, replace(new, prob=silent)


def counts(pair, metric="top1"):
    original, new = pair
    return Outcomes(
        original="old",
        new="new",
        metric=metric,
        models=MODELS,
        original_correct=original.correct().sum(axis=1),
        new_correct=new.correct().sum(axis=1),
        original_total=len(original.labels),
        new_total=len(new.labels),
        attributes={},
    )


def computed(pair, **choices):
    return compute_statistics(counts(pair), pair, resamples=100, **choices)


def test_a_model_without_probabilities_on_one_set_is_left_out_of_both(pair):
    found = computed(pair).calibration
    assert not isinstance(found, Missing)
    assert found.models == (0, 1)
    assert np.isnan([found.original.ece[2], found.new.ece[2], found.ece_change[2], found.p_holm[2]]).all()
    assert np.isfinite(found.ece_change[:2]).all()


def test_each_set_is_what_calibration_gives_and_the_change_is_their_difference(pair):
    found = computed(pair).calibration
    assert not isinstance(found, Missing)
    alone = calibration(pair[1].prob[:2], pair[1].correct()[:2], resamples=100, rng=np.random.default_rng(0))
    assert found.new.ece[:2] == pytest.approx(alone.ece)
    assert found.over_confidence.change[:2] == pytest.approx(0.2, abs=0.06)
    assert (found.p_holm[:2] < 1e-6).all()
    assert found.ece_change == pytest.approx(found.new.ece - found.original.ece, nan_ok=True)


def test_the_mean_over_models_allows_for_the_images_they_share(pair):
    found = computed(pair).calibration
    assert not isinstance(found, Missing)
    before, after, change = found.mean
    gap = pair[1].prob[:2] - pair[1].correct()[:2]
    assert after.mean[0] == pytest.approx(gap.mean())
    assert after.variance[0] == pytest.approx(np.var(gap.mean(axis=0), ddof=1) / 700)
    assert change.change[0] == pytest.approx(after.mean[0] - before.mean[0])


def test_findings_and_table_say_what_is_missing(pair):
    metric = summarize_outcomes({"top1": counts(pair)}, predictions=pair, resamples=100).metrics["top1"]
    (sentence,) = [one for one in metric.details() if one.startswith("Over-confidence")]
    assert "mean over 2 models" in sentence
    assert sentence.endswith("; 2 of 2 change significantly (Holm).")
    table = metric.tables["calibration"]
    assert "Empty, because probabilities are not stored on both sets: silent." in table.words
    cells = readable_statistic(table).set_index("Model").loc["silent"]
    assert set(cells) == {"–"}
    assert metric.missing["likelihood"].startswith("logits are not stored")


@pytest.mark.parametrize("lost", [0, 1], ids=["original", "new"])
def test_without_probabilities_it_is_missing(pair, lost):
    stripped = tuple(replace(one, prob=None) if place == lost else one for place, one in enumerate(pair))
    found = computed((stripped[0], stripped[1])).calibration
    assert isinstance(found, Missing)
    assert found.reason == "the probability of the first prediction is not stored for any model on both sets"


def test_counts_alone_and_top_5_have_none(pair):
    assert isinstance(compute_statistics(counts(pair), resamples=0).calibration, Missing)
    five = tuple(replace(one, top=np.repeat(one.top, 5, axis=2)) for one in pair)
    found = compute_statistics(counts(pair, "top5"), (five[0], five[1]), resamples=0)
    assert isinstance(found.calibration, Missing)
    assert "see top-1" in found.calibration.reason
    assert isinstance(found.likelihood, Missing)


def logits_of(predictions, place, scale):
    """Logits of ten classes that agree with the predictions, `scale` times as large as the labels warrant."""
    rng = np.random.default_rng(place)
    logits = rng.normal(size=(len(predictions.labels), 10)) + 2 * np.eye(10)[predictions.top[place, :, 0]]
    return scale * logits


def test_likelihood_and_temperatures_are_those_of_the_logits(pair):
    logits = {"second": (logits_of(pair[0], 1, 1.0), logits_of(pair[1], 1, 3.0))}
    statistics = computed(pair, logits=logits)
    assert not isinstance(statistics.likelihood, Missing)
    (found,) = statistics.likelihood.models
    assert found.model == "second"
    labels = pair[1].labels
    assert found.new.mean[0] == pytest.approx(label_likelihoods(logits["second"][1], labels).mean())
    assert found.temperatures[1] == fit_temperature(logits["second"][1], labels)
    best = found.temperatures[0].temperature
    assert found.scaled.mean[0] == pytest.approx(label_likelihoods(logits["second"][1], labels, best).mean())
    assert found.temperatures[1].temperature > 2 * best


def test_logits_that_cannot_be_used_leave_the_others(pair):
    class Broken(dict):
        def __getitem__(self, model):
            if model == "first":
                raise AnalysisError("these logits do not fit the dataset")
            return super().__getitem__(model)

    both = (logits_of(pair[0], 1, 1.0), logits_of(pair[1], 1, 1.0))
    statistics = computed(pair, logits=Broken(first=both, second=both))
    assert not isinstance(statistics.likelihood, Missing)
    assert statistics.likelihood.unusable == {"first": "these logits do not fit the dataset"}
    none = computed(pair, logits=Broken(first=both)).likelihood
    assert isinstance(none, Missing)
    assert none.reason == "no stored logits can be used (these logits do not fit the dataset)"
