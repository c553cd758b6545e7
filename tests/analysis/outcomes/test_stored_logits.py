"""Logits of a pair, model by model: which there are, in a view, and those that do not fit."""

from dataclasses import replace

import numpy as np
import pytest

from evalshift.analysis.outcomes.stored_logits import StoredLogits, in_view
from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.errors import AnalysisError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.views import View

LETTERS = ClassSpace("letters", tuple("abcd"), ())


def keep_logits(store, dataset, model, logits):
    stored = store.results.load_predictions(dataset, model)
    store.results.save_predictions(stored, np.asarray(logits, np.float32))


def test_models_with_logits_on_both_sets_are_in_it(letters):
    for dataset, model, images in (("old", "good", 4), ("new", "good", 3), ("old", "fair", 4)):
        keep_logits(letters, dataset, model, np.arange(6 * images).reshape(images, 6))
    logits = load_pair(letters.results, "old:new").logits

    assert list(logits) == ["good"]
    assert "fair" not in logits
    original, new = logits["good"]
    assert original.tolist() == np.arange(24).reshape(4, 6).tolist()
    assert new.shape == (3, 6)
    with pytest.raises(KeyError):
        logits["fair"]


def test_logits_of_other_classes_are_refused(letters):
    keep_logits(letters, "old", "good", np.zeros((4, 5)))
    keep_logits(letters, "new", "good", np.zeros((3, 6)))
    stored = load_pair(letters.results, "old:new")
    with pytest.raises(AnalysisError) as caught:
        stored.logits["good"]
    assert (caught.value.found, caught.value.problem) == ("shape (4, 5)", "these logits do not fit the dataset")


def test_in_a_view_of_a_part_other_classes_are_impossible():
    view = View("a and c", LETTERS, (0, None, 2, None), LETTERS)
    seen = in_view(np.array([[1.0, 2.0, 3.0, 4.0]]), view)
    assert seen.tolist() == [[1, -np.inf, 3, -np.inf]]


def test_a_group_is_as_likely_as_its_classes_together():
    view = View("vowels", LETTERS, (0, 1, 1, None), ClassSpace("kinds", ("vowel", "consonant"), ()))
    logits = np.array([[1.0, 0.5, 2.0, 7.0]])
    expected = np.exp(logits[0])
    odds = np.exp(in_view(logits, view)[0])
    assert odds / odds.sum() == pytest.approx(np.array([expected[0], expected[1] + expected[2]]) / expected[:3].sum())


def test_a_dataset_in_a_view_has_its_logits_in_it(letters):
    view = View("ab", ClassSpace("letters", tuple("abcdef"), ()), (0, 1, None, None, None, None), LETTERS)
    keep_logits(letters, "old", "good", np.zeros((4, 6)))
    keep_logits(letters, "new", "good", np.zeros((3, 6)))
    old, new = (letters.results.load_dataset(name) for name in ("old", "new"))
    original, _ = StoredLogits(letters.results, replace(old, view=view), new, ("good",))["good"]
    assert np.isneginf(original[:, 2:]).all()
    assert (original[:, :2] == 0).all()
