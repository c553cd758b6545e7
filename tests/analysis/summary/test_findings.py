"""What stands out, in words: whole sentences, from numbers that are given by hand."""

from dataclasses import replace

import numpy as np
import pytest

from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.diminishing_returns import DiminishingReturns
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.scale_choice import ScaleFit
from evalshift.analysis.statistics.scales import from_scale, to_scale
from evalshift.analysis.summary.findings import (
    decomposition_sentence,
    details,
    findings,
    robustness_sentence,
    scale_sentence,
    unfit_scale_sentence,
)


@pytest.fixture
def found(make_outcomes) -> Statistics:
    return compute_statistics(make_outcomes([95, 90, 84, 76, 68, 60], [88, 80, 75, 66, 60, 50], total=100), resamples=0)


def with_p(found: Statistics, p_holm: list[float], distance: list[float]) -> Statistics:
    robustness = found.robustness
    assert isinstance(robustness, EffectiveRobustness)
    inside = np.zeros(len(p_holm), bool)
    changed = replace(
        robustness,
        p_holm=np.array(p_holm),
        distance=np.array(distance),
        extrapolated=inside,
        undetermined=inside,
    )
    return replace(found, robustness=changed)


def beyond(found: Statistics, extrapolated: list[int], undetermined: list[int]) -> Statistics:
    """These models beyond the range of the line, and those whose distance it does not determine."""
    robustness = found.robustness
    assert isinstance(robustness, EffectiveRobustness)
    places = np.arange(len(robustness.distance))
    marked = np.isin(places, extrapolated), np.isin(places, undetermined)
    return replace(found, robustness=replace(robustness, extrapolated=marked[0], undetermined=marked[1]))


def test_models_off_the_line_are_counted_and_named_the_farthest_first(found):
    off = with_p(found, [0.01, 0.02, 0.6, 0.001, 0.04, 1.0], [0.02, 0.031, -0.2, -0.055, 0.01, 0.0])

    assert robustness_sentence(off) == (
        "3 models are significantly above the line (points: b by 3.1, a by 2.0, e by 1.0); 1 model is significantly "
        "below the line (points: d by 5.5). Each model is compared with the line of the other models and "
        "their scatter about it (linear scale, Holm over 6 models)."
    )


def test_where_no_model_is_off_the_line_the_farthest_is_named(found):
    assert robustness_sentence(with_p(found, [0.3] * 6, [0.02, 0.03, -0.061, 0.0, 0.01, 0.0])) == (
        "No model lies significantly above or below the line of the other models (linear scale, "
        "Holm over 6 models); the farthest is c, 6.1 points below."
    )


def test_a_distance_beyond_the_other_models_is_flagged_and_an_undetermined_one_not_given(found):
    distances = with_p(found, [0.3] * 6, [0.02, 0.03, -0.061, 0.0, 0.01, 0.0])
    assert robustness_sentence(beyond(distances, [2], [])) == (
        "No model lies significantly above or below the line of the other models (linear scale, "
        "Holm over 6 models); the farthest is c, 6.1 points below (extrapolated). Extrapolated: the line is used "
        "beyond the other models' accuracies."
    )
    assert (robustness_sentence(beyond(distances, [2], [2])) or "").endswith("the farthest is b, 3.0 points above.")
    assert (robustness_sentence(beyond(distances, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])) or "").endswith("6 models).")

    off = with_p(found, [0.01, 0.01, 0.6, 0.6, 0.6, 0.6], [0.02, 0.031, -0.2, -0.055, 0.01, 0.0])
    sentence = robustness_sentence(beyond(off, [0, 1], [1])) or ""
    assert sentence.startswith(
        "2 models are significantly above the line (points: b (extrapolated), a by 2.0 (extrapolated)). Each model is "
    )
    assert sentence.endswith(". Extrapolated: the line is used beyond the other models' accuracies.")


def test_without_p_values_nothing_is_said(found):
    assert robustness_sentence(with_p(found, [np.nan] * 6, [0.0] * 6)) is None
    assert robustness_sentence(replace(found, robustness=Missing("too few models"))) is None


def test_a_change_within_sampling_error_is_not_explained(make_outcomes):
    # 60 against 55 of 100: Newcombe at 1 − 0.05/2 reaches 15.5 points to one side, and further than the mean of 4.5.
    outcomes = make_outcomes([80, 60], [76, 55], total=100)
    assert decomposition_sentence(compute_statistics(outcomes, resamples=0)) == (
        "At most 15.5 points of any change can be sampling error of the images of both sets (95 %, jointly for all 2 "
        "models). The average change is not statistically significant, so no cause is attributed."
    )


def test_a_drop_beyond_sampling_error_may_have_two_causes_that_only_fresh_images_separate(make_outcomes):
    outcomes = make_outcomes([95, 90, 84, 76, 60], [78, 70, 65, 50, 40], total=100)
    assert decomposition_sentence(compute_statistics(outcomes, resamples=0)) == (
        "At most 18.2 points of any drop can be sampling error of the images of both sets (95 %, jointly for all 5 "
        "models). The average drop is statistically significant; it is consistent with a distribution shift, with "
        "adaptive overfitting, or with both, and only fresh images of the original distribution could separate them. "
        "Diminishing returns are not tested: the slope expected from the images' difficulty needs per-image "
        "predictions of all models."
    )


@pytest.mark.parametrize("resamples", [0, 100])
def test_a_rise_is_not_explained_as_a_drop(make_outcomes, resamples):
    outcomes = make_outcomes([85, 80, 74, 66, 50], [97, 95, 92, 88, 80], total=100)
    risen = compute_statistics(outcomes, resamples=resamples)

    assert isinstance(risen.lines.diminishing, Missing)
    assert decomposition_sentence(risen) == (
        "At most 17.3 points of any rise can be sampling error of the images of both sets (95 %, jointly for all 5 "
        "models)."
    )


@pytest.mark.parametrize(
    "p_value,words",
    [
        (0.31, "There is no evidence of diminishing returns ({test}, p = 0.31)."),
        (
            0.004,
            (
                "The line is flatter than the images' difficulty implies, which is consistent with diminishing returns "
                "({test}, p = 0.004)."
            ),
        ),
    ],
)
def test_the_test_for_diminishing_returns_is_reported_with_its_p_value(make_outcomes, p_value, words):
    outcomes = make_outcomes([95, 90, 84, 76, 60], [78, 70, 65, 50, 40], total=100)
    found = compute_statistics(outcomes, resamples=0)
    sign = DiminishingReturns("probit", slope=0.62, expected_slope=0.9, p_value=p_value, df=12.0, models=5)

    said = decomposition_sentence(replace(found, lines=replace(found.lines, diminishing=sign)))
    test = "slope 0.62 on the probit scale, 0.90 expected from the difficulty of the images"
    assert said.endswith(f" {words.format(test=test)}")


def test_scales_are_named_from_the_best_to_the_worst(found):
    fits = tuple(
        ScaleFit(scale, 0.9, np.zeros(5), error)
        for scale, error in (("linear", 0.03), ("probit", 0.004), ("logit", 0.01))
    )

    assert scale_sentence(replace(found, lines=replace(found.lines, scale_fits=fits))) == (
        "Leave-one-out error (root mean square): 0.40 points on the probit, 1.00 points on the logit and 3.00 points "
        "on the linear scale."
    )


def test_counts_alone_say_what_they_can(found):
    assert len(findings(found)) == 3
    matched, bend = details(found)
    assert matched == (
        "Of 5 pairs of models of the same accuracy, none differ significantly in effective robustness (Holm); no model "
        "is significantly more robust than all others of its accuracy."
    )
    assert bend == (
        "The line does not bend significantly (linear scale, p = 0.65): in the middle, a parabola is 0.8 points below "
        "the straight line between its ends (95 % CI −6.6 to 4.9)."
    )


def test_details_of_predictions(letters):
    stored = load_pair(letters.results, "old:new")

    said = details(compute_statistics(stored.outcomes["top1"], stored.predictions, resamples=0))

    # Of the new images one is missed by all; three models on four and three images do not differ significantly.
    assert said[0].startswith(
        "Significantly different accuracies (McNemar's exact test, Holm): 0 of 3 pairs of models on the 4 original "
    )
    assert said[1] == "All models miss 0 of the 4 original images and 1 of the 3 new images."


def curved(make_outcomes, options: str) -> Statistics:
    """Eight models exactly on a probit line of slope 1, from 30 to 99 %, of 100,000 images."""
    original = np.array([0.30, 0.45, 0.60, 0.72, 0.82, 0.90, 0.96, 0.99])
    new = from_scale(to_scale(original, "probit") - 0.8, "probit")
    counts = [np.rint(100_000 * side).astype(int).tolist() for side in (original, new)]
    return compute_statistics(make_outcomes(*counts, total=100_000), scale=options, resamples=0)


def test_a_scale_on_which_the_line_does_not_fit_is_said_and_robustness_is_on_the_better_one(make_outcomes):
    linear, probit = (curved(make_outcomes, scale) for scale in ("linear", "probit"))
    said = unfit_scale_sentence(linear, "linear")
    assert said is not None
    assert said.startswith(
        "A line on the probit scale predicts these models better than one on the linear scale: its leave-one-out "
    )
    assert "error is 0.00 points, not " in said
    assert said.endswith(". Effective robustness is given on the probit scale.")
    assert unfit_scale_sentence(probit, "probit") is None
    robustness = [found.robustness for found in (linear, probit)]
    assert all(isinstance(found, EffectiveRobustness) for found in robustness)
    assert [found.scale for found in robustness if isinstance(found, EffectiveRobustness)] == ["probit", "probit"]


def test_a_scale_that_is_a_little_worse_stays(found):
    robustness = found.robustness
    assert isinstance(robustness, EffectiveRobustness)
    assert robustness.scale == "linear"
    assert unfit_scale_sentence(found, "linear") is None


def test_of_four_models_no_scale_is_called_unfit(make_outcomes):
    few = compute_statistics(make_outcomes([30, 60, 82, 99], [9, 29, 55, 94], total=100), resamples=0)
    assert unfit_scale_sentence(few, "linear") is None


def test_a_model_under_two_names_is_one_test_and_one_finding(found):
    off = with_p(found, [0.01, 0.02, 0.6, 0.7, 0.9, 1.0], [0.02, 0.031, 0.0, 0.0, 0.01, 0.0])
    assert isinstance(off.robustness, EffectiveRobustness)
    twice = off.robustness.of(np.array([0, 1, 2, 1, 4, 5]))
    assert twice.repeats.tolist() == [False, False, False, True, False, False]
    assert twice.tests == 5
    said = robustness_sentence(replace(off, robustness=twice))
    assert said is not None
    assert said.startswith("2 models are significantly above the line (points: b by 3.1, a by 2.0). ")
    assert said.endswith("(linear scale, Holm over 5 models).")
