"""What stands out, in words: whole sentences, from numbers that are given by hand."""

from dataclasses import replace

import numpy as np
import pytest

from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.overfitting_tests import DiminishingReturns
from evalshift.analysis.statistics.scale_choice import ScaleFit
from evalshift.analysis.summary.findings import (
    decomposition_sentence,
    details,
    findings,
    robustness_sentence,
    scale_sentence,
)


@pytest.fixture
def found(make_outcomes) -> Statistics:
    return compute_statistics(make_outcomes([95, 90, 84, 76, 60], [88, 80, 75, 66, 50], total=100), resamples=0)


def with_p(found: Statistics, p_holm: list[float], distance: list[float]) -> Statistics:
    robustness = found.robustness
    assert isinstance(robustness, EffectiveRobustness)
    return replace(found, robustness=replace(robustness, p_holm=np.array(p_holm), distance=np.array(distance)))


def test_models_off_the_line_are_counted_and_named_the_farthest_first(found):
    off = with_p(found, [0.01, 0.02, 0.6, 0.001, 0.04], [0.02, 0.031, -0.2, -0.055, 0.01])

    assert robustness_sentence(off) == (
        "Off the line of the others beyond chance (linear scale, Holm over 5 models): 3 models stand above (points: "
        "b by 3.1, a by 2.0, e by 1.0); 1 model stands below (points: d by 5.5)."
    )


def test_where_no_model_is_off_the_line_the_farthest_is_named(found):
    assert robustness_sentence(with_p(found, [0.3] * 5, [0.02, 0.03, -0.061, 0.0, 0.01])) == (
        "No model stands off the line of the others beyond chance (linear scale, Holm over 5 models); the farthest is "
        "c, 6.1 points below."
    )


def test_without_p_values_nothing_is_said(found):
    assert robustness_sentence(found) is None
    assert robustness_sentence(replace(found, robustness=Missing("too few models"))) is None


def test_what_only_fresh_images_could_tell_is_said(found):
    # 50 of 100: the Clopper-Pearson interval reaches 10.2 points either way, the widest of the five.
    assert decomposition_sentence(found) == (
        "Sampling error of the new images makes at most 10.2 points of any drop (95 %); the rest is a harder "
        "distribution or tuning on the original set, which only fresh images of its distribution could tell apart."
    )


@pytest.mark.parametrize(
    "p_value,words",
    [
        (0.31, " (no sign of diminishing returns, p = 0.31)."),
        (0.004, " (diminishing returns: slope 0.62 on the linear scale, p = 0.004)."),
        (0.0002, " (diminishing returns: slope 0.62 on the linear scale, p < 0.001)."),
    ],
)
def test_a_sign_of_tuning_goes_along(found, p_value, words):
    sign = DiminishingReturns(slope=0.62, p_value=p_value, resamples=100, models=5)

    assert decomposition_sentence(replace(found, lines=replace(found.lines, diminishing=sign))).endswith(words)


def test_scales_are_named_from_the_best_to_the_worst(found):
    fits = tuple(
        ScaleFit(scale, 0.9, np.zeros(5), error)
        for scale, error in (("linear", 0.03), ("probit", 0.004), ("logit", 0.01))
    )

    assert scale_sentence(replace(found, lines=replace(found.lines, scale_fits=fits))) == (
        "A model left out is predicted to within 0.40 on the probit, 1.00 on the logit and 3.00 on the linear scale "
        "(points, rms)."
    )


def test_counts_alone_say_what_they_can(found):
    assert len(findings(found)) == 2
    assert details(found) == ()


def test_details_of_answers(letters):
    stored = load_pair(letters.results, "old:new")

    said = details(compute_statistics(stored.outcomes["top1"], stored.answers, resamples=0))

    # Of the new images one is missed by all; three models on four and three images differ by nothing beyond chance.
    assert said[0].startswith("Beyond chance (Holm) 0 of 3 pairs of models on the 4 original images, and 0 of 3 pairs")
    assert said[1] == "All models miss 0 of the 4 original images and 1 of the 3 new images."
