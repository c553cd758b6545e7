"""Models compared with each other: from stored predictions, from counts, from a published testbed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalshift as es
from evalshift.analysis.comparison.records import Comparison
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.matched_models import matched_models
from evalshift.analysis.statistics.paired import compare_drops, compare_models
from evalshift.analysis.summary.published import published_outcomes
from evalshift.errors import AnalysisError, UsageError
from evalshift.testbed.published import load_published
from tests.analysis.conftest import Store

IMAGES = 200
SKILLS = {"a": 0.9, "b": 0.7, "c": 0.65, "d": 0.6, "e": 0.55, "f": 0.5, "g": 0.45}


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    """Seven models on two sets of 200 images: a is clearly the best, the others follow in steps of five points."""
    store = Store(tmp_path / "results")
    rng = np.random.default_rng(2)
    for dataset, lost in (("x", 0.0), ("y", 0.1)):
        labels = rng.integers(0, 6, IMAGES)
        store.dataset(dataset, labels.tolist())
        difficulty = rng.permutation(np.linspace(0, 1, IMAGES, endpoint=False))
        for model, skill in SKILLS.items():
            correct = difficulty < round(skill - lost, 6) - 1e-9
            top = np.where(correct, labels, (labels + 1) % 6)
            store.predictions(dataset, model, top[:, np.newaxis].tolist())
    store.results.add_pairs(["x:y"])
    return store


def test_two_models_have_the_paired_statistics_of_their_images(stored: Store) -> None:
    (pair,) = es.compare(stored.results, "a", "b", scale="linear").pairs
    correct = np.array([np.arange(IMAGES) < 180, np.arange(IMAGES) < 140])
    lower = np.array([np.arange(IMAGES) < 160, np.arange(IMAGES) < 120])
    by_hand = {"original": compare_models(correct), "new": compare_models(lower), "drop": compare_drops(correct, lower)}
    for quantity, expected in by_hand.items():
        found = pair.differences[quantity]
        assert not isinstance(found, Missing)
        assert found.difference == pytest.approx(expected.difference)
        assert found.interval.low == pytest.approx(expected.interval.low, nan_ok=True)
        assert found.p_value == pytest.approx(expected.p_value, nan_ok=True)
    row = pair.table.set_index("quantity").loc["original"]
    assert (row["only_1"], row["only_2"]) == (40, 0)
    assert pair.line_models == 5
    # Every model loses 0.1: all lie on one line of slope 1. Both are more accurate than all others of the line, so that
    # a distance of 0 there is smaller than its standard error, and is not given; inside their range it is.
    assert not isinstance(pair.distances, Missing)
    assert np.isnan(pair.distances).all()
    (inside,) = es.compare(stored.results, "b", "c", scale="linear").pairs
    assert inside.distances == pytest.approx([0, 0], abs=1e-9)


def test_the_verdict_says_no_more_than_the_numbers(stored: Store) -> None:
    assert es.compare(stored.results, "b", "a").verdict.startswith(
        "a is more accurate than b on both sets: by 20.0 points (95 % CI "
    )
    close = es.compare(stored.results, "f", "g", scale="linear").verdict
    assert close.endswith(
        "Their effective robustness does not differ significantly: f minus g is 0.0 points (95 % CI −7.6 to 7.6)."
    )


def test_models_that_do_not_differ_are_not_ranked(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    for dataset in ("x", "y"):
        store.dataset(dataset, [0, 1, 2, 3])
        store.predictions(dataset, "one", [[0], [1], [2], [0]])
        store.predictions(dataset, "two", [[0], [1], [0], [3]])
    store.results.add_pairs(["x:y"])
    found = es.compare(store.results, "one", "two")
    assert "do not differ significantly: the difference is 0.0 points" in found.verdict
    # Nor is there a line of others: the drop stands in its place, and the reason is given.
    assert "Effective robustness is not compared: too few other models" in found.verdict
    assert isinstance(found.pairs[0].distances, Missing)
    assert set(found.table["quantity"]) == {"original", "new", "drop"}


def test_order_and_globs(stored: Store) -> None:
    assert es.compare(stored.results, "c", "a").pairs[0].models == ("c", "a")
    assert es.compare(stored.results, "[ab]").pairs[0].models == ("a", "b")
    forward, backward = es.compare(stored.results, "a", "g"), es.compare(stored.results, "g", "a")
    assert forward.table["difference"].tolist() == pytest.approx((-backward.table["difference"]).tolist())


def test_p_values_of_several_models_are_adjusted_over_their_pairs(stored: Store) -> None:
    found = es.compare(stored.results, "a", "b", "c").pairs[0]
    originals = found.table[found.table["quantity"] == "original"]
    assert len(originals) == 3
    assert originals["p_holm"].min() == pytest.approx(3 * originals["p_value"].min())
    assert found.verdict.startswith("Of the 3 pairs of 3 models, 3 differ significantly in accuracy on x and 3 on y.")


def test_images_that_one_model_alone_classifies_correctly(stored: Store) -> None:
    images = es.compare(stored.results, "a", "b").images()
    assert images["dataset"].value_counts().to_dict() == {"x": 40, "y": 40}
    assert set(images["correct"]) == {"a"}
    assert (images["predicted_1"] == images["label"]).all()
    assert (images["predicted_2"] != images["label"]).all()


def test_counts_alone_give_intervals_and_no_paired_test() -> None:
    found = es.compare("none", "resnet50", "vgg19", published="recht2019", pairs="imagenet:imagenetv2-topimages")
    table = found.table.set_index("quantity")[["difference", "low", "p_value"]].astype(float)
    assert table["p_value"].isna().tolist() == [True, True, True, False]
    # Table 11 of the paper: 76.13 and 72.38 % of 50,000 images.
    assert table["difference"]["original"] == pytest.approx(0.0375, abs=1e-4)
    assert table["low"]["original"] > 0
    assert any("Only counts are known" in note for note in found.pairs[0].notes)
    with pytest.raises(AnalysisError) as caught:
        found.images()
    assert caught.value.found == "counts alone"


def test_json_holds_what_the_table_has(stored: Store) -> None:
    found = es.compare(stored.results, "a", "b")
    (pair,) = json.loads(found.to_json())["pairs"]
    assert pair["verdict"] == found.verdict
    assert [one["difference"] for one in pair["differences"]] == pytest.approx(found.table["difference"].tolist())
    assert pair["models"][0]["model"] == "a"


@pytest.mark.parametrize(
    "models, problem",
    [
        (("a",), "a comparison needs two models"),
        (("a", "a"), "a comparison needs two models"),
        (("[a]",), "a comparison needs two models"),
        (("a", "nosuch"), "there is no such model on this pair"),
        (("a", "nosuch*"), "there is no such model on this pair"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(stored: Store, models: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        es.compare(stored.results, *models)
    assert caught.value.problem == problem


def test_several_pairs_are_indexed_by_name() -> None:
    found = es.compare("none", "resnet50", "vgg19", published="recht2019")
    assert len(found.pairs) == 3  # those of ImageNet; the models are not in CIFAR-10's
    assert isinstance(found["imagenet:imagenetv2-topimages"], Comparison)
    with pytest.raises(UsageError) as caught:
        found["imagenet:imagenetv2"]
    assert caught.value.fix is not None
    with pytest.raises(UsageError):
        found.images()


def test_each_model_is_ranked_among_those_of_its_accuracy(stored: Store) -> None:
    """Accuracies in steps of 5 points on 200 images: neighbours of 65 % do not differ from it by chance alone.

    The images are nested, so that a difference of 5 points is 10 images that only one classifies correctly, of variance
    0.05 · 0.95/200: significant, and no two models have the same accuracy. From counts alone they have.
    """
    (pair,) = es.compare(stored.results, "b", "c", scale="linear").pairs
    assert pair.accuracy_table["same_accuracy_models"].tolist() == [0, 0]
    assert pair.accuracy_table["same_accuracy_rank"].isna().all()
    names = "vgg19", "resnet50"
    (pair,) = es.compare("none", *names, published="recht2019", pairs="imagenet:imagenetv2-topimages").pairs
    table: Any = pair.accuracy_table
    assert table["same_accuracy_rank"].isna().tolist() == [True, False]  # no other model has the accuracy of VGG-19
    alone = published_outcomes(load_published("recht2019"), "imagenet:imagenetv2-topimages")["top1"]
    places = np.array([alone.models.index(name) for name in names])
    found = matched_models(alone.counts, in_line=alone.in_line(["fisher-vector"]), of=places, scale=pair.scale)
    columns = ["same_accuracy_models", "same_accuracy_rank", "same_accuracy_rank_low", "same_accuracy_rank_high"]
    assert table.loc[1, columns].tolist() == [
        found.count[1], found.rank[1], found.interval.low[1], found.interval.high[1],
    ]  # fmt: skip
    assert found.count[1] > 0
