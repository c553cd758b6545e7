"""Answers as others write them: what they are taken for, and what they are refused for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax

from evalshift.evaluate.importers.answers import KEPT, KINDS, check_answers
from evalshift.evaluate.importers.files import Content
from evalshift.evaluate.inference import KEPT_ANSWERS
from evalshift.evaluate.store import StoredDataset

PATH = Path("answers.npy")
RIGHT = [0, 1, 2, 3, 4, 5]


def content(values: object, ids: tuple[str, ...] | None = None) -> Content:
    return Content(PATH, np.array(values), ids, "ab" * 32, ())


def scores(first: list[int], classes: int = 7) -> np.ndarray:
    """Logits, a row an image, whose best class is given; the others follow in order."""
    table = np.tile(-np.arange(classes, dtype=np.float32), (len(first), 1))
    table[np.arange(len(first)), first] = 3.0
    return table


def test_as_many_answers_are_kept_as_a_run_keeps() -> None:
    assert KEPT == KEPT_ANSWERS


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.float32])
def test_one_number_an_image_is_its_class(named: StoredDataset, kind: type) -> None:
    answers = check_answers(content(np.array(RIGHT, kind)), named)
    assert answers.top.tolist() == [[number] for number in RIGHT]
    assert (answers.top.dtype, answers.prob, answers.kind) == (np.int32, None, "top1")
    assert answers.rules == ("one number an image is its class",)
    assert check_answers(content(np.array(RIGHT, kind)[:, None]), named).kind == "top1"


def test_columns_of_whole_numbers_are_the_best_classes(named: StoredDataset) -> None:
    answers = check_answers(content([[number, 6] for number in RIGHT]), named)
    assert answers.top.tolist() == [[number, 6] for number in RIGHT]
    assert answers.kind == "topk"
    assert answers.rules == ("2 columns of whole numbers are the 2 best classes, best first",)
    six = check_answers(content(np.array([[5, 4, 3, 2, 1, 0]] * 6, np.float64)), named)
    assert six.top.tolist() == [[5, 4, 3, 2, 1]] * 6  # five are kept


def test_a_row_of_all_classes_is_their_order(named: StoredDataset) -> None:
    answers = check_answers(content([[6, 5, 4, 3, 2, 1, 0]] * 6), named)
    assert (answers.kind, answers.top.tolist()) == ("topk", [[6, 5, 4, 3, 2]] * 6)
    assert answers.rules == ("whole numbers, 0 to 6 once in each row: classes, best first",)


def test_scores_by_class_are_logits_or_probabilities(named: StoredDataset) -> None:
    logits = check_answers(content(scores(RIGHT)), named)
    assert (logits.kind, logits.top[:, 0].tolist(), logits.top[3].tolist()) == ("logits", RIGHT, [3, 0, 1, 2, 4])
    assert logits.rules == ("7 columns, one for each class, that are no probabilities are logits",)
    probabilities = check_answers(content(softmax(scores(RIGHT), axis=1)), named)
    assert (probabilities.kind, probabilities.top.tolist()) == ("probabilities", logits.top.tolist())
    assert probabilities.rules == ("7 columns that lie in [0, 1] and sum to 1 are probabilities",)
    assert logits.prob is not None
    assert probabilities.prob is not None
    np.testing.assert_allclose(logits.prob, probabilities.prob, rtol=1e-6)
    np.testing.assert_allclose(logits.prob, softmax(scores(RIGHT), axis=1).max(axis=1), rtol=1e-6)


@given(arrays.arrays(np.float32, (6, 7), elements=st.floats(-50, 50, width=16)))
def test_best_classes_are_those_of_a_stable_sort(values: np.ndarray) -> None:
    dataset = StoredDataset("old", tuple("012345"), np.zeros(6, np.int64), "l", tuple("abcdefg"), "", None, {})
    answers = check_answers(content(values), dataset, "logits")
    expected = [sorted(range(7), key=lambda number: (-row[number], number))[:5] for row in values.tolist()]
    assert answers.top.tolist() == expected
    assert answers.prob is not None
    assert ((answers.prob > 0) & (answers.prob <= 1)).all()


def test_classes_by_name_or_folder(named: StoredDataset) -> None:
    assert check_answers(content(list("abcdef")), named).top[:, 0].tolist() == RIGHT
    folders = tuple(f"n{number}" for number in range(7))
    assert (
        check_answers(content([f"n{number}" for number in RIGHT]), named, "auto", folders).top[:, 0].tolist() == RIGHT
    )


def test_rows_follow_the_ids(named: StoredDataset) -> None:
    ids = ("six.jpg", "five", "four", "three", "two", "one")
    answers = check_answers(content(RIGHT, ids), named)
    assert answers.top[:, 0].tolist() == RIGHT[::-1]
    assert answers.rules[-1] == "rows were put into the order of the dataset by id"
    logits = check_answers(content(scores(RIGHT) * np.arange(1, 7)[:, None], ids), named)
    assert logits.prob is not None
    assert (np.diff(logits.prob) < 0).all()  # the probabilities go where their rows go
    positions = check_answers(content(RIGHT, ("5", "4", "3", "2", "1", "0")), named)
    assert positions.top[:, 0].tolist() == RIGHT[::-1]
    whole = check_answers(content(RIGHT, named.ids), named)
    assert (whole.top[:, 0].tolist(), whole.rules[-1]) == (RIGHT, "ids and dataset have one order")


def test_ids_of_a_dataset_without_names_are_positions(named: StoredDataset) -> None:
    plain = StoredDataset("old", tuple("012345"), named.labels, "letters", named.class_names, "", None, {})
    answers = check_answers(content(RIGHT, ("05", "04", "03", "02", "01", "00")), plain)
    assert answers.top[:, 0].tolist() == RIGHT[::-1]


ONE_TWICE = ("one", "one", "three", "four", "five", "six")
REFUSED = {
    "too few": (
        content(RIGHT[:5]),
        "auto",
        (
            "the answers are not as many as the images\n"
            "  where:    answers.npy\n"
            "  found:    5 rows\n"
            "  expected: 6, one an image of old\n"
            "  fix:      with an id column, rows may stand in any order, but none may be missing"
        ),
    ),
    "out of range": (
        content([0, 1, 2, 3, 4, 7]),
        "auto",
        "an answer is outside the classes\n  where:    answers.npy, row 5\n  found:    class 7\n  expected: 0 to 6",
    ),
    "counted from 1": (
        content([1, 2, 3, 4, 5, 7]),
        "auto",
        (
            "an answer is outside the classes\n"
            "  where:    answers.npy, row 5\n"
            "  found:    class 7\n"
            "  expected: 0 to 6\n"
            "  fix:      they count from 1; subtract 1"
        ),
    ),
    "negative": (
        content([[0, 1], [-1, 1], [2, 1], [3, 1], [4, 1], [-5, 1]]),
        "auto",
        (
            "an answer is outside the classes\n"
            "  where:    answers.npy, row 1 and 1 more\n"
            "  found:    class -1\n"
            "  expected: 0 to 6"
        ),
    ),
    "not whole": (
        content([0, 1, 2.5, 3, 4, 5]),
        "auto",
        (
            "a class number is not whole\n"
            "  where:    answers.npy, row 2\n"
            "  found:    2.5\n"
            "  expected: a whole number from 0 to 6\n"
            "  fix:      scores have a column for each class"
        ),
    ),
    "nan": (
        content([0, 1, np.nan, 3, np.nan, 5]),
        "auto",
        (
            "an answer is missing\n"
            "  where:    answers.npy, row 2 and 1 more\n"
            "  found:    NaN, or an empty cell\n"
            "  expected: a number"
        ),
    ),
    "infinite": (
        content(np.where(scores(RIGHT) == 3, np.inf, scores(RIGHT))),
        "auto",
        "a logit is infinite\n  where:    answers.npy, row 0\n  found:    inf\n  expected: a finite number",
    ),
    "a class twice": (
        content([[0, 1]] * 5 + [[4, 4]]),
        "auto",
        (
            "a class stands twice among the answers to one image\n"
            "  where:    answers.npy, row 5\n"
            "  found:    4, 4\n"
            "  expected: each class once, best first"
        ),
    ),
    "too many columns": (
        content(scores(RIGHT, 8)),
        "auto",
        (
            "the answers have the wrong number of columns\n"
            "  where:    answers.npy\n"
            "  found:    8 columns of whole numbers\n"
            "  expected: 1 or k class numbers, or 7 columns, one for each class"
        ),
    ),
    "too few columns": (
        content(scores(RIGHT, 7)[:, :3] + 0.5),
        "auto",
        (
            "the answers have the wrong number of columns\n"
            "  where:    answers.npy\n"
            "  found:    3 columns of fractions\n"
            "  expected: 1 or k class numbers, or 7 columns, one for each class"
        ),
    ),
    "no logits": (
        content(scores(RIGHT)[:, :3]),
        "logits",
        (
            "these are not logits\n"
            "  where:    answers.npy\n"
            "  found:    shape (6, 3)\n"
            "  expected: 7 columns, one for each class"
        ),
    ),
    "no probabilities": (
        content(scores(RIGHT)),
        "probabilities",
        (
            "these are not probabilities\n"
            "  where:    answers.npy, row 0\n"
            "  found:    -6 to 3, sum -18\n"
            "  expected: each in [0, 1], their sum 1\n"
            "  fix:      --kind logits takes scores of any size"
        ),
    ),
    "no top-k": (
        content(RIGHT),
        "topk",
        (
            "these are no top-k answers\n"
            "  where:    answers.npy\n"
            "  found:    shape (6,)\n"
            "  expected: k class numbers a row, best first"
        ),
    ),
    "ranks or scores": (
        content(np.array([[6, 5, 4, 3, 2, 1, 0]] * 6, np.float32)),
        "auto",
        (
            "it cannot be told whether these are classes by rank or scores by class\n"
            "  where:    answers.npy\n"
            "  found:    each row holds 0 to 6, each once, as fractions\n"
            "  expected: class numbers as whole numbers, or logits\n"
            "  fix:      say which with --kind topk or --kind logits"
        ),
    ),
    "another kind": (
        content(RIGHT),
        "top2",
        (
            '"top2" is not a kind of answers\n'
            "  expected: auto, top1, topk, logits, probabilities\n"
            '  fix:      did you mean "topk"?'
        ),
    ),
    "three dimensions": (
        content(np.zeros((6, 1, 2))),
        "auto",
        (
            "these are not answers\n"
            "  where:    answers.npy\n"
            "  found:    float64, shape (6, 1, 2)\n"
            "  expected: class numbers (n,) or (n, k), or one number for each class (n, classes)"
        ),
    ),
    "no class": (
        content(["a", "b", "c", "d", "é", "f"]),
        "auto",
        (
            'these are not classes\n  where:    answers.npy, row 4\n  found:    "é"\n'
            "  expected: numbers from 0, or names such as a, b, c"
        ),
    ),
    "an id twice": (
        content(RIGHT, ONE_TWICE),
        "auto",
        "an image is answered twice\n  where:    answers.npy\n  found:    one\n  expected: each image of old once",
    ),
    "an id missing": (
        content(RIGHT[1:], ("x/one.png", "x/two.png", "y/three.png", "y/four.png", "y/five.png")),
        "auto",
        (
            "the ids are not those of the dataset\n"
            "  where:    answers.npy\n"
            "  found:    y/six.png missing\n"
            "  expected: the 6 ids of old, such as x/one.png\n"
            "  fix:      name the right column with --id-column; without ids, rows must stand in dataset order"
        ),
    ),
    "an id unknown": (
        content(RIGHT, ("x/one.png", "x/two.png", "y/three.png", "y/four.png", "y/five.png", "seven")),
        "auto",
        (
            "the ids are not those of the dataset\n"
            "  where:    answers.npy\n"
            "  found:    seven unknown; y/six.png missing\n"
            "  expected: the 6 ids of old, such as x/one.png\n"
            "  fix:      name the right column with --id-column; without ids, rows must stand in dataset order"
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(named: StoredDataset, complaint: Callable[..., str], case: str) -> None:
    values, kind, expected = REFUSED[case]
    assert complaint(check_answers, values, named, kind) == expected


def test_every_kind_can_be_asked_for(named: StoredDataset) -> None:
    given_as = {
        "auto": RIGHT,
        "top1": RIGHT,
        "topk": [[number, 6] for number in RIGHT],
        "logits": scores(RIGHT),
        "probabilities": softmax(scores(RIGHT), axis=1),
    }
    assert tuple(given_as) == KINDS
    for kind, values in given_as.items():
        assert check_answers(content(values), named, kind).top[:, 0].tolist() == RIGHT


def test_masked_logits_may_be_minus_infinity(named: StoredDataset) -> None:
    values = np.where(scores(RIGHT) == 3, 0.0, -np.inf)
    answers = check_answers(content(values), named)
    assert answers.top[:, 0].tolist() == RIGHT
    assert answers.prob is not None
    assert answers.prob.tolist() == [1.0] * 6
