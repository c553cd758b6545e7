"""Ranks by hand, against scipy, and against the published tables."""

import inspect
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from evalshift.analysis.ranks import rank, rank_changes

PUBLISHED = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "published"
needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published tables are not in {PUBLISHED}")

counts = st.lists(st.integers(0, 50), min_size=1, max_size=40).map(np.array)


def test_ties_share_the_better_rank():
    # 90 and 90 stand first together; two models are better than 80, four than 70.
    assert rank(np.array([70, 90, 80, 80, 90])).tolist() == [5, 1, 3, 3, 1]


def test_all_tied_are_all_first():
    assert rank(np.array([7, 7, 7])).tolist() == [1, 1, 1]


def test_changes_by_hand():
    # original ranks 1 2 3 4, new ranks 3 1 2 3 (65 twice)
    assert rank_changes(np.array([90, 80, 70, 60]), np.array([65, 75, 70, 65])).tolist() == [-2, 1, 1, 1]


@given(counts)
def test_agrees_with_scipy(correct):
    assert rank(correct).tolist() == rankdata(-correct, method="min").tolist()


@given(counts)
def test_a_rank_is_one_more_than_the_number_of_better_models(correct):
    assert rank(correct).tolist() == [1 + int((correct > own).sum()) for own in correct]


@given(counts, st.randoms(use_true_random=False))
def test_the_order_of_the_models_does_not_matter(correct, random):
    order = random.sample(range(len(correct)), len(correct))
    assert rank(correct[order]).tolist() == rank(correct)[order].tolist()


def test_counts_of_any_integer_type():
    assert rank(np.array([1, 127, -128], dtype=np.int8)).tolist() == [2, 1, 3]
    assert rank(np.array([1, 2])).dtype == np.int64


def test_no_models_have_no_ranks():
    assert rank(np.array([], dtype=int)).tolist() == []


def test_different_numbers_of_models():
    # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
    with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
        inspect.unwrap(rank_changes)(np.array([1, 2]), np.array([1]))
    assert str(complaint.value) == "found 2 original and 1 new counts; expected one of each a model"


# The tables number tied models in alphabetical order: "..., 2, 3, ..." where ours share a 2. Ties, by table and side:
TABLES = {
    "table7_cifar10_vs_cifar10.1-v4.csv": ("cifar10", "cifar10.1-v4", "top1_correct", 0, 1),
    "table8_cifar10_vs_cifar10.1-v6.csv": ("cifar10", "cifar10.1-v6", "top1_correct", 0, 1),
    "table11_imagenet_vs_matched-frequency_top1.csv": (
        "imagenet",
        "imagenetv2-matched-frequency",
        "top1_correct",
        0,
        5,
    ),
    "table12_imagenet_vs_matched-frequency_top5.csv": (
        "imagenet",
        "imagenetv2-matched-frequency",
        "top5_correct",
        1,
        2,
    ),
    "table13_imagenet_vs_threshold0.7_top1.csv": ("imagenet", "imagenetv2-threshold0.7", "top1_correct", 0, 0),
}


@needs_published
@pytest.mark.parametrize("file", TABLES)
def test_published_ranks_but_for_the_order_among_ties(file):
    original, new, column, original_ties, new_ties = TABLES[file]
    table = pd.read_csv(PUBLISHED / file).set_index("model")
    released = pd.read_csv(PUBLISHED / "recht2019_counts.csv")
    # Five models of tables 7 and 8 have no released predictions, and alexnet_tf_ben has them but no row.
    models = [model for model in table.index if model in set(released[released.dataset == original].model)]
    table = table.loc[models]
    ours = {}
    for side, dataset, ties in (("orig", original, original_ties), ("new", new, new_ties)):
        correct = released[released.dataset == dataset].set_index("model")[column].loc[models].astype(int)
        place = ours[side] = pd.Series(rank(correct.to_numpy()), index=models)
        place_among_tied = pd.Series(models, index=models).groupby(correct).rank().astype(int) - 1
        # Printed ranks count the models left out here too; ranked again they count only these.
        printed = table[f"{side}_rank"].rank().astype(int)
        assert (place + place_among_tied).tolist() == printed.tolist()
        assert (place_among_tied > 0).sum() == ties
    assert (ours["orig"] - ours["new"]).tolist() == rank_changes(
        *(released[released.dataset == d].set_index("model")[column].loc[models].to_numpy(int) for d in (original, new))
    ).tolist()


@needs_published
@pytest.mark.parametrize("file", [file for file in TABLES if not file.startswith(("table7", "table8"))])
def test_published_rank_changes_where_no_tie_is_near(file):
    original, new, column, *_ = TABLES[file]
    table = pd.read_csv(PUBLISHED / file).set_index("model")
    released = pd.read_csv(PUBLISHED / "recht2019_counts.csv")
    before, after = (
        released[released.dataset == dataset].set_index("model")[column].loc[table.index].astype(int)
        for dataset in (original, new)
    )
    untied = ~(before.duplicated(keep=False) | after.duplicated(keep=False)).to_numpy()
    ours = rank_changes(before.to_numpy(), after.to_numpy())
    assert untied.sum() >= 57
    assert ours[untied].tolist() == table.delta_rank[untied].tolist()
