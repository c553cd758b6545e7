"""The record of all statistics: each is what its function gives, or the reason why it is not computed."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.line_statistics import LineStatistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.pair_statistics.set_statistics import PairwiseStatistics, SetStatistics
from evalshift.analysis.statistics.agreement import agreement
from evalshift.analysis.statistics.agreement_line import agreement_line
from evalshift.analysis.statistics.difficulty_model import Difficulty, fit_difficulty, simulate
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, own_variance, york_line
from evalshift.analysis.statistics.hard_images import hardest_share
from evalshift.analysis.statistics.mean_drop import drop_margin_of_counts
from evalshift.analysis.statistics.multiplicity import adjust_pairs
from evalshift.analysis.statistics.near_duplicates import NearDuplicates, without_duplicates
from evalshift.analysis.statistics.paired import compare_drops, compare_models
from evalshift.analysis.statistics.per_class import class_accuracies, class_drops
from evalshift.analysis.statistics.power import detectable_difference
from evalshift.analysis.statistics.rank_sets import rank_sets
from evalshift.analysis.statistics.reuse_margins import joint_margin, reuse_margin
from evalshift.analysis.statistics.scale_choice import compare_scales
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.tables import TABLES, statistic_tables

CLASSES = tuple("abcd")
RESAMPLES = 60


def predictions_from(name: str, right: np.ndarray, models: Sequence[str], rng: np.random.Generator) -> ImagePredictions:
    """Predictions that are right where they should be, and wrong by chance elsewhere."""
    labels = rng.integers(len(CLASSES), size=right.shape[1])
    wrong = (labels + rng.integers(1, len(CLASSES), size=right.shape)) % len(CLASSES)
    top = np.where(right, labels, wrong).astype(np.int8)[:, :, np.newaxis]
    return ImagePredictions(name, tuple(models), top, labels, tuple(map(str, range(right.shape[1]))), CLASSES)


def counted(pair_predictions: tuple[ImagePredictions, ImagePredictions], **changes: Any) -> Outcomes:
    original, new = pair_predictions
    facts = {
        "original": original.dataset,
        "new": new.dataset,
        "metric": "top1",
        "models": original.models,
        "original_correct": original.correct().sum(axis=1),
        "new_correct": new.correct().sum(axis=1),
        "original_total": len(original.labels),
        "new_total": len(new.labels),
        "attributes": {
            model: {"family": f"family {place // 2}", "year": 2010 + place % 4}
            for place, model in enumerate(original.models)
        },
    }
    return Outcomes(**(facts | changes))


@pytest.fixture(scope="module")
def pair() -> tuple[ImagePredictions, ImagePredictions]:
    """Eight models from the difficulty model, 400 and 300 images."""
    rng = np.random.default_rng(5)
    skill, models = np.linspace(-0.5, 2.5, 8), [f"model {place}" for place in range(8)]
    return (
        predictions_from("old", simulate(skill, Difficulty(0.0, 1.0), 400, rng), models, rng),
        predictions_from("new", simulate(skill, Difficulty(0.6, 1.2), 300, rng), models, rng),
    )


@pytest.fixture(scope="module")
def found(pair: tuple[ImagePredictions, ImagePredictions]) -> Statistics:
    return compute_statistics(counted(pair), pair, scale="probit", resamples=RESAMPLES)


def of_set(found: SetStatistics | Missing) -> SetStatistics:
    assert isinstance(found, SetStatistics)
    return found


def of_pairs(found: SetStatistics | Missing) -> PairwiseStatistics:
    pairs = of_set(found).pairs
    assert isinstance(pairs, PairwiseStatistics)
    return pairs


def same(one: Any, other: Any) -> bool:
    """Whether two results are the same in every number."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
        )
    return one == other or (one != one and other != other)


class TestEachIsWhatItsFunctionGives:
    def test_lines(self, pair, found):
        outcomes, correct = counted(pair), [side.correct() for side in pair]
        counts = outcomes.original_correct, np.full(8, 400), outcomes.new_correct, np.full(8, 300)
        accuracies = fitted_accuracy(*counts[:2], "probit"), fitted_accuracy(*counts[2:], "probit")

        lines = found.lines
        assert same(lines.scale_fits, compare_scales(*counts))
        families = [outcomes.attributes[model]["family"] for model in outcomes.models]
        assert same(lines.by_family, compare_scales(*counts, families=families))
        binomial = binomial_variance(*counts[:2]), binomial_variance(*counts[2:])
        assert lines.york == york_line(*accuracies, *binomial, scale="probit")
        assert lines.york_own == york_line(*accuracies, *map(own_variance, correct), scale="probit")
        for line in (lines.over_images, lines.over_both, lines.over_families):
            assert not isinstance(line, Missing)
            assert line.slope == pytest.approx(lines.york.slope, rel=0.2)
            assert line.slope_interval.low < line.slope < line.slope_interval.high
            assert line.resamples == RESAMPLES

    def test_models_on_one_set(self, pair, found):
        for pair_predictions, side in zip(pair, (found.original, found.new), strict=True):
            correct, pairs = pair_predictions.correct(), of_pairs(side)
            compared = compare_models(correct)
            assert same(pairs.comparison, compared)
            assert same(pairs.p_holm, adjust_pairs(compared.p_value))
            assert same(pairs.p_bh, adjust_pairs(compared.p_value, "benjamini-hochberg"))
            assert same(pairs.agreement, agreement(pair_predictions.predicted))
            # The median over the 28 pairs, of images that only one of two models classifies correctly.
            apart = [np.mean(correct[i] != correct[j]) for i in range(8) for j in range(i)]
            assert pairs.discordance == pytest.approx(np.median(apart))
            assert pairs.detectable == detectable_difference(len(pair_predictions.labels), pairs.discordance)
            assert of_set(side).union_margin == reuse_margin(len(pair_predictions.labels), 8)
            assert same(of_set(side).classes, class_accuracies(correct, pair_predictions.labels, 4))
            assert same(of_set(side).hardest, hardest_share(pair_predictions.predicted, pair_predictions.labels, 0.05))
            assert of_set(side).missed_by_all == np.sum(~correct.any(axis=0))
            assert len(of_set(side).hard) == np.sum((~correct).sum(axis=0) > 4)  # type: ignore[arg-type]

    def test_drawn_ones_within_their_noise(self, pair, found):
        ranks = rank_sets(pair[1].correct(), rng=np.random.default_rng(9))
        assert np.abs(of_set(found.new).ranks.interval.low - ranks.interval.low).max() <= 1
        margin = joint_margin(pair[1].correct(), rng=np.random.default_rng(9)).margin
        assert of_set(found.new).joint.margin == pytest.approx(margin, rel=0.05)

    def test_both_sets_together(self, pair, found):
        original, new = (side.correct() for side in pair)
        drops = compare_drops(original, new)
        assert same(found.drop_differences.differences, drops)
        assert same(found.drop_differences.p_holm, adjust_pairs(drops.p_value))
        classes = [class_accuracies(side.correct(), side.labels, 4) for side in pair]
        assert same(found.class_drops, class_drops(classes[0], classes[1]))
        assert same(found.difficulty, fit_difficulty(original, new))
        agreements = [agreement(side.predicted) for side in pair]
        assert same(found.without_labels, agreement_line(original.mean(axis=1), *agreements))
        assert found.shared_images

    def test_near_duplicates(self, pair):
        known = NearDuplicates(0.05, 0.99, "someone")
        outcomes = counted(pair)
        found = compute_statistics(outcomes, near_duplicates=known, resamples=0)
        expected = without_duplicates(outcomes.original_correct, np.full(8, 400), 0.05, np.full(8, 0.99))
        assert same(found.duplicates, expected)


class TestNoNumberDependsOnWhatElseIsThere:
    def test_counts_alone_give_the_same_numbers_where_no_image_is_needed(self, pair, found):
        alone = compute_statistics(counted(pair), scale="probit", resamples=RESAMPLES)

        assert same(alone.decomposition, found.decomposition)
        assert same(alone.year, found.year)
        for name in ("scale_fits", "by_family", "york", "over_families"):
            assert same(getattr(alone.lines, name), getattr(found.lines, name))

    def test_another_scale_changes_nothing_that_has_none(self, pair, found):
        linear = compute_statistics(counted(pair), pair, scale="linear", resamples=RESAMPLES)

        for name in ("original", "new", "rank_changes", "year", "difficulty"):
            assert same(getattr(linear, name), getattr(found, name)), name
        assert same(linear.lines.diminishing, found.lines.diminishing)
        assert not same(linear.lines.york, found.lines.york)

    def test_a_seed_gives_the_same_numbers_and_another_one_others(self, pair, found):
        again, other = (
            compute_statistics(counted(pair), pair, scale="probit", resamples=RESAMPLES, seed=seed) for seed in (0, 1)
        )
        assert same(again, found)
        assert not same(other.lines.over_images, found.lines.over_images)
        assert not same(other.robustness, found.robustness)


def test_counts_alone_say_what_they_lack(pair):
    found = compute_statistics(counted(pair), resamples=RESAMPLES)

    lacking = Missing("only counts are stored, not per-image predictions")
    for name in ("original", "new", "rank_changes", "drop_differences", "without_labels", "class_drops", "difficulty"):
        assert getattr(found, name) == lacking, name
    assert found.lines.over_images == found.lines.over_both == lacking
    assert found.lines.york_own == Missing("per-image predictions are not stored for all models")
    assert not found.shared_images
    assert found.image_models == ()


def test_models_known_by_counts_alone_are_part_of_what_counts_can_say(pair):
    two = pair[0].subset([0, 1, 2, 3, 4]), pair[1].subset([0, 1, 2, 3, 4])

    found = compute_statistics(counted(pair), two, resamples=RESAMPLES)

    assert len(found.models) == 8
    assert found.image_models == two[0].models == of_set(found.original).models
    assert not isinstance(found.robustness, Missing)
    assert len(found.robustness.distance) == 8
    assert not found.shared_images  # covariances of five models say nothing of the other three
    tables, _ = statistic_tables(found, counted(pair), pair[0].models, {}, two)
    assert (len(tables["robustness"].frame), len(tables["ranks"].frame)) == (8, 5)


def test_families_left_out_are_no_part_of_lines_but_held_against_them(pair):
    outcomes = counted(pair)

    found = compute_statistics(outcomes, pair, without=("family 1",), resamples=RESAMPLES)
    without = [0, 1, 4, 5, 6, 7]
    fewer = compute_statistics(
        outcomes.subset(without), (pair[0].subset(without), pair[1].subset(without)), resamples=RESAMPLES
    )

    assert same(found.lines, fewer.lines)
    assert same(found.difficulty, fewer.difficulty)
    assert same(found.year, fewer.year)
    assert not isinstance(found.robustness, Missing)
    assert not isinstance(fewer.robustness, Missing)
    assert found.robustness.distance[without] == pytest.approx(fewer.robustness.distance)
    assert np.isfinite(found.robustness.distance).all()
    assert len(of_set(found.original).models) == 8


def test_all_families_left_out_leave_no_line(pair):
    outcomes = counted(pair)

    found = compute_statistics(outcomes, pair, without=[f"family {n}" for n in range(4)], resamples=RESAMPLES)

    assert isinstance(found.robustness, Missing)
    assert all(
        isinstance(getattr(found.lines, field.name), Missing)
        for field in fields(LineStatistics)
        if field.name != "scale"
    )


class TestFresh:
    def test_tuning_that_was_planted_is_found(self, pair):
        # On fresh images each model misses 40 images more than on as many original ones: 10 points.
        right = pair[0].correct().copy()
        for row in right:
            row[np.flatnonzero(row)[:40]] = False
        fresh = predictions_from("fresh", right, pair[0].models, np.random.default_rng(1))

        found = compute_statistics(counted(pair), pair, fresh=fresh, resamples=0)

        assert found.fresh == "fresh"
        assert found.decomposition.adaptivity.estimate == pytest.approx(np.full(8, 0.1))
        assert (found.decomposition.adaptivity_p < 0.01).all()
        parts = found.decomposition.adaptivity.estimate + found.decomposition.distribution.estimate
        assert parts == pytest.approx(found.decomposition.drop)

    def test_a_model_without_fresh_predictions_keeps_the_two_together(self, pair):
        fresh = pair[0].subset([1, 3])

        found = compute_statistics(counted(pair), pair, fresh=replace(fresh, dataset="fresh"), resamples=0)

        assert found.with_fresh.tolist() == [False, True, False, True] + [False] * 4
        assert np.isnan(found.decomposition.adaptivity.estimate).tolist() == (~found.with_fresh).tolist()
        assert found.decomposition.adaptivity.estimate[[1, 3]].tolist() == [0, 0]
        assert found.decomposition.distribution.estimate == pytest.approx(found.decomposition.drop)

    def test_no_common_model_is_as_no_fresh_set(self, pair):
        fresh = replace(pair[0], dataset="fresh", models=tuple(f"other {n}" for n in range(8)))

        found = compute_statistics(counted(pair), pair, fresh=fresh, resamples=0)

        assert found.fresh is None
        assert same(found.decomposition, compute_statistics(counted(pair), resamples=0).decomposition)


class TestDegenerate:
    def test_all_correct_on_a_set_leaves_the_margin_of_counts(self, make_outcomes):
        labels, models = np.zeros(20, np.int64), tuple("abc")
        sides = [
            ImagePredictions(
                name, models, np.zeros((3, 20, 1), np.int64), labels, tuple("0123456789abcdefghij"), ("x",)
            )
            for name in ("old", "new")
        ]
        outcomes = make_outcomes([20] * 3, [20] * 3, total=20)
        found = compute_statistics(outcomes, (sides[0], sides[1]), resamples=0)
        assert found.drop_margin == drop_margin_of_counts(*outcomes.counts)
        assert found.drop_margin > 0.2

    def test_one_model(self, pair):
        one = pair[0].subset([3]), pair[1].subset([3])

        found = compute_statistics(counted(one), one, resamples=RESAMPLES)

        alone = "fewer than 2 models have per-image predictions: 1"
        assert found.rank_changes == found.drop_differences == Missing(alone)
        assert of_set(found.original).pairs == Missing("a comparison needs two models")
        assert of_set(found.original).cover_margin == Missing("a comparison needs two models")
        assert found.robustness == Missing("a distance needs a line through at least 5 other models (1 model)")
        assert found.lines.scale_fits == Missing("no line can be fitted (1 model with 1 distinct original accuracy)")
        assert found.without_labels == Missing("agreement needs two models")
        assert found.difficulty == Missing("the difficulty model cannot be fitted (1 model that can be used)")
        assert not isinstance(found.class_drops, Missing)
        assert of_set(found.new).ranks.rank.tolist() == [1]

    def test_two_models_have_a_line_and_no_interval(self, pair):
        two = pair[0].subset([1, 6]), pair[1].subset([1, 6])

        found = compute_statistics(counted(two), two, resamples=RESAMPLES)

        assert found.lines.over_both == Missing("there are fewer than three models")
        assert not isinstance(found.lines.york, Missing)
        assert found.lines.by_family == Missing("without a model's family there is no line")
        assert not isinstance(found.drop_differences, Missing)

    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    def test_models_of_one_accuracy(self, share):
        right = np.arange(40) < np.full((4, 1), 40 * share)
        rng = np.random.default_rng(2)
        both = (predictions_from("old", right, "pqrs", rng), predictions_from("new", right, "pqrs", rng))

        found = compute_statistics(counted(both), both, resamples=RESAMPLES)

        assert found.lines.york == Missing("no line can be fitted (4 models with 1 distinct original accuracy)")
        assert of_pairs(found.original).detectable == Missing(
            "most pairs of models are correct and incorrect on the same images"
        )
        assert of_set(found.original).ranks.interval.high.tolist() == [4] * 4
        assert not found.rank_changes.real.any()  # type: ignore[union-attr]

    def test_nothing_resampled(self, pair):
        found = compute_statistics(counted(pair), pair, resamples=0)

        lines = found.lines
        nothing = Missing("nothing was resampled")
        assert [lines.over_images, lines.over_both, lines.over_families, found.year] == [nothing] * 4
        assert np.isfinite(found.robustness.distance).all()  # type: ignore[union-attr]

    def test_a_class_on_one_set_only_has_no_drop_and_says_so(self, pair):
        kept = pair[1].labels != 2
        new = replace(pair[1], labels=pair[1].labels[kept], top=pair[1].top[:, kept], ids=pair[1].ids[: kept.sum()])

        summary = summarize_outcomes({"top1": counted((pair[0], new))}, predictions=(pair[0], new), resamples=0)

        table = summary.metrics["top1"].tables["classes"]
        assert table.frame["drop"].isna().tolist() == [False, False, True, False]
        assert table.empty == "A class without images on a set has no accuracy there, and no rank."

    def test_top5_leaves_first_predictions_to_top1(self, letters):
        from evalshift.analysis.outcomes.stored_pair import load_pair

        stored = load_pair(letters.results, "old:new")

        found = compute_statistics(stored.outcomes["top5"], stored.predictions, resamples=0)

        assert of_set(found.new).hard == Missing("hard images are defined on top-1 predictions: see top-1")
        assert found.without_labels == Missing("agreement is defined on top-1 predictions: see top-1")
        assert of_pairs(found.new).agreement is None


@st.composite
def awkward_predictions(draw) -> list[tuple[list[int], list[list[int]]]]:
    """Labels and predictions of few images: often all correct, all incorrect, alike, or of classes one set lacks."""
    models, sides = draw(st.integers(1, 4)), []
    for _ in ("old", "new"):
        images = draw(st.integers(1, 5))
        row = st.lists(st.integers(0, 2), min_size=images, max_size=images)
        labels = draw(row)
        sides.append((labels, [draw(st.one_of(row, st.just(labels))) for _ in range(models)]))
    return sides


@settings(max_examples=25, deadline=None)
@given(awkward_predictions(), st.sampled_from(["linear", "probit", "logit"]), st.booleans())
def test_nothing_degenerate_fails_or_leaves_a_number_undefined_without_a_word(sides, scale, with_predictions):
    original, new = (
        ImagePredictions(
            dataset=name,
            models=tuple("pqrs"[: len(top)]),
            top=np.array(top, dtype=np.int8)[:, :, np.newaxis],
            labels=np.array(labels, dtype=np.int64),
            ids=tuple(map(str, range(len(labels)))),
            class_names=tuple("abc"),
        )
        for name, (labels, top) in zip(("old", "new"), sides, strict=True)
    )
    pair = original, new
    pair_predictions = pair if with_predictions else None
    summary = summarize_outcomes(
        {"top1": counted(pair)}, predictions=pair_predictions, scale=scale, resamples=4
    ).metrics["top1"]

    # What these pairs do not call for, without attributes, superclasses, a class tree and recipes, needs no word.
    uncalled = {
        "clusters",
        "clustered_drops",
        "worst_groups",
        "groups",
        "recipes",
        "hierarchical_errors",
        "mistake_severity",
    }
    uncalled |= {"corrected_labels", "corrected_label_sets", "corrected_drops", "item_response", "item_response_sets"}
    uncalled |= {"item_response_classes", "model_groups", "selection_frequencies"}
    assert sorted([*summary.tables, *summary.missing]) == sorted({*TABLES} - uncalled)
    assert all(summary.missing.values())
    for table in summary.tables.values():
        undefined = table.frame.select_dtypes("number").isna().any(axis=1)
        said = table.frame["missing"] != "" if "missing" in table.frame else undefined & False
        assert bool(table.empty) == bool(undefined.any()), table.name
        assert table.empty or not (undefined & ~said).any()
    assert all(sentence and "nan" not in sentence for sentence in (*summary.findings(), *summary.details()))
