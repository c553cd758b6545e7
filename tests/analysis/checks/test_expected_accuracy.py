"""Expected accuracies: verdicts and p-values by hand and against scipy, the table, its sentences, and real models."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import CIFAR10, DATA, needs_cifar10
from scipy import stats

from evalshift.analysis.checks.expected_accuracy import (
    VERDICTS,
    check_expected_accuracy,
    expected_accuracy_notes,
    expected_accuracy_table,
    off_words,
)
from evalshift.analysis.checks.mismatch import likely_mismatch
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.evaluate.expected import images_off

# Of ResNet-20 on the first 600 test images: 551 are right.
PUBLISHED = 0.9183
CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
GEOMETRY = "another resize, interpolation, antialiasing, crop or JPEG decoder (0.1 to 1.5 points are known)"
CONSTANTS = "another mean and std than in training (0.1 to 1 point)"
BETTER = (
    "trained on these images, other weights under the same name (a later version), or an accuracy that was published "
    "for other images"
)
WORSE = (
    "channels in the order BGR, pixels scaled or normalised otherwise than in training, images squashed or of another"
)
BROKEN = (
    "pixels of another scale (0 to 255 for 0 to 1), normalised twice or not at all, or weights that were not loaded"
)


def one(correct: int, total: int, published: float, **options):
    return check_expected_accuracy(np.array([correct]), np.array([total]), np.array([published]), **options)


class TestVerdict:
    @pytest.mark.parametrize(
        "correct, total, published, images, verdict",
        [
            (9173, 10_000, 0.9173, 0, "as published"),
            (38_066, 50_000, 0.7613, 0, "as published"),
            (9168, 10_000, 0.9173, -5, "within a few images"),
            (9178, 10_000, 0.9173, 5, "within a few images"),
            (9167, 10_000, 0.9173, -6, "within sampling error only"),
            (9120, 10_000, 0.9173, -53, "within sampling error only"),
            (9110, 10_000, 0.9173, -63, "fails"),
            (9240, 10_000, 0.9173, 67, "fails"),
            # No count of 10,000 images gives 93.0689 %, so none is as published.
            (9307, 10_000, 0.930689, 0, "within a few images"),
            (0, 1, 1.0, -1, "within a few images"),
            (0, 12, 1.0, -12, "fails"),
        ],
    )
    def test_by_hand(self, correct, total, published, images, verdict):
        held = one(correct, total, published)
        assert (held.images.tolist(), held.verdict) == ([images], (verdict,))
        assert held.difference == pytest.approx([correct / total - published])

    def test_holm_is_over_all_models(self):
        # p = 0.036 alone; as one of two it is 0.072, and chance with other images could do it.
        assert one(9115, 10_000, 0.9173).verdict == ("fails",)
        both = check_expected_accuracy(np.array([9115, 9173]), np.full(2, 10_000), np.full(2, 0.9173))
        assert both.verdict == ("within sampling error only", "as published")
        assert both.p_holm[0] == pytest.approx(2 * both.p_value[0])

    @given(st.integers(1, 3000), st.integers(0, 1000), st.data())
    def test_nearer_is_never_worse(self, total, thousandths, data):
        published = thousandths / 1000
        far, near = (data.draw(st.integers(0, total)) for _ in range(2))
        off = [images_off(count, total, published) for count in (far, near)]
        if off[0] * off[1] >= 0 and abs(off[0]) >= abs(off[1]):
            verdicts = [VERDICTS.index(one(count, total, published).verdict[0]) for count in (far, near)]
            assert verdicts[0] >= verdicts[1]


class TestPValue:
    def test_closed_form(self):
        # None of 5 right where all that rounds to 0.5 (0.45 to 0.55) was published: twice 0.55^5 at the nearest end.
        assert one(0, 5, 0.5).p_value == pytest.approx([2 * 0.55**5])
        assert one(5, 5, 0.5).p_value == pytest.approx([2 * 0.55**5])

    @given(st.integers(1, 2000), st.integers(0, 10_000), st.data())
    def test_agrees_with_scipy_at_the_end_of_what_rounds_to_it(self, total, digits, data):
        correct = data.draw(st.integers(0, total))
        published = digits / 10_000
        decimals = len(repr(published).partition(".")[2])
        half = 0.5 * 10.0**-decimals if 0 < digits < 10_000 else 0.0
        low, high = max(0.0, published - half), min(1.0, published + half)
        theirs = min(
            stats.binomtest(correct, total, low, alternative="less").pvalue,
            stats.binomtest(correct, total, high, alternative="greater").pvalue,
        )
        assert one(correct, total, published).p_value[0] == pytest.approx(min(1, 2 * theirs), rel=1e-6, abs=1e-300)

    @pytest.mark.parametrize("truth, total", [(0.92, 500), (0.7613, 2000), (0.5, 40), (0.99, 100)])
    def test_other_images_of_the_same_kind_fail_at_most_at_the_level(self, truth, total):
        # Exact: the probability of all counts that fail.
        counts = np.arange(total + 1)
        p_value = check_expected_accuracy(counts, np.full(total + 1, total), np.full(total + 1, truth)).p_value
        assert stats.binom.pmf(counts, total, truth)[p_value < 0.05].sum() <= 0.05

    def test_no_models(self):
        held = check_expected_accuracy(np.array([], int), np.array([], int), np.array([], float))
        assert held.verdict == ()
        assert held.p_holm.shape == (0,)

    @pytest.mark.parametrize(
        "correct, total, published, options, message",
        [
            (
                11,
                10,
                0.5,
                {},
                "cell 0: found 11 correct of 10; expected a total of at least 1 and 0 <= correct <= total",
            ),
            (5, 10, 91.7, {}, "published[0]: found 91.7; expected a fraction from 0 to 1"),
            (5, 10, 0.5, {"level": 95.0}, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
        ],
    )
    def test_impossible_input(self, correct, total, published, options, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            one(correct, total, published, **options)
        assert str(complaint.value) == message


class TestMismatch:
    @pytest.mark.parametrize(
        "correct, total, published, options, cause",
        [
            (9173, 10_000, 0.9173, {}, ""),
            (9170, 10_000, 0.9173, {}, ""),
            (9140, 10_000, 0.9173, {"resized": True}, GEOMETRY),
            (9140, 10_000, 0.9173, {"resized": False}, CONSTANTS),
            (9140, 10_000, 0.9173, {}, f"{GEOMETRY}, or {CONSTANTS}"),
            (9240, 10_000, 0.9173, {}, BETTER),
            (8310, 10_000, 0.9173, {}, f"{WORSE} size, or other weights"),
            (3990, 10_000, 0.9173, {}, BROKEN),
            (
                9307,
                10_000,
                0.930689,
                {},
                (
                    "no count of 10,000 images gives the published accuracy, so it was measured on other images: 9,292 "
                    "of 9,984 would, as where the last, smaller batch is dropped"
                ),
            ),
            # Four digits fit a count of most numbers of images: that says nothing.
            (
                415,
                453,
                0.9171,
                {},
                "no count of 453 images gives the published accuracy, so it was measured on other images",
            ),
            (
                9160,
                9_984,
                0.9173,
                {"dataset": "cifar10"},
                (
                    "9,984 images have predictions, but the published accuracy is for 10,000 (the last, smaller batch "
                    "was dropped)"
                ),
            ),
            (
                36_500,
                48_238,
                0.7613,
                {"dataset": "imagenet", "resized": True},
                (
                    "48,238 images have predictions, but the published accuracy is for 50,000 (ILSVRC's list of 1,762 "
                    f"images to leave out counts for localisation only); {GEOMETRY}"
                ),
            ),
            (
                12_660,
                20_000,
                0.633,
                {"dataset": "imagenetv2-matched-frequency"},
                (
                    "20,000 images have predictions, but the published accuracy is for 10,000 (the release of December "
                    "2020 holds 20 images per class)"
                ),
            ),
            (
                5_000,
                7_777,
                0.6429,
                {"dataset": "cifar10"},
                "7,777 images have predictions, but the published accuracy is for 10,000",
            ),
        ],
    )
    def test_by_the_size_of_the_difference_and_the_number_of_images(self, correct, total, published, options, cause):
        assert likely_mismatch(correct, total, published, **options) == cause


def outcomes(correct: tuple[list[int], list[int]], entries: dict[str, dict], totals=(10_000, 2_000)) -> Outcomes:
    return Outcomes(
        original="cifar10",
        new="cifar10.1-v6",
        metric="top1",
        models=tuple(entries),
        original_correct=np.array(correct[0]),
        new_correct=np.array(correct[1]),
        original_total=totals[0],
        new_total=totals[1],
        attributes=entries,
    )


class TestTable:
    def table(self) -> pd.DataFrame:
        return expected_accuracy_table(
            outcomes(
                ([9173, 8310, 9300, 9000, 9260], [1650, 1500, 1700, 1600, 1700]),
                {
                    "good": {"expected": {"cifar10": 0.9173, "elsewhere": 0.2}, "selected_on": "test"},
                    "bgr": {"expected": {"cifar10": 0.9173}},
                    "both": {"expected": {"cifar10": 0.9305, "cifar10.1-v6": 0.8495}},
                    "unpublished": {"family": "resnet"},
                    "flip": {"expected": {"cifar10": 0.9263}, "selected_on": "test"},
                },
            )
        )

    def test_a_row_for_each_published_accuracy_farthest_off_first(self):
        table = self.table()
        assert table[["model", "dataset", "images", "verdict"]].to_numpy().tolist() == [
            ["bgr", "cifar10", -863, "fails"],
            ["both", "cifar10", -5, "within a few images"],
            ["flip", "cifar10", -3, "within a few images"],
            ["both", "cifar10.1-v6", 1, "within a few images"],
            ["good", "cifar10", 0, "as published"],
        ]
        assert list(table.columns) == [
            *("model", "dataset", "published", "correct", "total", "accuracy", "difference", "images"),
            *("p_value", "p_holm", "verdict", "likely_cause", "selected_on"),
        ]

    def test_numbers_of_a_row(self):
        row = self.table().iloc[0]
        assert (row["published"], row["correct"], row["total"], row["accuracy"]) == (0.9173, 8310, 10_000, 0.831)
        assert row["difference"] == pytest.approx(-0.0863)
        assert row["p_holm"] == pytest.approx(5 * row["p_value"])  # of five tests

    def test_what_chose_the_checkpoint_stands_beside_it(self):
        assert self.table().set_index("model")["selected_on"].dropna().to_dict() == {"flip": "test", "good": "test"}

    def test_no_model_has_a_published_accuracy(self):
        table = expected_accuracy_table(outcomes(([9000], [1600]), {"mine": {}}))
        assert len(table) == 0
        assert list(table.columns) == list(self.table().columns)
        assert expected_accuracy_notes(table) == ()

    def test_a_note_for_each_that_is_off(self):
        assert expected_accuracy_notes(self.table()) == (
            (
                "bgr has an accuracy of 83.10 % on cifar10, but 91.73 % was published: 863 fewer images correct, more "
                f"than sampling error on other images explains (p < 0.001). Likely cause: {WORSE} size, or other "
                "weights."
            ),
        )

    def test_the_rest_have_a_note_together(self):
        entries = {f"model-{number}": {"expected": {"cifar10": 0.9001}} for number in range(8)}
        table = expected_accuracy_table(outcomes(([9200 + 10 * number for number in range(8)], [1600] * 8), entries))
        notes = expected_accuracy_notes(table)
        assert [note.partition(" ")[0] for note in notes] == [
            "model-7",
            "model-6",
            "model-5",
            "model-4",
            "model-3",
            "3",
        ]
        assert notes[-1] == "3 more accuracies are not the published ones; the table of expected accuracies lists all."

    def test_words_of_one_that_chance_would_explain(self):
        table = expected_accuracy_table(outcomes(([9240], [1600]), {"mine": {"expected": {"cifar10": 0.92}}}))
        # Two digits leave 91.5 to 92.5 %, so 92.40 % is as published.
        assert expected_accuracy_notes(table) == ()
        table = expected_accuracy_table(outcomes(([9220], [1600]), {"mine": {"expected": {"cifar10": 0.9173}}}))
        assert off_words(table.to_dict("records")[0]) == (
            "mine has an accuracy of 92.20 % on cifar10, but 91.73 % was published: 47 more images correct, no more "
            f"than sampling error on other images explains (p = 0.09). Likely cause: {BETTER}."
        )


@needs_cifar10
class TestRealAnswers:
    """resnet_basic_32 of the CIFAR-10.1 release, 92.52 % on CIFAR-10, with its predictions available."""

    def table(self, spoil) -> pd.DataFrame:
        sides = []
        for folder, labels in (("original", "cifar10_test"), ("v6", "cifar10.1_v6")):
            predicted = np.array(
                json.loads((CIFAR10 / f"{folder}_predictions/resnet_basic_32_predictions.json").read_text())
            )
            sides.append((predicted, np.load(CIFAR10 / f"{labels}_labels.npy").astype(np.int64)))
        sides[0] = (spoil(sides[0][0]), sides[0][1])
        stored_predictions = [
            ImagePredictions(name, ("other", "mine"), np.stack([y, x])[:, :, np.newaxis], y, (), tuple(CIFAR_CLASSES))
            for name, (x, y) in zip(("cifar10", "cifar10.1-v6"), sides, strict=True)
        ]
        correct = [int((x == y).sum()) for x, y in sides]
        pair = outcomes(
            ([1, correct[0], 1], [1, correct[1], 1]),
            {"other": {}, "mine": {"expected": {"cifar10": 0.9252}}, "counts-only": {}},
        )
        return expected_accuracy_table(pair, stored_predictions)

    def test_as_released(self):
        assert self.table(lambda x: x)[["verdict", "likely_cause"]].to_numpy().tolist() == [["as published", ""]]

    def test_the_cause_is_found_in_the_predictions_and_meets_the_published_accuracy(self):
        row = self.table(lambda x: (x + 1) % 10).iloc[0]
        assert (row["verdict"], row["images"]) == ("fails", -9164)
        assert row["likely_cause"] == (
            "each prediction is one class above the label, as where classes count from 1 or class 0 is a background: "
            "read this way, 9,252 of 10,000 images are correct; as stored, 88 (9,252 is as published)"
        )

    def test_where_the_predictions_show_nothing_the_size_speaks(self):
        def worse(predicted: np.ndarray) -> np.ndarray:
            changed = predicted.copy()
            changed[::100] = (changed[::100] + np.arange(100) % 9 + 1) % 10
            return changed

        row = self.table(worse).iloc[0]
        assert row["likely_cause"] == f"{GEOMETRY}, or {CONSTANTS}"


@pytest.fixture(scope="module")
def feed():
    images, weights = DATA / "cifar10", DATA / "checkpoints" / "resnet20-12fca82f.th"
    if not (images.is_dir() and weights.is_file()):
        pytest.skip(f"the images or the checkpoint are not in {DATA}")
    torch = pytest.importorskip("torch")
    from evalshift.testbed.architectures import cifar_resnet20

    state = torch.load(weights, map_location="cpu", weights_only=True)["state_dict"]
    network = cifar_resnet20()
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    network.eval()
    pixels = torch.from_numpy(np.load(images / "test_images.npy")[:600]).permute(0, 3, 1, 2).float()
    labels = np.load(images / "test_labels.npy")[:600].astype(np.int64)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))

    def run(prepare) -> tuple[int, str]:
        with torch.no_grad():
            logits = torch.cat([network(part) for part in prepare(pixels, mean, std).split(200)])
        predicted = logits.argmax(dim=1).numpy()
        right = int((predicted == labels).sum())
        predictions = ImagePredictions(
            "cifar10", ("mine",), predicted[np.newaxis, :, np.newaxis], labels, (), tuple(CIFAR_CLASSES)
        )
        return right, likely_mismatch(right, 600, PUBLISHED, predictions=predictions, resized=False)

    return run


class TestRealNetwork:
    """ResNet-20 (91.73 % published) on 600 CIFAR-10 images, fed as it should be and in ways it should not."""

    def test_as_trained(self, feed):
        right, cause = feed(lambda x, mean, std: (x / 255 - mean) / std)
        assert right == pytest.approx(600 * PUBLISHED, abs=1)
        assert cause == ""

    @pytest.mark.parametrize(
        "prepare",
        [
            lambda x, mean, std: x / 255,  # not normalised
            lambda x, mean, std: (x - mean) / std,  # 0 to 255
            lambda x, mean, std: ((x / 255 - mean) / std - mean) / std,  # twice
            lambda x, mean, std: (x / 255 / 255 - mean) / std,  # scaled twice
        ],
        ids=["raw", "0 to 255", "normalised twice", "scaled twice"],
    )
    def test_broken_input_is_known_by_predictions_that_crowd(self, feed, prepare):
        right, cause = feed(prepare)
        assert right < 270
        assert cause.endswith(BROKEN)
        assert "is predicted for" in cause or "all predictions are" in cause

    def test_bgr_is_told_by_its_size(self, feed):
        right, cause = feed(lambda x, mean, std: (x.flip(1) / 255 - mean) / std)
        assert 480 < right < 540
        assert cause == f"{WORSE} size, or other weights"
