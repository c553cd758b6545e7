"""Reports of pairs whose sets hold the same images: what allows for that, and what is left out."""

from dataclasses import replace

import numpy as np
import pytest

import evalshift as es
from evalshift.analysis.pair_statistics.missing import Missing, require
from evalshift.analysis.report import report

IMAGES = 60


def paired(store, shared: bool):
    """Six models on 60 images, and on the same images (or on others) under another label file."""
    entry = {"source": "npy", "images": "x.npy"}
    labels = [image % 6 for image in range(IMAGES)]
    store.dataset("plain", labels, entry=entry)
    store.dataset("blurred", labels, entry=entry if shared else {"source": "npy", "images": "y.npy"})
    draw = np.random.default_rng(3)
    hard = draw.uniform(size=IMAGES)
    for number, model in enumerate("abcdef"):
        for dataset, harder in (("plain", 0.0), ("blurred", 0.1)):
            missed = hard + 0.1 * draw.uniform(size=IMAGES) > 0.95 - 0.08 * number - harder
            rows = [[(label + 1) % 6 if wrong else label] for label, wrong in zip(labels, missed, strict=True)]
            store.predictions(dataset, model, rows)
    store.results.add_pairs(["plain:blurred"])
    return report(store.results, resamples=50)


def test_drops_allow_for_shared_images_and_the_rest_is_from_counts_or_left_out(store):
    found = paired(store, shared=True)
    (pair,) = found.summary.pairs
    statistics = found.statistics
    drops = statistics.shared_drops

    assert drops is not None
    assert drops.shared == IMAGES
    assert [note for note in pair.notes if note.startswith("plain and blurred share 60 images. ")]
    assert statistics.mean_drop.interval == drops.mean.interval
    order = [statistics.image_models.index(model) for model in found.table["model"]]
    assert found.table["drop_low"].tolist() == drops.interval.low[order].tolist()
    assert require(statistics.drop_differences).differences.p_value[0, 1] == drops.differences().p_value[0, 1]
    assert "reversed" in found.tables["pairs"].columns
    assert isinstance(statistics.lines.over_both, Missing)
    assert isinstance(statistics.lines.york_own, Missing)
    assert not require(statistics.estimates["linear"].headline).images
    assert np.isnan(require(statistics.class_drops).p_holm).all()
    assert found.tables["classes"]["fell"].isna().all()
    compared = es.compare(store.results, "a", "f").pairs[0]
    assert require(compared.differences["drop"]).p_value[0, 1] == pytest.approx(drops.differences().p_value[0, 5])


def test_other_images_under_the_same_ids_are_independent(store):
    found = paired(store, shared=False)
    assert found.statistics.shared_drops is None
    assert not isinstance(found.statistics.lines.over_both, Missing)
    assert not any("share" in note for note in found.summary.pairs[0].notes)


def test_images_are_shared_by_their_pixels_under_any_name(store):
    """Half of the images of the new set are those of the original one, in other files."""
    paired(store, shared=False)
    for name, first in (("plain", 0), ("blurred", IMAGES // 2)):
        pictures = tuple(f"picture {number}" for number in range(first, first + IMAGES))
        store.results.save_dataset(replace(store.results.load_dataset(name), pictures=pictures))
    found = report(store.results, resamples=50)
    statistics = found.statistics
    assert statistics.shared_drops is not None
    assert statistics.shared_drops.shared == IMAGES // 2
    assert statistics.overlap
    assert [note for note in found.summary.pairs[0].notes if note.startswith("plain and blurred share 30 images. ")]
    assert isinstance(statistics.lines.over_both, Missing)
    assert require(statistics.estimates["linear"].headline).images is False


def test_changes_of_confidence_allow_for_shared_images_or_have_no_interval(store):
    def changes(shared):
        statistics = paired(store, shared).statistics
        return require(statistics.calibration), require(statistics.selective)

    calibration, selective = changes(shared=True)
    apart, selective_apart = changes(shared=False)
    width, independent = (
        one.over_confidence.interval.high - one.over_confidence.interval.low for one in (calibration, apart)
    )
    np.testing.assert_array_equal(calibration.over_confidence.change, apart.over_confidence.change)
    assert (width < 0.8 * independent).all()
    assert np.isnan(calibration.ece_change_interval.low).all()
    assert np.isfinite(apart.ece_change_interval.low).any()
    assert np.isnan(selective.aurc.interval.low).all()
    assert all(np.isnan(interval.low).all() for _, interval in selective.drops.values())
    assert np.isfinite(selective_apart.aurc.interval.low).any()


def test_sets_that_overlap_nobody_knows_where_are_not_taken_as_independent(store):
    labels = [image % 6 for image in range(IMAGES)]
    for name in ("cifar10.1-v4", "cifar10.1-v6"):
        store.dataset(name, labels)
        for number in range(3):
            rows = [[label if image > 9 * number else 5] for image, label in enumerate(labels)]
            store.predictions(name, f"m{number}", rows)
    store.results.add_pairs(["cifar10.1-v4:cifar10.1-v6"])
    found = report(store.results, resamples=0)
    (note,) = [note for note in found.summary.pairs[0].notes if "it is not known which ones" in note]
    assert note.startswith("cifar10.1-v4 and cifar10.1-v6 share images")
    assert isinstance(found.statistics.lines.over_both, Missing)
    assert not found.statistics.shared_images


def test_models_are_compared_without_covariances_where_sets_overlap_nobody_knows_where(store):
    labels = [image % 6 for image in range(IMAGES)]
    for name in ("cifar10.1-v4", "cifar10.1-v6"):
        store.dataset(name, labels)
        for number in range(8):
            rows = [[label if image > 5 * number + (name[-1] == "6") else 5] for image, label in enumerate(labels)]
            store.predictions(name, f"m{number}", rows)
    store.results.add_pairs(["cifar10.1-v4:cifar10.1-v6"])
    (pair,) = es.compare(store.results, "m0", "m3").pairs
    assert any("it is not known which ones" in note for note in pair.notes)
    # From counts alone each model's images count as its own, so the difference of distances is less certain.
    for name in ("cifar10.1-v4", "cifar10.1-v6"):
        stored = store.results.load_dataset(name)
        new = "one" if name.endswith("4") else "other"
        store.dataset(new, stored.labels.tolist())
        for number in range(8):
            top = store.results.load_predictions(name, f"m{number}").top.tolist()
            store.predictions(new, f"m{number}", top)
    store.results.add_pairs(["one:other"])
    apart = es.compare(store.results, "m0", "m3", pairs="one:other").pairs[0]
    widths = [
        float((found.interval.high - found.interval.low)[0, 1])
        for found in (require(one.differences["robustness"]) for one in (pair, apart))
    ]
    assert widths[0] > widths[1]
