"""The writers of scikit-learn's digits, and the split that keeps them apart."""

import difflib
import subprocess
import sys
from importlib.machinery import ModuleSpec
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from messages import says
from sklearn.datasets import load_digits

from evalshift.errors import DataError
from evalshift.testbed.digits.split import FORM_STARTS, NEW_WRITERS_START, check_digits, digits_split

DIGITS: Any = load_digits()
PIXELS, LABELS = DIGITS["data"], DIGITS["target"]
FORMS = list(pairwise((*FORM_STARTS, len(LABELS))))


@pytest.fixture(scope="module")
def split():
    return digits_split()


@pytest.fixture(scope="module")
def parts(split):
    return {"train": split.train, "original": split.original, "new": split.new}


def index_of(part):
    return np.array([int(identity.removeprefix("digits-")) for identity in part.ids])


def test_each_image_is_in_exactly_one_part(parts):
    indices = np.concatenate([index_of(part) for part in parts.values()])
    assert sorted(indices) == list(range(1797))
    assert {name: len(part.ids) for name, part in parts.items()} == {"train": 453, "original": 453, "new": 891}


def test_no_two_images_have_the_same_pixels():
    assert len(np.unique(PIXELS, axis=0)) == 1797


def test_new_writers_wrote_nothing_in_the_other_parts(parts):
    for name, part in parts.items():
        writers = [sum(start <= i for start in FORM_STARTS) - 1 for i in index_of(part)]
        assert part.writers.tolist() == writers
        assert set(writers) == set(range(7, 14) if name == "new" else range(7))


def test_rows_are_the_digits_that_their_ids_name(parts):
    for part in parts.values():
        index = index_of(part)
        assert part.images.shape == (len(index), 8, 8, 1)
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        np.testing.assert_array_equal(part.labels, LABELS[index])
        np.testing.assert_array_equal(np.round(part.images.reshape(-1, 64) * (16 / 255)), PIXELS[index])


def test_pixels_are_spread_over_0_to_255(split):
    # 16 steps of 15.9375: 1 -> 15.94, 4 -> 63.75, 8 -> 127.5 (to the even 128), 12 -> 191.25, 16 -> 255
    index = index_of(split.new)
    found = {int(p): int(v) for p, v in zip(PIXELS[index].ravel(), split.new.images.ravel(), strict=True)}
    assert {p: found[p] for p in (0, 1, 4, 8, 12, 16)} == {0: 0, 1: 16, 4: 64, 8: 128, 12: 191, 16: 255}
    assert len(set(found.values())) == 17


def test_original_and_new_keep_the_order_of_the_forms(split):
    assert (np.diff(index_of(split.original)) > 0).all()
    assert index_of(split.new).tolist() == list(range(NEW_WRITERS_START, 1797))


def test_train_and_original_hold_each_writers_digits_in_equal_shares(split):
    for writer in range(7):
        for digit in range(10):
            counts = [((p.writers == writer) & (p.labels == digit)).sum() for p in (split.train, split.original)]
            assert abs(counts[0] - counts[1]) <= 1


@pytest.mark.parametrize("k", [1, 2, 4, 6, 7, 20, 43])
def test_the_first_training_images_are_balanced(split, k):
    labels, writers = split.train.labels[: 10 * k], split.train.writers[: 10 * k]
    assert np.bincount(labels, minlength=10).tolist() == [k] * 10
    if k <= 7:
        assert len(set(zip(labels, writers, strict=True))) == 10 * k  # no writer shows a digit twice
    # each of ten digits begins with another of the seven writers: 10 = 7 + 3
    assert len(set(writers)) == 7


def test_the_split_is_the_same_each_time(split):
    again = digits_split()
    assert (again.train.ids, again.original.ids, again.new.ids) == (split.train.ids, split.original.ids, split.new.ids)


def test_forms_ask_for_the_same_130_digits():
    """Nine forms are whole, one of them with another last label; the others lack 2 to 8 digits and add none."""
    template = LABELS[:130].tolist()
    missing = {}
    for start, stop in FORMS:
        form = LABELS[start:stop].tolist()
        if start == 256:
            assert (template[-1], form[-1]) == (8, 3)
            form[-1] = 8
        changes = difflib.SequenceMatcher(None, template, form, autojunk=False).get_opcodes()
        assert {kind for kind, *_ in changes} <= {"equal", "delete"}
        missing[start] = 130 - len(form)
    assert {start: count for start, count in missing.items() if count} == {130: 4, 906: 7, 1029: 2, 1287: 2, 1545: 8}


def test_forms_begin_where_only_a_form_can_begin():
    """Each starts with 0–9 three times, which stands nowhere else, or where a whole form ends."""
    text = "".join(map(str, LABELS))
    opening = "0123456789" * 3
    openings = [i for i in range(len(text)) if text.startswith(opening, i)]
    after_whole_form = [stop for start, stop in FORMS if stop - start == 130]
    assert set(openings) <= set(FORM_STARTS)
    assert set(FORM_STARTS) - set(openings) == {906, 1545}
    assert {906, 1545} <= set(after_whole_form)


def test_forms_are_by_different_hands():
    """Mean images of a digit lie at least 281 apart between forms, at most 69 between the halves of one form."""

    def distance(a, b):
        """Squared distance of the mean images, less its expectation for two samples of one population."""
        between = []
        for digit in range(10):
            x, y = PIXELS[a][LABELS[a] == digit], PIXELS[b][LABELS[b] == digit]
            sampling = x.var(axis=0, ddof=1).sum() / len(x) + y.var(axis=0, ddof=1).sum() / len(y)
            between.append(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() - sampling)
        return np.mean(between)

    forms = [np.arange(start, stop) for start, stop in FORMS]
    apart = {(i, j): distance(forms[i], forms[j]) for i in range(14) for j in range(i)}
    within = []
    for form in forms:
        turn = np.array([np.sum(LABELS[form[:i]] == LABELS[form[i]]) for i in range(len(form))])
        later = turn >= np.array([np.sum(LABELS[form] == LABELS[i]) // 2 for i in form])
        within.append(distance(form[~later], form[later]))
    assert min(apart.values()) == pytest.approx(281, abs=0.5)
    assert min(apart, key=apart.__getitem__) == (10, 9)  # forms 1287 and 1157, both among the new writers
    assert max(within) == pytest.approx(69, abs=0.5)


def test_other_digits_are_refused():
    pixels, labels = PIXELS.reshape(-1, 8, 8).astype(np.uint8), LABELS.astype(np.int64)
    check_digits(pixels, labels)
    with pytest.raises(DataError) as caught:
        check_digits(pixels[::-1].copy(), labels)
    says(
        caught.value,
        where="sklearn.datasets.load_digits",
        found="sha256 d2503a447794ee61eca78b98bf37c4897c01486d2a3b721b324ce499b665fde3 of 1797 images",
    )


def test_digits_are_those_of_scikit_learn_wherever_it_keeps_them(monkeypatch: pytest.MonkeyPatch):
    from_file = digits_split()
    monkeypatch.setattr("evalshift.testbed.digits.split.find_spec", lambda name: ModuleSpec(name, None))
    from_library = digits_split()
    for part in ("train", "original", "new"):
        one, other = getattr(from_file, part), getattr(from_library, part)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.ids == other.ids


def test_the_split_loads_neither_torch_nor_scikit_learn():
    code = (
        "import sys, evalshift.testbed.digits.split as s; s.digits_split(); "
        "print({'torch', 'sklearn', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
