"""Values as others write them: what they are taken for, and what they are refused for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax

from evalshift.evaluate.importers.values import KEPT, KINDS, TopClasses, top_classes
from evalshift.evaluate.inference import TOP_K
from evalshift.testbed.class_names import ClassNames

PATH = Path("values.npy")
RIGHT = [0, 1, 2, 3, 4, 5]


LETTERS = ClassNames(tuple("abcdefg"), tuple(f"n{number}" for number in range(7)))


def read(values: object, kind: str = "auto", first_class: int | None = None) -> TopClasses:
    return top_classes(np.array(values), LETTERS, PATH, kind, first_class)


def scores(first: list[int], classes: int = 7) -> np.ndarray:
    """Logits, one row per image, whose best class is given; the others follow in order."""
    table = np.tile(-np.arange(classes, dtype=np.float32), (len(first), 1))
    table[np.arange(len(first)), first] = 3.0
    return table


def test_as_many_predictions_are_kept_as_a_run_keeps() -> None:
    assert KEPT == TOP_K


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.float32])
def test_one_number_an_image_is_its_class(kind: type) -> None:
    found = read(np.array(RIGHT, kind))
    assert found.top.tolist() == [[number] for number in RIGHT]
    assert (found.top.dtype, found.prob, found.kind) == (np.int32, None, "top1")
    assert found.rules == ("one number per image is its class",)
    assert read(np.array(RIGHT, kind)[:, None]).kind == "top1"


def test_columns_of_whole_numbers_are_the_best_classes() -> None:
    found = read([[number, 6] for number in RIGHT])
    assert found.top.tolist() == [[number, 6] for number in RIGHT]
    assert found.kind == "topk"
    assert found.rules == ("2 columns of whole numbers are the 2 best classes, best first",)
    six = read(np.array([[5, 4, 3, 2, 1, 0]] * 6, np.float64))
    assert six.top.tolist() == [[5, 4, 3, 2, 1]] * 6  # five are kept


def test_a_row_of_all_classes_is_their_order() -> None:
    found = read([[6, 5, 4, 3, 2, 1, 0]] * 6)
    assert (found.kind, found.top.tolist()) == ("topk", [[6, 5, 4, 3, 2]] * 6)
    assert found.rules == ("whole numbers, 0 to 6 once in each row: classes, best first",)


def test_scores_by_class_are_logits_or_probabilities() -> None:
    logits = read(scores(RIGHT))
    assert (logits.kind, logits.top[:, 0].tolist(), logits.top[3].tolist()) == ("logits", RIGHT, [3, 0, 1, 2, 4])
    assert logits.rules == ("7 columns, one per class, are logits: they are not probabilities",)
    probabilities = read(softmax(scores(RIGHT), axis=1))
    assert (probabilities.kind, probabilities.top.tolist()) == ("probabilities", logits.top.tolist())
    assert probabilities.rules == ("7 columns that lie in [0, 1] and sum to 1 are probabilities",)
    assert logits.prob is not None
    assert probabilities.prob is not None
    np.testing.assert_allclose(logits.prob, probabilities.prob, rtol=1e-6)
    np.testing.assert_allclose(logits.prob, softmax(scores(RIGHT), axis=1).max(axis=1), rtol=1e-6)


@given(arrays.arrays(np.float32, (6, 7), elements=st.floats(-50, 50, width=16)))
@example(np.eye(6, 7, dtype=np.float32))
@example(np.zeros((6, 7), np.float32))
def test_best_classes_are_those_of_a_stable_sort(values: np.ndarray) -> None:
    found = read(values, "logits")
    expected = [sorted(range(7), key=lambda number: (-row[number], number))[:5] for row in values.tolist()]
    blank = (values == values[:, :1]).all(axis=1)
    kept = found.top.shape[1]
    assert found.top[~blank].tolist() == [row[:kept] for row, none in zip(expected, blank, strict=True) if not none]
    assert (found.top[blank] == -1).all()
    there = values[~blank]
    if there.size and there.min() >= 0 and there.max() <= 1:
        assert found.prob is None
        assert found.rules[0] == "all scores lie in [0, 1]: their order is taken, and no probability"
    else:
        assert found.prob is not None
        assert ((found.prob[~blank] > 0) & (found.prob[~blank] <= 1)).all()


def test_ties_do_not_make_a_top_5() -> None:
    one_hot = read(np.eye(7, dtype=int)[RIGHT])
    assert (one_hot.top.tolist(), one_hot.prob) == ([[number] for number in RIGHT], None)
    assert (
        one_hot.rules[-1]
        == "places 5 and 6 have the same score in 6 rows: top-5 is unknown, and the best 1 class stored"
    )
    rounded = read(np.tile([0.9, 0.06, 0.04, 0, 0, 0, 0], (6, 1)))
    assert (rounded.kind, rounded.top.tolist()) == ("probabilities", [[0, 1, 2]] * 6)
    assert rounded.prob is not None
    assert rounded.prob.tolist() == pytest.approx([0.9] * 6)
    one_tie = read(np.vstack([scores(RIGHT * 2)[:11], [[7, 6, 5, 4, 3, 3, 1]]]))
    assert one_tie.top.shape == (12, 5)


def test_classes_by_name_or_folder() -> None:
    assert read(list("abcdef")).top[:, 0].tolist() == RIGHT
    assert read([f"n{number}" for number in RIGHT]).top[:, 0].tolist() == RIGHT
    assert read(["A", " b", "C", "d", "E ", "f"]).top[:, 0].tolist() == RIGHT
    assert read(["0", "1.0", "2", "3", "4", "5"]).top[:, 0].tolist() == RIGHT


def test_no_prediction_is_a_row_without_a_class() -> None:
    for values in (
        [0, -1, 2, -1, 4, 5],
        [0, np.nan, 2, np.nan, 4, 5],
        ["0", "", "2", "na", "4", "5"],
        ["a", "abstain", "c", "NaN", "e", "f"],
        [[0], [-1], [2], [-1], [4], [5]],
    ):
        assert read(values).top[:, 0].tolist() == [0, -1, 2, -1, 4, 5]
    best = scores(RIGHT)
    best[1], best[3] = np.nan, 0
    found = read(best)
    assert found.top[:, 0].tolist() == [0, -1, 2, -1, 4, 5]
    assert found.top[1].tolist() == [-1] * 5
    assert found.prob is not None
    assert np.isnan(found.prob).tolist() == [False, True, False, True, False, False]
    assert found.rules[-1] == "1 row with the same score for all classes, which is no prediction"


def test_fewer_classes_than_others_have_are_missing_at_the_end() -> None:
    found = read([[0, 6], [1, -1], [2, 6], [3, 6], [-1, -1], [5, 6]])
    assert found.top.tolist() == [[0, 6], [1, -1], [2, 6], [3, 6], [-1, -1], [5, 6]]
    assert found.rules[-1] == "1 row with fewer than 2 classes"


@pytest.mark.parametrize(
    "cells",
    [
        ["3 5 1", "0 1 2"],
        ["[3, 5, 1]", "[0, 1, 2]"],
        ["[3 5 1]", "[0 1 2]"],
        ["3;5;1", "0;1;2"],
        ["3|5|1", "0|1|2"],
        ["['d', 'f', 'b']", "['a', 'b', 'c']"],
        ["(3, 5, 1)", "(0, 1, 2)"],
    ],
)
def test_several_classes_in_one_cell(cells: list[str]) -> None:
    assert read(cells).top.tolist() == [[3, 5, 1], [0, 1, 2]]
    assert read([*cells, ""]).top.tolist() == [[3, 5, 1], [0, 1, 2], [-1, -1, -1]]


def test_classes_that_count_from_1(complaint: Callable[..., str]) -> None:
    assert read([1, 2, 3, 4, 5, 7], first_class=1).top[:, 0].tolist() == [0, 1, 2, 3, 4, 6]
    assert read([1, -1, 3, 4, 5, 6], first_class=1).top[:, 0].tolist() == [0, -1, 2, 3, 4, 5]
    assert "found:    class 0\n  expected: 1 to 7" in complaint(read, [0, 2, 3, 4, 5, 6], "auto", 1)


def test_probabilities_in_percent_and_scores_that_are_none() -> None:
    probabilities = softmax(scores(RIGHT), axis=1)
    percent, plain = read(100 * probabilities), read(probabilities)
    assert (percent.kind, percent.top.tolist()) == ("probabilities", plain.top.tolist())
    assert percent.prob is not None
    assert plain.prob is not None
    np.testing.assert_allclose(percent.prob, plain.prob, rtol=1e-6)
    independent = read(np.round(1 / (1 + np.exp(-scores(RIGHT))), 3))  # a sigmoid for each class
    assert (independent.kind, independent.top[:, 0].tolist(), independent.prob) == ("logits", RIGHT, None)


REFUSED = {
    "negative": (
        np.array([[0, 1], [-2, 1], [2, 1], [3, 1], [4, 1], [-5, 1]]),
        "auto",
        (
            "a prediction is outside the classes\n"
            "  where:    values.npy, row 1 and 1 more\n"
            "  found:    class -2\n"
            "  expected: 0 to 6, or -1 where there is no prediction"
        ),
    ),
    "a gap": (
        np.array([[0, 1], [-1, 1]]),
        "auto",
        (
            "a prediction is missing in front of another\n"
            "  where:    values.npy, row 1\n"
            "  found:    no class in place 1, and one behind it\n"
            "  expected: classes best first, missing ones last"
        ),
    ),
    "a score that is missing": (
        np.where(scores(RIGHT) == 3, np.nan, scores(RIGHT)),
        "auto",
        (
            "a score is missing\n"
            "  where:    values.npy, row 0 and 5 more\n"
            "  found:    NaN, or an empty cell\n"
            "  expected: a number for each class, or for none where there is no prediction"
        ),
    ),
    "a background": (
        scores(RIGHT, 8) + 0.5,
        "auto",
        (
            "the predictions have the wrong number of columns\n"
            "  where:    values.npy\n"
            "  found:    8 columns of fractions\n"
            "  expected: 1 or k class numbers, or 7 columns, one for each class\n"
            "  fix:      leave out the column of the background class"
        ),
    ),
    "out of range": (
        np.array([0, 1, 2, 3, 4, 7]),
        "auto",
        (
            "a prediction is outside the classes\n  where:    values.npy, row 5\n  found:    class 7\n"
            "  expected: 0 to 6, or -1 where there is no prediction"
        ),
    ),
    "counted from 1": (
        np.array([1, 2, 3, 4, 5, 7]),
        "auto",
        (
            "a prediction is outside the classes\n"
            "  where:    values.npy, row 5\n"
            "  found:    class 7\n"
            "  expected: 0 to 6, or -1 where there is no prediction\n"
            "  fix:      the classes count from 1: say so with `first_class` 1"
        ),
    ),
    "not whole": (
        np.array([0, 1, 2.5, 3, 4, 5]),
        "auto",
        (
            "a class number is not whole\n"
            "  where:    values.npy, row 2\n"
            "  found:    2.5\n"
            "  expected: a whole number from 0 to 6\n"
            "  fix:      scores have a column for each class"
        ),
    ),
    "infinite": (
        np.array(np.where(scores(RIGHT) == 3, np.inf, scores(RIGHT))),
        "auto",
        "a logit is infinite\n  where:    values.npy, row 0\n  found:    inf\n  expected: a finite number",
    ),
    "a class twice": (
        np.array([[0, 1]] * 5 + [[4, 4]]),
        "auto",
        (
            "a class is predicted twice for one image\n"
            "  where:    values.npy, row 5\n"
            "  found:    4, 4\n"
            "  expected: each class once, best first\n"
            "  fix:      where one of the columns holds the labels, name the other with `column`"
        ),
    ),
    "too many columns": (
        np.array(scores(RIGHT, 8)),
        "auto",
        (
            "the predictions have the wrong number of columns\n"
            "  where:    values.npy\n"
            "  found:    8 columns of whole numbers\n"
            "  expected: 1 or k class numbers, or 7 columns, one for each class"
        ),
    ),
    "too few columns": (
        np.array(scores(RIGHT, 7)[:, :3] + 0.5),
        "auto",
        (
            "the predictions have the wrong number of columns\n"
            "  where:    values.npy\n"
            "  found:    3 columns of fractions\n"
            "  expected: 1 or k class numbers, or 7 columns, one for each class"
        ),
    ),
    "no logits": (
        np.array(scores(RIGHT)[:, :3]),
        "logits",
        (
            "these are not logits\n"
            "  where:    values.npy\n"
            "  found:    shape (6, 3)\n"
            "  expected: 7 columns, one for each class"
        ),
    ),
    "no probabilities": (
        np.array(scores(RIGHT)),
        "probabilities",
        (
            "these are not probabilities\n"
            "  where:    values.npy, row 0\n"
            "  found:    -6 to 3, sum -18\n"
            "  expected: each in [0, 1], their sum 1\n"
            '  fix:      `kind` "logits" takes scores of any size'
        ),
    ),
    "no top-k": (
        np.array(RIGHT),
        "topk",
        (
            "these are not top-k predictions\n"
            "  where:    values.npy\n"
            "  found:    shape (6,)\n"
            "  expected: k class numbers per row, best first"
        ),
    ),
    "ranks or scores": (
        np.array(np.array([[6, 5, 4, 3, 2, 1, 0]] * 6, np.float32)),
        "auto",
        (
            "ambiguous whether these are classes by rank or scores by class\n"
            "  where:    values.npy\n"
            "  found:    each row holds 0 to 6, each once, as fractions\n"
            "  expected: class numbers as whole numbers, or logits\n"
            '  fix:      say which with `kind` "topk" or "logits"'
        ),
    ),
    "another kind": (
        np.array(RIGHT),
        "top2",
        (
            '"top2" is not a kind of predictions\n'  # it is as near to "top1" as to "topk"
            "  expected: auto, top1, topk, logits, probabilities"
        ),
    ),
    "a misspelt kind": (
        np.array(RIGHT),
        "logit",
        (
            '"logit" is not a kind of predictions\n'
            "  expected: auto, top1, topk, logits, probabilities\n"
            '  fix:      did you mean "logits"?'
        ),
    ),
    "three dimensions": (
        np.array(np.zeros((6, 1, 2))),
        "auto",
        (
            "these are not predictions\n"
            "  where:    values.npy\n"
            "  found:    float64, shape (6, 1, 2)\n"
            "  expected: class numbers (n,) or (n, k), or one number for each class (n, classes)"
        ),
    ),
    "no class": (
        np.array(["a", "b", "c", "d", "é", "f"]),
        "auto",
        (
            'these are not classes\n  where:    values.npy, row 4\n  found:    "é"\n'
            "  expected: numbers from 0, or names such as a, b, c"
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(complaint: Callable[..., str], case: str) -> None:
    values, kind, expected = REFUSED[case]
    assert complaint(read, values, kind) == expected


def test_every_kind_can_be_asked_for() -> None:
    given_as = {
        "auto": RIGHT,
        "top1": RIGHT,
        "topk": [[number, 6] for number in RIGHT],
        "logits": scores(RIGHT),
        "probabilities": softmax(scores(RIGHT), axis=1),
    }
    assert tuple(given_as) == KINDS
    for kind, values in given_as.items():
        assert read(values, kind).top[:, 0].tolist() == RIGHT


def test_masked_logits_may_be_minus_infinity() -> None:
    values = np.where(scores(RIGHT) == 3, 0.0, -np.inf)
    found = read(values)
    assert found.top[:, 0].tolist() == RIGHT
    assert found.prob is not None
    assert found.prob.tolist() == [1.0] * 6
