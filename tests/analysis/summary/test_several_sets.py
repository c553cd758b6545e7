"""Several pairs put together: by hand, as tables are read, from published counts and from stored predictions."""

import json

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.report import report
from evalshift.analysis.statistics.several_shifts import SeveralShifts
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.published import summarize_published
from evalshift.analysis.summary.several_sets import several_sets
from evalshift.analysis.tables.read import readable_statistic, statistic_latex


@pytest.fixture(scope="module")
def two_sets(make_outcomes):
    """Six models on 1,000 images of either of two new sets; five lie on a line and d above it."""
    old = [500, 600, 700, 680, 800, 650]
    pairs = [
        summarize_outcomes({"top1": make_outcomes(old, new, total=1000, new=name)}, resamples=0)
        for name, new in (("easy", [400, 500, 600, 620, 700, 550]), ("hard", [300, 400, 500, 500, 600, 450]))
    ]
    return several_sets(pairs, "linear", 0.95)["top1"]


def test_means_by_hand(two_sets):
    means = two_sets.tables["mean_over_sets"].frame.set_index("model")
    # d: 62 % and 50 %, 56 % on average, 12 points below 68 %; 4 and 2 points above the lines that the other five make.
    assert means.index.tolist() == ["e", "d", "c", "f", "b", "a"]
    assert list(means.loc["d", ["mean_accuracy", "mean_drop", "mean_distance"]]) == pytest.approx([0.56, 0.12, 0.03])
    assert means["sets"].tolist() == [2] * 6
    # Binomial variances of 0.62 and 0.5 from 1,000 images each, over four.
    error = np.sqrt((0.62 * 0.38 + 0.25) / 1000 / 4)
    high = means["mean_accuracy_high"]["d"], means["mean_drop_high"]["d"]
    assert high[0] - 0.56 == pytest.approx(1.959964 * error)
    assert high[1] - 0.12 == pytest.approx(1.959964 * np.hypot(error, np.sqrt(0.68 * 0.32 / 1000)))


def test_the_matrix_as_it_is_read(two_sets):
    table = two_sets.tables["shifts"]
    read = readable_statistic(table)
    assert list(read) == ["Model", "easy", "hard"]
    assert list(read.iloc[1]) == ["d", "62.0 (+4.0)", "50.0 (+2.0)"]
    assert "d & 62.0 (+4.0) & 50.0 (+2.0)" in statistic_latex(table)
    assert table.frame.shape == (12, 10)


def test_the_matrix_has_the_distances_of_the_pairs(two_sets):
    cells = two_sets.cells.set_index(["new", "model"])["distance"]
    means = two_sets.tables["mean_over_sets"].frame.set_index("model")["mean_distance"]
    for model in "bcdf":  # beyond the others, a and e have distances that their errors exceed: left out there
        assert cells["easy", model] + cells["hard", model] == pytest.approx(2 * means[model])


def test_models_that_a_set_lacks_have_cells_and_no_mean(make_outcomes):
    names = ("a", "b", "c", "d", "e")
    pairs = [
        summarize_outcomes({"top1": make_outcomes(old, new, total=1000, models=models, new=name)}, resamples=0)
        for name, models, old, new in (
            ("one", names, [500, 600, 700, 800, 900], [400, 500, 600, 740, 800]),
            ("two", names[:4], [500, 600, 700, 800], [300, 400, 500, 620]),
        )
    ]
    found = several_sets(pairs, "linear", 0.95)["top1"]
    assert sorted(found.tables["mean_over_sets"].frame["model"]) == ["a", "b", "c", "d"]
    read = readable_statistic(found.tables["shifts"])
    assert read["Model"].tolist() == ["d", "c", "b", "a", "e"]  # those with all sets first
    assert read.iloc[-1, 2] == "–"


def test_two_models_have_means_and_no_distances(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes([9, 8], new, new=name)}, resamples=0)
        for name, new in (("one", [8, 5]), ("two", [7, 6]))
    ]
    found = several_sets(pairs, "linear", 0.95)["top1"]
    (means,) = found.means
    assert isinstance(means.shifts, Missing)
    table = found.tables["mean_over_sets"]
    assert table.frame["mean_distance"].isna().all()
    assert table.frame["mean_accuracy"].tolist() == [0.75, 0.55]
    assert "No mean distance: old: a line needs at least 5 models" in table.words


def test_pairs_without_an_original_set_in_common_have_a_matrix_alone(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 5, 4], original=old, new=new)}, resamples=0)
        for old, new in (("a", "b"), ("c", "d"))
    ]
    found = several_sets(pairs, "linear", 0.95)["top1"]
    assert list(found.tables) == ["shifts"]
    assert found.missing["mean_over_sets"] == "no original set has several new sets"
    assert list(readable_statistic(found.tables["shifts"])) == ["Model", "a → b", "c → d"]


def test_one_pair_has_nothing_beside_it(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 5])}, resamples=0)
    assert several_sets([pair], "linear", 0.95) == {}


def test_published_testbeds_have_means_of_each_original_set():
    summary = summarize_published("recht2019", resamples=0, scale="probit")
    means = summary.several_sets["top1"].tables["mean_over_sets"].frame
    assert means.groupby("original")["sets"].first().to_dict() == {"cifar10": 2, "imagenet": 3}
    assert means["original"].value_counts().to_dict() == {"imagenet": 67, "cifar10": 34}
    # Tables 11, 13 and 14 of the paper: 44.0, 51.3 and 56.9 %.
    of_model = means.set_index("model")
    assert of_model["mean_accuracy"]["alexnet"] == pytest.approx((0.4397 + 0.5127 + 0.5697) / 3, abs=0.005)
    # Fisher vectors are no part of the lines, and far off some of them only.
    assert of_model["q_p"]["fv_4k"] < 0.001
    # CIFAR-10.1 v4 and v6 share most images, the three sets of ImageNetV2 some: counts do not tell which.
    assert means[["mean_accuracy_low", "mean_drop_high", "mean_distance_low", "wider_high"]].isna().all(axis=None)
    assert means["mean_distance"].notna().any()
    words = summary.several_sets["top1"].tables["mean_over_sets"].words
    assert "where sets share images and it is not known which: CIFAR-10.1 v4 and CIFAR-10.1 v6, " in words


def test_stored_predictions_allow_for_shared_images(store, tmp_path):
    """Two corruptions of the same images: their mean varies more than that of two independent sets."""
    rng = np.random.default_rng(0)
    labels = [0] * 400
    hard = rng.random(400)
    for name, entry in (
        ("old", {"source": "cifar10"}),
        *(
            (f"cifar10-c@{fog}", {"source": "cifar-c", "corruption": fog[:-2], "severity": 3})
            for fog in ("fog-3", "snow-3")
        ),
    ):
        store.dataset(name, labels, **entry)
        for number in range(5):
            missed = (hard > 0.55 + 0.08 * number - 0.1 * (name != "old")).astype(int)
            store.predictions(name, f"m{number}", missed[:, np.newaxis].tolist())
    store.results.add_pairs(["old:cifar10-c@fog-3", "old:cifar10-c@snow-3"])
    found = report(store.results, resamples=0)
    (means,) = found.summary.several_sets["top1"].means
    assert len(means.shared) == 3
    assert isinstance(means.shifts, SeveralShifts)
    assert means.shifts.shared_images
    width = means.accuracy_interval.high - means.accuracy_interval.low
    # All of the same images, and missed alike: the mean of both is as uncertain as one.
    one = 2 * 1.96 * np.sqrt(means.accuracy * (1 - means.accuracy) / 400)
    np.testing.assert_allclose(width, one, rtol=1e-3)
    # The drop is of the images that become too hard, a tenth, and not of two samples.
    assert np.all(means.drop_interval.high - means.drop_interval.low < 0.07)
    found.save(tmp_path, "csv,md,tex")
    assert sorted(path.name for path in (tmp_path / "tables").glob("several_sets*.csv")) == [
        f"several_sets_top1_{name}.csv" for name in ("corruption_errors", "corruptions", "mean_over_sets", "shifts")
    ]
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "tables/several_sets_top1_shifts.csv"), found.several_sets["shifts"], check_dtype=False
    )
    written = json.loads((tmp_path / "summary.json").read_text("utf-8"))["several_sets"]["top1"]
    assert len(written["tables"]["shifts"]["rows"]) == 10
    assert "share 400 images" in " ".join(found.summary.pairs[0].notes)
    assert found["old:cifar10-c@fog-3"].several_sets == {}
