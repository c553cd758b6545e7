"""Counts from stored predictions, by hand and against the published ones; what is left out, and how that is said."""

from typing import Any

import numpy as np
import pytest
from messages import says

from evalshift.analysis.outcomes import ImagePredictions, split_pair
from evalshift.analysis.outcomes.stored_pair import StoredPair, load_outcomes, load_pair
from evalshift.errors import AnalysisError, UsageError
from evalshift.evaluate.predictions import Imported
from evalshift.formatting import name_some


def test_counts_are_those_of_the_hand_made_predictions(letters):
    outcomes = load_outcomes(letters.results, "old:new")

    top1, top5 = outcomes["top1"], outcomes["top5"]
    assert top1.models == top5.models == ("fair", "good", "poor")
    assert top1.original_correct.tolist() == [3, 4, 2]
    assert top1.new_correct.tolist() == [1, 2, 1]
    assert top5.original_correct.tolist() == [4, 4, 3]
    assert top5.new_correct.tolist() == [2, 3, 2]
    assert (top1.original_total, top1.new_total, len(top1)) == (4, 3, 3)
    assert top1.attributes["good"] == {"source": "checkpoint", "family": "resnet", "year": 2015}


def test_released_predictions_give_the_published_counts(store, published, imagenetv2_predictions):
    counted = published("imagenet", "imagenetv2-matched-frequency")
    models = ("alexnet", "resnet50", "pnasnet_large_tf")
    for name, folder in (("imagenet", "imagenet-val"), ("imagenetv2-matched-frequency", "matched-frequency")):
        store.dataset(name, np.load(imagenetv2_predictions / f"{folder}_labels.npy"), classes=1000)
        for model in models:
            store.predictions(name, model, np.load(imagenetv2_predictions / folder / f"{model}.npy"))

    outcomes = load_outcomes(store.results, "imagenet:imagenetv2-matched-frequency")

    for metric, expected in counted.items():
        rows = [expected.models.index(model) for model in outcomes[metric].models]
        assert outcomes[metric].original_correct.tolist() == expected.original_correct[rows].tolist()
        assert outcomes[metric].new_correct.tolist() == expected.new_correct[rows].tolist()
        assert (outcomes[metric].original_total, outcomes[metric].new_total) == (50_000, 10_000)


def predictions_of(stored: StoredPair) -> tuple[ImagePredictions, ImagePredictions]:
    assert stored.predictions is not None
    return stored.predictions


def test_predictions_are_those_of_the_hand_made_predictions(letters):
    original, new = predictions_of(load_pair(letters.results, "old:new"))

    assert (original.dataset, new.dataset) == ("old", "new")
    assert original.models == new.models == ("fair", "good", "poor")
    assert original.predicted.tolist() == [[0, 1, 2, 0], [0, 1, 2, 3], [0, 1, 0, 0]]
    assert new.top[1].tolist() == [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [4, 3, 2, 1, 5]]
    assert (new.labels.tolist(), new.ids, new.class_names) == ([0, 1, 5], ("0", "1", "2"), tuple("abcdef"))
    assert new.correct().tolist() == [[True, False, False], [True, True, False], [True, False, False]]
    assert new.correct("top5").tolist() == [[True, True, False], [True, True, True], [True, True, False]]


def test_predictions_take_a_byte_where_the_classes_fit_into_one(letters):
    original, new = predictions_of(load_pair(letters.results, "old:new"))

    assert original.top.dtype == new.top.dtype == np.int8
    assert original.predicted.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("largest,kind", [(127, np.int8), (128, np.int16), (32_768, np.int32)])
def test_predictions_beyond_a_type_take_the_next(store, largest, kind):
    # A number that does not fit would come out as another class, maybe the right one.
    for name in ("old", "new"):
        store.dataset(name, [largest, 0], classes=largest + 1)
        store.predictions(name, "model", [[largest], [1]])

    stored = load_pair(store.results, "old:new")

    assert predictions_of(stored)[0].top.dtype == kind
    assert predictions_of(stored)[0].predicted.tolist() == [[largest, 1]]
    assert stored.outcomes["top1"].new_correct.tolist() == [1]


def test_as_many_predictions_are_kept_as_every_model_has(letters):
    letters.predictions("new", "poor", [[0, 1], [0, 1], [0, 5]])

    original, new = predictions_of(load_pair(letters.results, "old:new"))

    assert original.top.shape == (3, 4, 2)
    assert new.top[2].tolist() == [[0, 1], [0, 1], [0, 5]]
    with pytest.raises(ValueError, match=r"^top5 needs 5 predictions per image; 2 are stored on new$"):
        new.correct("top5")


def test_each_file_is_read_once(letters, monkeypatch):
    read = []
    load = letters.results.load_predictions
    monkeypatch.setattr(
        letters.results,
        "load_predictions",
        lambda dataset, model: read.append((dataset, model)) or load(dataset, model),
    )

    load_pair(letters.results, "old:new")

    assert sorted(read) == [(dataset, model) for dataset in ("new", "old") for model in ("fair", "good", "poor")]


def test_five_classes_have_no_top5_and_that_needs_no_note(store):
    for name in ("old", "new"):
        store.dataset(name, [0, 1], classes=5)
        store.predictions(name, "model", [[0, 1, 2, 3, 4], [1, 0, 2, 3, 4]])

    stored = load_pair(store.results, "old:new")

    assert list(stored.outcomes) == ["top1"]
    assert stored.notes == ()


def test_one_model_with_fewer_predictions_ends_top5_with_a_note(letters):
    letters.predictions("new", "poor", [[0], [0], [0]])

    stored = load_pair(letters.results, "old:new")

    assert list(stored.outcomes) == ["top1"]
    assert stored.notes == ("Top-5 accuracy is not reported: fewer than 5 predictions per image are stored for poor.",)


def test_a_model_on_one_set_only_is_left_out_with_a_note(letters):
    letters.predictions("old", "lonely", [[0], [0], [0], [0]])
    letters.predictions("new", "hermit", [[0], [0], [0]])
    letters.predictions("new", "nomad", [[0], [0], [0]])

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "good", "poor")
    assert stored.notes == (
        "1 model is left out, with predictions on old but none on new: lonely.",
        "2 models are left out, with predictions on new but none on old: hermit, nomad.",
    )


def test_predictions_of_another_version_of_a_dataset_are_never_mixed_in(letters):
    letters.predictions("new", "poor", [[0] * 5] * 3, dataset_fingerprint="fingerprint of an older new")

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "good")
    assert stored.notes == (
        "poor is left out: its predictions on new belong to another version of that dataset (fingerprints differ).",
    )


def test_a_wrong_number_of_rows_leaves_a_model_out(letters):
    letters.predictions("old", "good", [[0, 1, 2, 3, 4]] * 3)

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "poor")
    assert stored.notes == ("good is left out: it has 3 predictions for the 4 images of old.",)


def test_two_checkpoints_under_one_name_are_not_one_model(letters):
    letters.predictions("new", "good", [[0, 1, 2, 3, 4]] * 3, checkpoint_sha256="0badc0de" * 8)

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "poor")
    assert stored.notes == (
        "good is left out: two checkpoints made its predictions, 12fca82f on old and 0badc0de on new.",
    )


def test_a_damaged_file_leaves_its_model_out_and_names_the_file(letters):
    damaged = letters.results.predictions_file("new", "good")
    damaged.write_bytes(b"PAR1 and then nothing")

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "poor")
    assert stored.notes == (f"good is left out: a stored file cannot be read ({damaged}).",)


def test_what_the_runs_noticed_is_said_once_for_all_models(letters):
    flattered = {"source": "checkpoint", "selected_on": "test"}
    letters.predictions("new", "good", [[0, 1, 2, 3, 4]] * 3, entry=flattered, warnings=["an image was grey."])
    letters.predictions("new", "fair", [[0, 1, 2, 3, 4]] * 3, entry=flattered, warnings=["an image was grey."])
    letters.predictions("new", "poor", [[0] * 5] * 3, precision="bf16", identity={"source": "timm"})

    assert load_pair(letters.results, "old:new").notes == (
        "an image was grey: fair, good.",
        "Checkpoint selected by its test accuracy, which inflates its accuracy on the original set: fair, good.",
        "The registry entry changed between the run on the original and on the new set: poor.",
        "Device or precision differ between the two sets: poor.",
    )


def decoded(pillow: str, **decoder: str) -> dict[str, Any]:
    """What a run on JPEG files records of its decoder, as keywords for a store of tests."""
    return {
        "versions": {"torch": "2.4.0", "pillow": pillow} | {name.replace("_", "-"): v for name, v in decoder.items()}
    }


def test_trap_13_jpeg_files_decoded_in_two_ways_are_named(letters):
    """Trap 13: models whose images were decoded by other libraries did not see the same pixels."""
    everything = [0, 1, 2, 3, 4]
    now, then = decoded("13.0.0", libjpeg_turbo="3.2.0"), decoded("9.3.0", libjpeg="9.5")
    for model in ("fair", "good"):
        letters.predictions("old", model, [everything] * 4, **now)
        letters.predictions("new", model, [everything] * 3, **now)
    assert load_pair(letters.results, "old:new").notes == ()  # of poor nothing is known

    letters.predictions("new", "good", [everything] * 3, **then)
    letters.predictions("new", "poor", [everything] * 3, **then)
    ways = "by Pillow 13.0.0 with libjpeg-turbo 3.2.0 for fair, good; by Pillow 9.3.0 with libjpeg 9.5 for good, poor"
    alike = "`evalshift run --force` runs all of them in the same way"
    assert load_pair(letters.results, "old:new").notes == (
        f"JPEG files were decoded in different ways, so pixels and a few predictions may differ: {ways}. {alike}.",
    )


def test_trap_33_models_of_several_precisions_are_named(letters):
    """Trap 33: half precision and TF32 change a few predictions in a thousand, about what separates two models."""
    letters.predictions("old", "poor", [[0, 1, 2, 3, 4]] * 4, precision="bf16")
    letters.predictions("new", "poor", [[0, 1, 2, 3, 4]] * 3, precision="bf16")
    assert load_pair(letters.results, "old:new").notes == (
        "Run in bf16, where others ran in fp32, which changes a few predictions: poor.",
    )

    for dataset, count in (("old", 4), ("new", 3)):
        for model in ("fair", "good"):
            letters.predictions(dataset, model, [[0, 1, 2, 3, 4]] * count, precision="bf16")
    assert load_pair(letters.results, "old:new").notes == ()


def test_no_model_on_both_sets_is_a_complaint(store):
    store.dataset("old", [0])
    store.dataset("new", [0])
    store.predictions("old", "lonely", [[0]])

    with pytest.raises(AnalysisError) as caught:
        load_outcomes(store.results, "old:new")

    says(caught.value, where="old:new", found="1 model is left out, with predictions on old but none on new: lonely")


def test_an_unknown_pair_is_met_with_its_nearest(letters):
    with pytest.raises(AnalysisError) as caught:
        load_outcomes(letters.results, "old:knew")

    says(caught.value, where=letters.results.path, found='"old:knew"; no dataset "knew" is stored')


def test_an_empty_folder_says_how_to_fill_it(store):
    with pytest.raises(AnalysisError) as caught:
        load_outcomes(store.results, "digits:digits-new-writers")

    says(caught.value, where=store.results.path, found='"digits:digits-new-writers"; no dataset "digits" is stored')


@pytest.mark.parametrize("text", ["cifar10", "cifar10:", ":new", "a:b:c", ""])
def test_a_pair_is_two_names_and_a_colon(text):
    with pytest.raises(UsageError) as caught:
        split_pair(text)

    says(caught.value, found=f'"{text}"')


def test_long_lists_of_names_are_cut():
    assert name_some(["a"]) == "a"
    assert name_some(list("abcde")) == "a, b, c, d, e"
    assert name_some(list("abcdefg")) == "a, b, c, d, e and 2 more"


# ------------------------------------------------------------------------------------------------------------- imports

IMPORTED = Imported(source="predictions", files={"answers.npy": "ef" * 32}, kind="top1")
KNOWN_BY_COUNTS = "Only imported counts are known, so all statistics that need per-image predictions leave out: "


def test_imported_predictions_are_compared_with_equal_labels_whatever_the_fingerprint(letters):
    mark = letters.results.load_dataset("new").label_checksum
    letters.predictions("old", "guest", [[0], [1], [2], [2]], imported=IMPORTED, identity={})
    letters.predictions("new", "guest", [[0], [0], [0]], imported=IMPORTED, identity={}, dataset_fingerprint=mark)

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "good", "guest", "poor")
    assert stored.outcomes["top1"].new_correct.tolist() == [1, 2, 1, 1]
    assert stored.notes == ("Top-5 accuracy is not reported: fewer than 5 predictions per image are stored for guest.",)


def test_imported_predictions_for_other_labels_are_left_out(letters):
    mark = letters.results.load_dataset("new").label_checksum
    letters.predictions("old", "guest", [[0], [1], [2], [2]], imported=IMPORTED, dataset_fingerprint=mark)
    letters.predictions("new", "guest", [[0], [0], [0]], imported=IMPORTED, dataset_fingerprint=mark)

    stored = load_pair(letters.results, "old:new")

    assert "guest" not in stored.outcomes["top1"].models
    assert stored.notes == (
        "guest is left out: its predictions on old were imported for other labels, or images in another order.",
    )


def test_a_model_that_was_imported_on_one_set_alone_is_pointed_out(letters):
    stored_predictions = [[0, 1, 2, 3, 4]] * 3
    letters.predictions("old", "guest", [*stored_predictions, stored_predictions[0]])
    letters.predictions("new", "guest", stored_predictions, imported=IMPORTED, identity={}, device=None)

    assert load_pair(letters.results, "old:new").notes == ("Run on one set, and imported on the other: guest.",)


def test_counts_take_part_in_outcomes_but_not_in_predictions(letters):
    letters.counts("old", 4, {"bare": (3, 4), "good": (0, 0)})
    letters.counts("new", 3, {"bare": (2, 3)})

    stored = load_pair(letters.results, "old:new")

    top1, top5 = stored.outcomes["top1"], stored.outcomes["top5"]
    assert top1.models == top5.models == ("bare", "fair", "good", "poor")
    assert top1.original_correct.tolist() == [3, 3, 4, 2]  # the predictions of good count, not what was imported of it
    assert top1.new_correct.tolist() == [2, 1, 2, 1]
    assert (top5.original_correct[0], top5.new_correct[0]) == (4, 3)
    assert [stored_predictions.models for stored_predictions in predictions_of(stored)] == [
        ("fair", "good", "poor")
    ] * 2
    assert stored.notes == (f"{KNOWN_BY_COUNTS}bare.",)


def test_a_model_with_predictions_on_one_set_and_counts_on_the_other_has_outcomes_alone(letters):
    letters.predictions("old", "half", [[0, 1, 2, 3, 4]] * 4)
    letters.counts("new", 3, {"half": (2, 3)})

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("fair", "good", "half", "poor")
    assert stored.outcomes["top1"].original_correct.tolist() == [3, 4, 1, 2]
    assert [stored_predictions.models for stored_predictions in predictions_of(stored)] == [
        ("fair", "good", "poor")
    ] * 2
    assert stored.notes == ("Run on one set, and imported on the other: half.", f"{KNOWN_BY_COUNTS}half.")


def test_counts_without_top5_are_left_out_of_top5_alone(letters):
    letters.counts("old", 4, {"bare": (3, None)})
    letters.counts("new", 3, {"bare": (2, 3)})

    stored = load_pair(letters.results, "old:new")

    assert stored.outcomes["top1"].models == ("bare", "fair", "good", "poor")
    assert stored.outcomes["top5"].models == ("fair", "good", "poor")
    assert stored.notes == (
        "Top-5 accuracy leaves out what was imported without it: bare.",
        f"{KNOWN_BY_COUNTS}bare.",
    )


def test_counts_of_another_number_of_images_are_left_out(letters):
    letters.counts("old", 5, {"bare": (3, None)})
    letters.counts("new", 3, {"bare": (2, 3)})

    stored = load_pair(letters.results, "old:new")

    assert "bare" not in stored.outcomes["top1"].models
    assert stored.notes == (
        "The imported counts on old are left out: they are of 5 images, and 4 are stored.",
        "1 model is left out, with predictions on new but none on old: bare.",
    )


def test_a_pair_of_counts_needs_no_labels(store):
    store.counts("old", 50_000, {"a": (40_000, None), "b": (30_000, None)})
    store.counts("new", 10_000, {"a": (7_000, None), "b": (5_000, 8_000)}, warnings=["counted by hand."])

    stored = load_pair(store.results, "old:new")

    assert stored.predictions is None
    assert list(stored.outcomes) == ["top1"]
    assert stored.outcomes["top1"].original_correct.tolist() == [40_000, 30_000]
    assert (stored.outcomes["top1"].original_total, stored.outcomes["top1"].new_total) == (50_000, 10_000)
    assert (len(stored.original), stored.original.class_names) == (50_000, ())
    assert stored.notes == ("counted by hand: a, b.", f"{KNOWN_BY_COUNTS}a, b.")


@pytest.fixture
def with_fresh(letters):
    """The pair with fresh images of the original set: good gets two of three right, fair one, poor was not run."""
    letters.dataset("old", [0, 1, 2, 3], fresh="fresh")
    letters.dataset("fresh", [0, 1, 2])
    letters.predictions("fresh", "good", [[0], [1], [0]])
    letters.predictions("fresh", "fair", [[0], [0], [0]])
    return letters


def test_predictions_on_fresh_images_come_along(with_fresh):
    stored = load_pair(with_fresh.results, "old:new")

    assert stored.fresh is not None
    assert (stored.fresh.dataset, stored.fresh.models) == ("fresh", ("fair", "good"))
    assert stored.fresh.correct().sum(axis=1).tolist() == [1, 2]
    assert stored.notes == ("Adaptivity is not measured, because valid predictions are missing on fresh: poor.",)


def test_fresh_predictions_of_another_checkpoint_or_version_are_none(with_fresh):
    with_fresh.predictions("fresh", "good", [[0], [1], [0]], checkpoint_sha256="0badc0de" * 8)
    with_fresh.predictions("fresh", "fair", [[0], [0], [0]], dataset_fingerprint="an older fresh")

    stored = load_pair(with_fresh.results, "old:new")

    assert stored.fresh is None
    assert stored.notes == (
        "Adaptivity is not measured, because valid predictions are missing on fresh: fair, good, poor.",
    )


def test_fresh_images_that_no_model_was_run_on_are_a_note(letters):
    letters.dataset("old", [0, 1, 2, 3], fresh="fresh")

    stored = load_pair(letters.results, "old:new")

    assert stored.fresh is None
    assert stored.notes == ("Adaptivity is not measured: no model was run on the fresh images, fresh.",)
