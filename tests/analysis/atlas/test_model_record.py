"""What is found of a model over all published testbeds, and the command that shows it."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from evalshift.analysis.atlas.model_record import ModelRecord, model_record
from evalshift.analysis.atlas.names import find_models
from evalshift.analysis.atlas.pair_lines import pair_lines
from evalshift.cli import app
from evalshift.errors import UsageError
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry

MATCHED = "imagenet:imagenetv2-matched-frequency"


@pytest.fixture(scope="module")
def registry():
    return load_registry(default_path())


@pytest.fixture(scope="module")
def resnet50() -> ModelRecord:
    return next(model_record(one) for one in find_models("resnet50") if one.testbed.name == "recht2019")


def test_accuracies_intervals_and_ranks_are_those_of_the_paper(resnet50):
    # Table 11: 76.13 [75.76, 76.50] and 63.30 [62.35, 64.25], ranks 38 and 40 (in alphabetical order); Clopper–Pearson.
    original, new = (
        next(one for one in resnet50.sets if (one.dataset, one.metric) == (name, "top1"))
        for name in ("imagenet", "imagenetv2-matched-frequency")
    )
    assert (original.correct, original.images, original.models) == (38_065, 50_000, 67)
    assert (new.correct, new.images, new.rank) == (6_333, 10_000, 39)
    low, high = stats.beta.ppf([0.025, 0.975], [6_333, 6_334], [10_000 - 6_333 + 1, 10_000 - 6_333])
    assert [new.interval.low, new.interval.high] == pytest.approx([low, high])


def test_distances_are_from_the_line_through_the_other_models(resnet50):
    pair = next(one for one in resnet50.pairs if one.pair == MATCHED)
    assert (pair.models, pair.group_models, pair.group_distance) == (67, 0, None)
    assert pair.drop == pytest.approx(0.7613 - 0.6333)
    assert pair.distance == pytest.approx(-0.008, abs=0.001)
    assert pair.p_holm == 1.0


def test_the_rank_among_models_of_the_same_accuracy(resnet50):
    """Of the 67, counted by hand: 38,065 of 50,000 correct, and those within 1.96 standard errors of a difference."""
    pair = next(one for one in resnet50.pairs if one.pair == MATCHED)
    outcomes = pair_lines("recht2019", MATCHED).outcomes
    p = outcomes.original_correct / 50_000
    same = np.abs(p - 0.7613) <= 1.959964 * np.sqrt((p * (1 - p) + 0.7613 * 0.2387) / 50_000)
    assert pair.matched_models == same.sum() - 1 > 0
    assert pair.matched_rank is not None
    assert 1 <= pair.matched_rank_low <= pair.matched_rank <= pair.matched_rank_high <= same.sum()


@pytest.mark.parametrize("name", ["resnet50", "RESNET50", "resnet50-v1-torchvision", "torchvision/resnet50"])
def test_names_of_the_same_weights(name, registry):
    assert "resnet50" in {one.model.name for one in find_models(name, registry) if one.testbed.name == "recht2019"}


def test_a_glob_finds_several():
    found = [one.model.name for one in find_models("fv_*k") if one.testbed.name == "recht2019"]
    assert found == ["fv_16k", "fv_4k", "fv_64k"]


def test_a_misspelt_name():
    with pytest.raises(UsageError) as complaint:
        find_models("vgg19_bm")
    assert complaint.value.found == '"vgg19_bm"'
    assert complaint.value.fix == 'did you mean "vgg19_bn"?'


@pytest.mark.parametrize(
    "name, fix",
    [
        ("resnet50.a1", "name the weights: resnet50.a1_in1k"),  # the beginning of a name
        ("mixer_l16", "name the weights: mixer_l16_224."),
        ("ResNet-50.A1-in1k", 'did you mean "resnet50.a1_in1k"?'),
        ("convnext base", 'did you mean "convnext_base"?'),
    ],
)
def test_names_as_readers_of_papers_write_them(name, fix):
    with pytest.raises(UsageError) as complaint:
        find_models(name)
    assert str(complaint.value.fix).startswith(fix)


def test_a_name_that_is_near_none():
    with pytest.raises(UsageError) as complaint:
        find_models("qqqqqqqqqqqqqq")
    assert complaint.value.fix is None


class TestCommand:
    def test_json(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        run = CliRunner().invoke(app, ["show", "fv_4k", "--json"])
        (found,) = json.loads(run.stdout)
        assert (found["testbed"], found["family"], found["year"]) == ("recht2019", "fisher-vector", 2010)
        assert {one["dataset"]: one["correct"] for one in found["sets"] if one["metric"] == "top1"}["imagenet"] > 0
        assert found["pairs"][0]["pair"] == MATCHED
        assert {"matched_models", "matched_rank", "matched_rank_low", "matched_rank_high"} <= found["pairs"][0].keys()

    def test_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        run = CliRunner().invoke(app, ["show", "autoaug_wrn_tf"])
        lines = run.stdout.splitlines()
        assert lines[0] == "autoaug_wrn_tf  (Recht et al. 2019)"
        assert "counts worked out from rounded accuracies" in " ".join(" ".join(lines[1:3]).split())
        assert any(line.startswith("CIFAR-10.1 v4") and "of 34" in line for line in lines)

    def test_misspelt(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        run = CliRunner().invoke(app, ["show", "vgg19_bm"])
        assert run.exit_code == 2
        assert 'did you mean "vgg19_bn"?' in run.output


@pytest.mark.late
def test_single_corruptions_are_details():
    (found,) = (one for one in find_models("resnet50") if one.testbed.name == "taori2020")
    pairs = [{one.pair for one in model_record(found, details).pairs} for details in (True, False)]
    assert pairs[0] - pairs[1] == set(found.testbed.details)
