"""Models stored under two names: found by their predictions, counted once, named."""

import numpy as np
import pytest

from evalshift.analysis.outcomes.duplicate_models import duplicate_models
from evalshift.analysis.outcomes.records import ImagePredictions
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.report import report

LABELS = np.arange(40) % 5


def predictions(wrong: dict[str, list[int]], prob: dict[str, float] | None = None) -> ImagePredictions:
    """One row per model: all correct but on these images, with these probabilities (none without)."""
    top = np.tile(LABELS, (len(wrong), 1))
    for row, images in zip(top, wrong.values(), strict=True):
        row[images] = (row[images] + 1) % 5
    known = None
    if prob is not None:
        known = np.array([[prob.get(model, np.nan)] * len(LABELS) for model in wrong], np.float32)
    return ImagePredictions(
        "set", tuple(wrong), top[:, :, np.newaxis], LABELS, tuple(map(str, range(40))), tuple("abcde"), prob=known
    )


@pytest.mark.parametrize(
    "original, new, probabilities, found",
    [
        ([0, 1, 2], [3, 4], {}, {"b": "a"}),
        ([0, 1, 2], [3, 4], {"a": 0.9, "b": 0.9002}, {"b": "a"}),
        ([0, 1, 2], [3, 4], {"a": 0.9, "b": 0.8}, {}),
        ([0, 1, 2], [3, 4], {"a": 0.9}, {"b": "a"}),
        ([0, 1], [3, 4], {}, {}),  # four errors
        ([], [], {}, {}),  # perfect models agree
    ],
)
def test_two_names_of_one_model(original, new, probabilities, found):
    sides = [predictions({"a": wrong, "b": wrong}, probabilities or None) for wrong in (original, new)]
    assert duplicate_models(*sides) == found


def test_models_that_differ_on_one_image_are_two():
    assert (
        duplicate_models(predictions({"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}), predictions({"a": [5, 6], "b": [5, 7]}))
        == {}
    )
    constant = predictions({"a": [], "b": []})
    constant.top[:] = 3
    assert duplicate_models(constant, constant) == {}
    all_three = predictions({"a": [0, 1, 2, 3, 4], "b": [9], "c": [0, 1, 2, 3, 4], "d": [0, 1, 2, 3, 4]})
    assert duplicate_models(all_three, all_three) == {"c": "a", "d": "a"}


def stored(store, models: str):
    """Six models that get better, and the others as copies of the second."""
    store.dataset("old", LABELS.tolist())
    store.dataset("new", LABELS.tolist())
    for number, model in enumerate(models):
        miss = 2 + 3 * (number if number < 7 else 1)
        for dataset, more in (("old", 0), ("new", 5 + number % 7 % 3 if number < 7 else 6)):
            top = [[(label + 1) % 6 if image < miss + more else label] for image, label in enumerate(LABELS.tolist())]
            store.predictions(dataset, model, top)
    store.results.add_pairs(["old:new"])
    return report(store.results, resamples=100)


def test_a_model_under_three_names_counts_once(tmp_path, store):
    with_copies = stored(store, "abcdefgxy")
    (pair,) = with_copies.summary.pairs
    note = "2 models have the same predictions on both sets as another: x those of b, y those of b. "
    assert [one for one in pair.notes if one.startswith(note)]
    # As without the copies; they have the distance of the model whose predictions they have.
    alone = report(store.results, resamples=100, models=list("abcdefg"))
    assert with_copies.fit.models == alone.fit.models == 7
    assert (with_copies.fit.slope, with_copies.fit.offset) == (alone.fit.slope, alone.fit.offset)
    ours, theirs = (require(one.statistics.robustness) for one in (with_copies, alone))
    assert ours.distance[:7] == pytest.approx(theirs.distance)
    assert ours.distance[7:].tolist() == [ours.distance[1]] * 2
    assert ours.p_holm[:7] == pytest.approx(theirs.p_holm)
    assert len(with_copies.table) == 9
    # Where the first name is not in the report, a copy stands for it.
    assert report(store.results, resamples=0, models=list("acdefgx")).fit.models == 7
    assert report(store.results, resamples=0, models=list("acdefgx")).fit.slope == pytest.approx(alone.fit.slope)
