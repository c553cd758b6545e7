"""What looks wrong, in sentences: on a stored pair, on imported predictions, and in the authors' own release."""

from collections.abc import Callable

import numpy as np
import pytest
from released import imagenet, needs_imagenet
from scipy.stats import norm

from evalshift.analysis.checks.expected_accuracy import expected_accuracy_table
from evalshift.analysis.checks.review import expected_accuracy_words, line_notes, review_pair, review_predictions
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.summary.stored import summarize
from evalshift.analysis.summary.summary_json import to_json

LETTERS = 6
IMAGES = 300
REVERSED = (
    "The predictions of model-7 on new look wrong: the columns are reversed, worst first: the last of 3 is correct for "
    "{} of 300 images, the first for {}."
)


def top_predictions(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Three predictions per image; the first is the label for a share `right`, else mostly the second."""
    draw = np.random.default_rng(seed)
    place = draw.choice(4, IMAGES, p=[right, 0.5 * (1 - right), 0.3 * (1 - right), 0.2 * (1 - right)])
    return np.array(
        [
            np.insert(draw.permutation(np.delete(np.arange(LETTERS), label))[:3], min(at, 3), label)[:3]
            for label, at in zip(labels, place, strict=True)
        ]
    )


@pytest.fixture
def eight(store):
    """Eight models from 40 to 90 % on 300 old and 300 new images; the columns of the last are reversed on the new."""
    draw = np.random.default_rng(0)
    labels = {name: draw.integers(0, LETTERS, IMAGES) for name in ("old", "new")}
    for name, truth in labels.items():
        store.dataset(name, truth.tolist())
        for number in range(8):
            top = top_predictions(truth, 0.4 + 0.5 * number / 7 - (0.05 if name == "new" else 0), number)
            if (number, name) == (7, "new"):
                top = top[:, ::-1]
            store.predictions(name, f"model-{number}", top.tolist())
    store.results.add_pairs(["old:new"])
    return store


def test_reversed_columns_are_found_twice(eight):
    review = review_pair(load_pair(eight.results, "old:new"))
    stored_predictions, line = review.notes
    right = (
        eight.results.load_predictions("new", "model-7").top == eight.results.load_dataset("new").labels[:, np.newaxis]
    )
    assert stored_predictions == REVERSED.format(right[:, 2].sum(), right[:, 0].sum())
    assert line.startswith("model-7 lies far below the line of the other models: its accuracy is ")
    assert line.endswith(
        "% on old. Likely cause: one of the two accuracies is incorrect, or the model is less robust than all the "
        "others."
    )
    assert len(review.expected_accuracy) == 0


def test_imported_predictions_are_looked_at_alone_and_beside_the_others(eight):
    stored_predictions, line = review_predictions(eight.results, [("new", "model-7"), ("new", "model-7")])
    assert stored_predictions.startswith(
        "The predictions of model-7 on new look wrong: the columns are reversed, worst first:"
    )
    assert line.startswith("model-7 lies far below the line of the other models: ")


def test_sound_ones_have_nothing_said_of_them(eight):
    assert review_predictions(eight.results, [("new", "model-3"), ("old", "model-7")][:1]) == ()
    assert review_predictions(eight.results, []) == ()


def test_the_other_set_of_a_wrong_model_is_not_blamed_for_its_predictions(eight):
    (line,) = review_predictions(eight.results, [("old", "model-7")])
    assert line.startswith("model-7 lies far below the line")


def test_what_is_not_stored_or_has_no_pair_is_passed_over(store):
    store.dataset("old", [0, 1, 2])
    store.predictions("old", "mine", [[0], [1], [2]])
    store.results.add_pairs(["old:new"])
    assert review_predictions(store.results, [("old", "mine"), ("old", "other"), ("new", "mine")]) == ()


def test_a_report_holds_the_expected_accuracies_and_what_looks_wrong(store):
    labels = np.random.default_rng(1).integers(0, LETTERS, IMAGES)
    entry = {"source": "checkpoint", "expected": {"old": 0.9}, "selected_on": "test"}
    top = np.stack([labels, (labels + 1) % LETTERS], axis=1)
    for name in ("old", "new"):
        store.dataset(name, labels.tolist())
        store.predictions(name, "sound", top.tolist(), entry=entry | {"expected": {"old": 1.0}})
        store.predictions(name, "shifted", ((top + 1) % LETTERS).tolist(), entry=entry)
    store.results.add_pairs(["old:new"])
    summary = summarize(store.results, resamples=0)
    (pair,) = summary.pairs
    assert pair.expected_accuracy is not None
    assert pair.expected_accuracy[["model", "dataset", "verdict", "selected_on"]].to_numpy().tolist() == [
        ["shifted", "old", "fails", "test"],
        ["sound", "old", "as published", "test"],
    ]
    shift = (
        "each prediction is one class above the label, as where classes count from 1 or class 0 is a background: "
        "read this way, 300 of 300 images are correct; as stored, 0"
    )
    assert [note for note in pair.notes if "shifted " in note] == [
        (
            "shifted has an accuracy of 0.00 % on old, but 90 % was published: 255 fewer images correct, more than "
            f"sampling error on other images explains (p < 0.001). Likely cause: {shift}."
        ),
        f"The predictions of shifted on new look wrong: {shift}.",
    ]
    assert '"verdict": "fails"' in to_json(summary)
    assert expected_accuracy_words(pair.expected_accuracy) == (
        "Of 2 published accuracies 1 came out as published, 1 failed; 2 of them inflated, because the "
        "checkpoint was selected on the test set."
    )


def test_expected_accuracies_in_a_sentence(make_outcomes: Callable[..., Outcomes]):
    entries = {
        letter: {"expected": {"old": accuracy}}
        for letter, accuracy in zip("abcd", (0.917, 0.92, 0.9, 0.5), strict=True)
    }
    table = expected_accuracy_table(make_outcomes([917, 919, 890, 700], [0] * 4, total=1000, attributes=entries))
    assert expected_accuracy_words(table) == "Of 4 published accuracies 3 came out as published, 1 failed."
    assert expected_accuracy_words(table.head(1)) == "Of 1 published accuracy 1 failed."
    assert expected_accuracy_words(table.head(0)) is None


def test_a_robust_model_is_not_called_wrong_outright(make_outcomes: Callable[..., Outcomes]):
    original = np.arange(5000, 9000, 500)
    new = np.rint(10_000 * norm.cdf(norm.ppf(original / 10_000) - 0.3)).astype(int)
    new[5] = 7400
    (note,) = line_notes(make_outcomes(original.tolist(), new.tolist(), total=10_000))
    assert note == (
        "f lies far above the line of the other models: its accuracy is 74.0 % on new, where 64.6 % is expected "
        "from its 75.0 % on old. Likely cause: one of the two accuracies is incorrect, or the model is more robust "
        "than all the others."
    )


def test_too_few_models_make_no_line(make_outcomes: Callable[..., Outcomes]):
    assert line_notes(make_outcomes([9, 8, 7], [1, 8, 7])) == ()


@needs_imagenet
def test_the_release_as_it_is_has_one_model_off_the_line(make_outcomes: Callable[..., Outcomes]):
    released = imagenet()
    new = released.counts[2].copy()
    new[released.models.index("fv_16k")] = 247  # the first of its five columns
    pair = make_outcomes(
        released.counts[0].tolist(), new.tolist(), models=released.models, original_total=50_000, new_total=10_000
    )
    (note,) = line_notes(pair)
    assert note == (
        "fv_16k lies far below the line of the other models: its accuracy is 2.5 % on new, where 18.8 % is expected "
        "from its 28.3 % on old. Likely cause: one of the two accuracies is incorrect, or the model is less robust "
        "than all the others."
    )
    assert line_notes(pair, only={"resnet50"}) == ()
