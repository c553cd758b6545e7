"""The counts that come with evalshift, against the predictions and tables that they were taken from."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import released
from messages import says

from evalshift.analysis.atlas.pair_lines import pair_lines
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.summary.published import summarize_published
from evalshift.errors import UsageError
from evalshift.testbed import published
from evalshift.testbed.published import PublishedTable, load_published, load_with_pairs, published_names

PUBLISHED_FOLDER = Path(published.__file__).parent
PRINTED = released.DATA / "published"
needs_printed = pytest.mark.skipif(not PRINTED.is_dir(), reason=f"the printed tables are not in {PRINTED}")

CIFAR_OR_IMAGENET = ("cifar10", "imagenet")
# Where a file of the release and the paper name a model differently.
RENAMED = {
    "random_features_256k_no_aug": "random_features_256k",
    "random_features_32k_no_aug": "random_features_32k",
    "resnet_preact_basic_110": "resnet_v2_basic_110",
    "resnet_preact_bottleneck_164": "resnet_v2_bottleneck_164",
    "resnetv2_tf": "resnetv2_tf_32",
    "shake_shake_26_2x32d_SSI": "shake_shake_32d",
    "shake_shake_26_2x64d_SSI": "shake_shake_64d",
    "shake_shake_26_2x64d_SSI_cutout16": "shake_shake_64d_cutout",
    "wide_resnet_tf": "wide_resnet_tf_28_10",
}


def table(original: str) -> PublishedTable:
    return next(table for table in load_published("recht2019").tables if table.original == original)


def shipped(original: str, dataset: str, metric: str = "top1") -> dict[str, int]:
    """Model -> images it classifies correctly, of those that were counted from predictions."""
    counts = table(original)
    return {
        model.name: int(correct)
        for model, correct in zip(counts.models, counts.correct[dataset, metric], strict=True)
        if model.exact
    }


def recounted(models: Sequence[str], hits: np.ndarray) -> dict[str, int]:
    """The same from released predictions, but for the model that the paper does not have."""
    counts = {RENAMED.get(model, model): int(count) for model, count in zip(models, hits, strict=True)}
    counts.pop("alexnet_tf_ben", None)
    return counts


@released.needs_cifar10
@pytest.mark.parametrize("version", ["v4", "v6"])
def test_cifar10_counts_are_those_of_the_released_predictions(version):
    predictions = released.cifar10(version)
    original, new = predictions.correct
    assert shipped("cifar10", "cifar10") == recounted(predictions.models, original.sum(axis=1))
    assert shipped("cifar10", f"cifar10.1-{version}") == recounted(predictions.models, new.sum(axis=1))


@released.needs_imagenet
@pytest.mark.parametrize(
    "folder, dataset", [("imagenet-val", "imagenet"), ("matched-frequency", "imagenetv2-matched-frequency")]
)
def test_imagenet_counts_are_those_of_the_released_predictions(folder, dataset):
    labels = np.load(released.IMAGENET / f"{folder}_labels.npy").astype(np.int16)[:, np.newaxis]
    top1, top5 = {}, {}
    for file in sorted((released.IMAGENET / folder).glob("*.npy")):
        hits = np.load(file) == labels
        if (file.stem, folder) == ("fv_16k", "matched-frequency"):
            hits = hits[:, ::-1]
        top1[file.stem], top5[file.stem] = int(hits[:, 0].sum()), int(hits.any(axis=1).sum())
    assert shipped("imagenet", dataset) == top1
    assert shipped("imagenet", dataset, "top5") == top5


@needs_printed
@pytest.mark.parametrize("dataset", ["imagenetv2-threshold0.7", "imagenetv2-topimages"])
def test_counts_on_the_other_imagenet_sets(dataset):
    counts = pd.read_csv(PRINTED / "recht2019_counts.csv").query("dataset == @dataset").set_index("model")
    for metric in ("top1", "top5"):
        assert shipped("imagenet", dataset, metric) == counts[f"{metric}_correct"].astype(int).to_dict()


@needs_printed
class TestModelsWithoutReleasedPredictions:
    """Five models of tables 7 and 8: their counts must give all that is printed of them."""

    def test_which(self):
        inexact = {original: [m.name for m in table(original).models if not m.exact] for original in CIFAR_OR_IMAGENET}
        assert inexact == {
            "cifar10": [
                "autoaug_pyramid_net_tf",
                "autoaug_shake_shake_112_tf",
                "autoaug_shake_shake_32_tf",
                "autoaug_shake_shake_96_tf",
                "autoaug_wrn_tf",
            ],
            "imagenet": [],
        }

    # Table 8 was printed with the interval of 2,021 images around accuracies on 2,000.
    @pytest.mark.parametrize("number, version, printed_with", [(7, "v4", 2021), (8, "v6", 2021)])
    def test_accuracies_intervals_and_gaps(self, number, version, printed_with):
        printed = pd.read_csv(PRINTED / f"table{number}_cifar10_vs_cifar10.1-{version}.csv").set_index("model")
        counts = table("cifar10")
        new_total = counts.images[f"cifar10.1-{version}"]
        for place, model in enumerate(counts.models):
            if model.exact:
                continue
            row = printed.loc[model.name]
            original, new = (int(counts.correct[name, "top1"][place]) for name in ("cifar10", f"cifar10.1-{version}"))
            assert round(original / 100, 1) == row.orig_acc
            assert round(100 * new / new_total, 1) == row.new_acc
            assert round(original / 100 - 100 * new / new_total, 1) == row.gap
            for correct, total, low, high in (
                (original, 10_000, row.orig_lo, row.orig_hi),
                (round(new / new_total * printed_with), printed_with, row.new_lo, row.new_hi),
            ):
                interval = clopper_pearson(np.array([correct]), np.array([total]))
                assert (100 * interval.low).round(1) == low
                assert (100 * interval.high).round(1) == high


@pytest.mark.parametrize("original", CIFAR_OR_IMAGENET)
def test_every_count_is_possible(original):
    counts = table(original)
    assert counts.correct.keys() == {(dataset, metric) for dataset in counts.images for metric in counts.metrics}
    assert set(counts.images) == {counts.original, *counts.new}
    for (dataset, _), correct in counts.correct.items():
        assert correct.shape == (len(counts.models),)
        assert (correct > 0).all()
        assert (correct < counts.images[dataset]).all()
    if "top5" in counts.metrics:
        for dataset in counts.images:
            assert (counts.correct[dataset, "top5"] > counts.correct[dataset, "top1"]).all()


@pytest.mark.parametrize("original, models, families", [("cifar10", 34, 10), ("imagenet", 67, 14)])
def test_every_model_has_a_family_and_a_year(original, models, families):
    counts = table(original)
    names = [model.name for model in counts.models]
    assert len(names) == models
    assert names == sorted(set(names))
    assert len({model.family for model in counts.models}) == families
    assert all(model.family and model.family == model.family.strip().lower() for model in counts.models)
    assert all(model.year and 2010 <= model.year <= 2018 for model in counts.models)
    assert set(counts.without) <= {model.family for model in counts.models}


def test_families_that_the_paper_speaks_of():
    fisher = [model.name for model in table("imagenet").models if model.family == "fisher-vector"]
    random = [model.name for model in table("cifar10").models if model.family == "random-features"]
    assert fisher == ["fv_16k", "fv_4k", "fv_64k"]
    assert len(random) == 4
    assert table("imagenet").without == ("fisher-vector",)
    assert table("cifar10").without == ()


def test_pairs_and_their_tables():
    testbed = load_published("recht2019")
    assert published_names() == (
        "chrabaszcz2017",
        "cinic10",
        "geirhos2021",
        "recht2019",
        "robustbench",
        "taori2020",
        "timm",
    )
    assert testbed.pairs == (
        "cifar10:cifar10.1-v4",
        "cifar10:cifar10.1-v6",
        "imagenet:imagenetv2-matched-frequency",
        "imagenet:imagenetv2-threshold0.7",
        "imagenet:imagenetv2-topimages",
    )
    assert testbed.table_of("cifar10:cifar10.1-v6") is testbed.tables[0]
    assert testbed.table_of("cifar10.1-v6:cifar10") is None


def test_an_unknown_testbed():
    with pytest.raises(UsageError) as complaint:
        load_published("recht2018")
    says(complaint.value, found='"recht2018"')


def test_counts_load_without_torch_and_pandas():
    code = (
        "import sys; from evalshift.testbed.published import load_published; load_published('recht2019'); "
        "print({'torch', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"


class TestTimm:
    """Figures of timm's tables at the commits that README.md of the testbed names, read off there."""

    @pytest.mark.parametrize(
        "model, dataset, top1, top5",
        [
            ("eva02_large_patch14_448.mim_m38m_ft_in22k_in1k", "imagenet", 90.054, 99.056),
            ("eva_giant_patch14_336.clip_ft_in1k", "imagenetv2-matched-frequency", 82.200, 96.290),
            ("convnext_xxlarge.clip_laion2b_soup_ft_in1k", "imagenet-r", 90.623, 97.913),
            ("eva02_large_patch14_448.mim_in22k_ft_in22k_in1k", "imagenet@imagenet-a", 98.940, 99.910),
        ],
    )
    def test_counts_give_the_printed_percentages(self, model, dataset, top1, top5):
        (counts,) = load_published("timm").counts
        row = [one.name for one in counts.models].index(model)
        images = load_published("timm").images[dataset]
        found = [round(100 * counts.correct[dataset, metric][row] / images, 3) for metric in ("top1", "top5")]
        assert found == [top1, top5]

    def test_every_row_and_what_is_known_of_the_models(self):
        (counts,) = load_published("timm").counts
        names = [model.name for model in counts.models]
        assert len(set(names)) == len(names) == 1445
        assert names == sorted(names)
        assert len({model.weights for model in counts.models}) == 1179
        present = {cell: int((correct >= 0).sum()) for cell, correct in counts.correct.items()}
        fewer = ("imagenetv2-matched-frequency", "imagenet-r")
        assert all(count == (1080 if dataset in fewer else 1445) for (dataset, _), count in present.items())
        assert all(model.family and model.parameters and model.image_size for model in counts.models)
        assert sum(model.training_data is None for model in counts.models) == 5
        assert {model.family for model in counts.models} <= set(load_published("timm").families)

    def test_a_pair_has_the_models_of_both_sets(self):
        testbed = load_published("timm")
        table = testbed.table_of("imagenet@imagenet-r:imagenet-r")
        assert table is not None
        assert len(table.models) == 1080
        assert all((correct >= 0).all() for correct in table.correct.values())
        assert sum(len(counts.models) for counts in testbed.counts) == 1445

    def test_models_far_off_the_line_are_those_of_the_scatter_not_of_chance(self):
        lines = pair_lines("timm", "imagenet:imagenetv2-matched-frequency")
        off = [lines.outcomes.models[model] for model in lines.off_line]
        assert off == ["mixer_l16_224.goog_in21k_ft_in1k"]
        assert 100 * lines.distance[lines.off_line[0]] == pytest.approx(-2.8, abs=0.05)


@pytest.mark.parametrize(
    "name, models, dataset, images", [("cinic10", 6, "cinic10", 90_000), ("chrabaszcz2017", 13, "imagenet32", 50_000)]
)
def test_testbeds_of_one_set_for_each_model(name, models, dataset, images):
    testbed = load_published(name)
    (counts,) = testbed.counts
    assert (testbed.pairs, len(counts.models), testbed.images[dataset]) == ((), models, images)
    assert not any(model.exact for model in counts.models)
    # GoogLeNet, 8.83 % errors; WRN-28-10 on 32 × 32 pixels, 40.96 %
    assert counts.correct[dataset, "top1"].max() == {"cinic10": 82_305, "chrabaszcz2017": 29_520}[name]
    with pytest.raises(UsageError) as complaint:
        load_with_pairs(name)
    says(complaint.value, found=f'"{name}"')


class TestTaori2020:
    """Figures of imagenet-testbed's table at the commit that README.md of the testbed names, read off there."""

    @pytest.mark.parametrize(
        "model, dataset, accuracy",
        [
            ("efficientnet-l2-noisystudent", "imagenet", 88.32200622558594),
            ("efficientnet-l2-noisystudent", "objectnet-1.0-beta", 68.45090202009291),
            ("FixResNeXt101_32x48d", "imagenetv2-matched-frequency", 77.7699966430664),
            ("instagram-resnext101_32x48d", "ytbb-robust-pm10", 56.945812807881765),
        ],
    )
    def test_counts_give_the_printed_accuracies(self, model, dataset, accuracy):
        testbed = load_published("taori2020")
        (counts,) = testbed.counts
        row = [one.name for one in counts.models].index(model)
        assert 100 * counts.correct[dataset, "top1"][row] / testbed.images[dataset] == pytest.approx(accuracy, rel=2e-7)

    def test_models_and_what_they_were_trained_on(self):
        testbed = load_published("taori2020")
        (counts,) = testbed.counts
        assert len(counts.models) == 201
        found = {model.name: model.training_data for model in counts.models}
        assert (found["resnet50"], found["resnet50_swsl"], found["dpn92"]) == (
            "imagenet-1k",
            "instagram",
            "imagenet-5k",
        )
        assert all(model.family for model in counts.models)
        assert {model.family for model in counts.models} <= set(testbed.families)
        assert 0 < sum(not model.exact for model in counts.models) < 60
        assert (len(testbed.pairs), len(testbed.main_pairs), len(testbed.details)) == (34, 15, 19)

    @pytest.mark.parametrize(
        "dataset, percentage",
        [
            # The mean of the 15 averages on disk of alexnet: 291.8844 / 15.
            ("imagenet-c", 19.45896),
            ("imagenet-c@fog", 16.3168),
            ("imagenet-c@spatter", 26.9224),
            ("imagenet-avg-corruptions", 21.5515),
        ],
    )
    def test_counts_on_corrupted_images_are_nearest_to_the_printed_averages(self, dataset, percentage):
        table = load_published("taori2020").table_of(f"imagenet:{dataset}")
        assert table is not None
        row = [model.name for model in table.models].index("alexnet")
        assert table.correct[dataset, "top1"][row] == pytest.approx(500 * percentage, abs=0.5)

    def test_models_with_corrupted_images_of_fewer_images_are_left_out(self):
        testbed = load_published("taori2020")
        found = {pair: len(table.models) for pair in testbed.pairs if (table := testbed.table_of(pair))}
        assert (found["imagenet:imagenet-c"], found["imagenet:imagenet-avg-corruptions"]) == (190, 185)
        assert {found[pair] for pair in testbed.details} == {190}
        table = testbed.table_of("imagenet:imagenet-c")
        assert table is not None
        assert not any("smoothing" in model.name for model in table.models)

    def test_single_corruptions_are_in_a_report_that_names_them(self):
        named = ["imagenet:imagenet-c@fog", "imagenet:imagenet-c@snow"]
        summary = summarize_published("taori2020", named, resamples=10, models=["alexnet", "resnet*", "vgg*"])
        assert [pair.name for pair in summary.pairs] == named


class TestRobustBench:
    """Figures of the leaderboards in the README of robustbench 1.1.1, read off there."""

    @pytest.mark.parametrize(
        "model, original, new, clean, robust",
        [
            ("Wang2023Better_WRN-70-16_Linf", "cifar10", "cifar10-autoattack-linf", 93.25, 70.69),
            ("Wang2023Better_WRN-70-16_L2", "cifar10", "cifar10-autoattack-l2", 95.54, 84.97),
            ("Standard", "cifar10", "cifar10-autoattack-linf", 94.78, 0.00),
            ("Standard", "cifar10", "cifar10-c", 94.78, 73.46),
            ("Hendrycks2020AugMix_ResNeXt", "cifar100", "cifar100-c", 78.90, 65.14),
            (
                "Liu2023Comprehensive_Swin-L",
                *("imagenet@robustbench", "imagenet-autoattack-linf@robustbench"),
                *(78.92, 59.56),
            ),
        ],
    )
    def test_counts_give_the_printed_percentages(self, model, original, new, clean, robust):
        table = load_published("robustbench").table_of(f"{original}:{new}")
        assert table is not None
        row = [one.name for one in table.models].index(model)
        found = [100 * table.correct[name, "top1"][row] / table.images[name] for name in (original, new)]
        assert found == pytest.approx([clean, robust], abs=0.0101)
        assert found[0] == pytest.approx(clean, abs=1e-9)

    def test_every_row_and_what_is_known_of_the_models(self):
        testbed = load_published("robustbench")
        assert [len(counts.models) for counts in testbed.counts] == [134, 45, 42]
        assert {pair: len(table.models) for pair in testbed.pairs if (table := testbed.table_of(pair))} == {
            "cifar10:cifar10-autoattack-linf": 100,
            "cifar10:cifar10-autoattack-l2": 21,
            "cifar10:cifar10-c": 21,
            "cifar100:cifar100-autoattack-linf": 38,
            "cifar100:cifar100-c": 12,
            "imagenet@robustbench:imagenet-autoattack-linf@robustbench": 30,
            "imagenet@robustbench:imagenet-c@robustbench": 12,
            "imagenet@robustbench:imagenet-3dcc@robustbench": 12,
        }
        models = [model for counts in testbed.counts for model in counts.models]
        assert {model.family for model in models} <= set(testbed.families)
        assert all(model.family and model.architecture for model in models)
        assert sum(model.training_data is None for model in models) < 10
        assert testbed.pair_named("imagenet:imagenet-3dcc@robustbench") == testbed.pairs[-1]

    def test_no_model_is_better_under_attack(self):
        for counts in load_published("robustbench").counts:
            for (dataset, _), correct in counts.correct.items():
                if "autoattack" in dataset:
                    clean = next(iter(counts.correct.values()))
                    assert (correct <= clean).all()

    def test_images_of_both_sets_are_the_same(self):
        (pair,) = summarize_published("robustbench", "cifar100:cifar100-c", resamples=100).pairs
        assert pair.metrics["top1"].statistics.overlap
        assert pair.metrics["top1"].statistics.same_images
        assert any("have the same images, altered" in note for note in pair.notes)
        assert any(note.startswith("CIFAR-100-C: Accuracies are means over 15 corruptions") for note in pair.notes)
        said = " ".join(pair.metrics["top1"].findings())
        assert "Both sets have the same images, so that it is the effect of altering these or their labels." in said
        assert "adaptive overfitting" not in said


class TestGeirhos2021:
    """Figures of the files of model-vs-human, read off there."""

    @pytest.mark.parametrize(
        "model, dataset, accuracy",
        [
            ("resnet50", "colour", 0.97578125),
            ("resnet50", "edge", 0.1375),
            ("bagnet33", "phase-scrambling", 0.4035714285714286),
            ("clip", "sketch", 0.91625),
            ("efficientnet_l2_noisy_student_475", "silhouette", 0.76875),
        ],
    )
    def test_counts_give_the_printed_accuracies(self, model, dataset, accuracy):
        testbed = load_published("geirhos2021")
        (counts,) = testbed.counts
        row = [one.name for one in counts.models].index(model)
        name = f"model-vs-human@{dataset}"
        assert counts.correct[name, "top1"][row] / testbed.images[name] == accuracy

    def test_every_model_has_all_sets(self):
        testbed = load_published("geirhos2021")
        (counts,) = testbed.counts
        assert (len(counts.models), len(testbed.images)) == (23, 17)
        assert all((correct >= 0).all() for correct in counts.correct.values())
        assert (len(testbed.main_pairs), len(testbed.details)) == (5, 11)
        assert {model.family for model in counts.models} == set(testbed.families)
        assert not {"cornet_s", "shufflenet_test"} & {model.name for model in counts.models}


def test_published_testbeds_are_small_together():
    folders = PUBLISHED_FOLDER.iterdir()
    size = sum(file.stat().st_size for folder in folders if folder.is_dir() for file in folder.iterdir())
    assert size < 3_000_000
