import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import softmax

from evalshift.evaluate.ranking import Ranking, top_classes
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.views import View

CPU = torch.device("cpu")
SPECIAL = [-np.inf, -1e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 1.0000001, 3e38, np.inf]


@given(
    scores=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(5, 40)),
        elements=st.one_of(st.sampled_from(SPECIAL), st.floats(width=32, allow_nan=False)),
    )
)
def test_classes_stand_in_the_order_of_a_stable_sort(scores: np.ndarray) -> None:
    found = top_classes(torch.from_numpy(scores), 5).numpy()
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1, kind="stable")[:, :5])


def test_negative_zero_ties_with_zero() -> None:
    assert top_classes(torch.tensor([[-0.0, 0.0, -1.0], [0.0, -0.0, 0.0]]), 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_ties_across_the_last_kept_place_go_to_the_lower_classes() -> None:
    scores = torch.zeros(1, 21_841)
    scores[0, 20_000] = 1
    assert top_classes(scores, 5).tolist() == [[20_000, 0, 1, 2, 3]]


@pytest.mark.parametrize("rounded", [torch.bfloat16, torch.float16])
def test_scores_of_half_precision_are_full_of_ties_and_ranked_alike(rounded: torch.dtype) -> None:
    scores = torch.randn(64, 1000, generator=torch.Generator().manual_seed(0)).to(rounded).float()
    top, prob = Ranking(1000, 5, False, None, CPU)(scores)
    np.testing.assert_array_equal(top.numpy(), np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(prob.numpy(), softmax(scores.numpy().astype(float), axis=1).max(axis=1), rtol=1e-5)


def test_probabilities_are_taken_as_shares_of_their_sum() -> None:
    # By hand: 0.5 of 0.8.
    _, prob = Ranking(3, 5, True, None, CPU)(torch.tensor([[0.1, 0.5, 0.2]]))
    assert prob.tolist() == pytest.approx([0.625])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("view", [False, True])
def test_a_row_with_a_score_that_is_none_has_no_probability(value: float, probabilities: bool, view: bool) -> None:
    letters = ClassSpace("letters", tuple("abcd"))
    kept = View("kept", letters, (0, 1, None, 3), letters) if view else None
    scores = torch.full((3, 4), 0.25)
    scores[1, 1] = value
    _, prob = Ranking(4, 2, probabilities, kept, CPU)(scores)
    assert prob.isnan().tolist() == [False, True, False]


def test_no_more_classes_are_kept_than_a_view_has() -> None:
    letters = ClassSpace("letters", tuple("abcdef"))
    view = View("kept", letters, (None, 1, None, 3, None, 5), letters)
    top, _ = Ranking(6, 5, False, view, CPU)(torch.tensor([[9.0, 0.0, 9.0, 2.0, 9.0, 2.0]]))
    assert (top.tolist(), top.dtype) == ([[3, 5, 1]], torch.int32)
