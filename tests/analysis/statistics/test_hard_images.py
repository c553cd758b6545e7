"""Hard images counted by hand, as a property of any predictions, and as figure 4 of the paper shows them."""

import inspect
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet

from evalshift.analysis.statistics import hard_images as module
from evalshift.analysis.statistics.hard_images import hard_images, hardest_share, missed_by

# Figure 4 of the paper: true class and what most models said instead, for the 16 new images that all 34 missed.
FIGURE_4 = Counter({(1, 0): 1, (1, 9): 8, (2, 6): 1, (7, 6): 1, (3, 5): 2, (3, 4): 1, (5, 3): 2})

# Five images of classes 0, 1, 2, 1, 0, predicted by four models; missed by 0, 4, 3, 2 and 4 of them.
LABELS = np.array([0, 1, 2, 1, 0])
PREDICTED = np.array([[0, 2, 2, 1, 1], [0, 2, 0, 1, 2], [0, 0, 0, 0, 1], [0, 2, 1, 2, 2]])


@st.composite
def predictions(draw) -> tuple[np.ndarray, np.ndarray]:
    seed, models, images = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 6)), draw(st.integers(1, 30))
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (models, images)), rng.integers(0, 4, images)


class TestByHand:
    def test_how_many_models_miss_each_image(self):
        assert missed_by(PREDICTED, LABELS).tolist() == [0, 4, 3, 2, 4]

    def test_missed_by_all(self):
        hard = hard_images(PREDICTED, LABELS)
        assert hard.image.tolist() == [1, 4]
        assert hard.label.tolist() == [1, 0]
        assert hard.missed.tolist() == [4, 4]
        # Image 1 is taken for 2 three times; image 4 for 1 and for 2 twice each, and the lower counts.
        assert hard.favourite.tolist() == [2, 1]
        assert hard.votes.tolist() == [3, 2]
        assert (len(hard), hard.models) == (2, 4)

    def test_missed_by_most(self):
        # The correct prediction of one model for image 2 is no vote: it is taken for 0 twice, for 1 once.
        hard = hard_images(PREDICTED, LABELS, least=3)
        assert hard.image.tolist() == [1, 4, 2]
        assert hard.favourite.tolist() == [2, 1, 0]
        assert hard.votes.tolist() == [3, 2, 2]

    def test_an_image_that_nobody_misses_has_no_favourite(self):
        hard = hard_images(PREDICTED, LABELS, least=0)
        assert hard.image.tolist() == [1, 4, 2, 3, 0]
        assert (hard.missed[-1], hard.favourite[-1], hard.votes[-1]) == (0, -1, 0)

    @pytest.mark.parametrize(
        "share, images", [(0.01, [1, 4]), (0.2, [1, 4]), (0.4, [1, 4]), (0.41, [1, 4, 2]), (1.0, [1, 4, 2, 3, 0])]
    )
    def test_the_hardest_share_takes_all_that_are_as_hard_as_its_last(self, share, images):
        assert hardest_share(PREDICTED, LABELS, share).image.tolist() == images

    def test_rounding_asks_for_no_image_more(self):
        # 0.07 · 100 is 7.000000000000001 in floats: 7 images, each of its own hardness.
        predicted = np.array([[int(model >= image) for image in range(100)] for model in range(100)])
        assert len(hardest_share(predicted, np.zeros(100, dtype=np.int64), 0.07)) == 7


class TestProperties:
    @given(predictions(), st.floats(0.01, 1))
    def test_a_share_is_whole_groups_of_equally_hard_images(self, given_predictions, share):
        predicted, labels = given_predictions
        missed = missed_by(predicted, labels)
        hard = hardest_share(predicted, labels, share)
        assert len(hard) >= share * len(labels) - 1e-6
        left = np.delete(missed, hard.image)
        assert (left < hard.missed.min()).all()
        assert (np.diff(hard.missed) <= 0).all()
        # Without its easiest group it would be too small.
        assert np.sum(hard.missed > hard.missed.min()) < share * len(labels)

    @given(predictions())
    def test_favourites_by_counting(self, given_predictions):
        predicted, labels = given_predictions
        hard = hard_images(predicted, labels, least=1)
        for image, favourite, votes in zip(hard.image, hard.favourite, hard.votes, strict=True):
            wrong = Counter(infer for infer in predicted[:, image].tolist() if infer != labels[image])
            assert votes == max(wrong.values())
            assert favourite == min(infer for infer, count in wrong.items() if count == votes)

    @given(predictions())
    def test_chunks_do_not_show(self, given_predictions):
        whole = hard_images(*given_predictions, least=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_CELLS_IN_A_CHUNK", 9)
            chunked = hard_images(*given_predictions, least=0)
        assert whole.favourite.tolist() == chunked.favourite.tolist()
        assert whole.votes.tolist() == chunked.votes.tolist()

    def test_small_integers_do_not_overflow(self):
        predicted = np.full((3, 200), 127, dtype=np.int8)
        hard = hard_images(predicted, np.zeros(200, dtype=np.int64))
        assert hard.favourite.tolist() == [127] * 200


class TestDegenerate:
    def test_no_images(self):
        none = np.empty((3, 0), dtype=np.int64), np.empty(0, dtype=np.int64)
        assert len(hard_images(*none)) == len(hardest_share(*none, 0.5)) == 0

    def test_no_image_is_missed_by_all(self):
        assert len(hard_images(np.array([[0, 1], [1, 0]]), np.array([0, 0]))) == 0

    @pytest.mark.parametrize("least", [-1, 5])
    def test_more_models_than_there_are(self, least):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            hard_images(PREDICTED, LABELS, least=least)
        assert str(complaint.value) == f"least: found {least}; expected 0 to 4, the number of models"

    @pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
    def test_impossible_shares(self, share):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            hardest_share(PREDICTED, LABELS, share)
        assert str(complaint.value) == f"share: found {share}; expected a fraction above 0, up to 1"

    def test_impossible_predictions(self):
        # Unwrapped: as they run for users, without the tests' shape checker that would speak first.
        for call, option in ((inspect.unwrap(hard_images), 4), (inspect.unwrap(hardest_share), 0.5)):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                call(PREDICTED, LABELS[:4], option)
            assert str(complaint.value) == "found predictions for 5 images and 4 labels; expected one label each"
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                call(PREDICTED - 2, LABELS, option)
            assert str(complaint.value) == "predicted: found class -2; expected classes from 0, or -1 for none"

    def test_no_prediction_misses_an_image_and_is_nobodys_favourite(self):
        hard = hard_images(np.array([[-1, 1], [-1, 2], [2, -1]]), np.array([0, 0]))
        assert (hard.missed.tolist(), hard.favourite.tolist(), hard.votes.tolist()) == ([3, 3], [2, 1], [1, 1])
        nobody = hard_images(np.array([[-1], [-1]]), np.array([0]))
        assert (nobody.missed.tolist(), nobody.favourite.tolist()) == ([2], [-1])


@needs_cifar10
class TestCifar10:
    def test_hard_images_of_figure_4_are_among_those_missed_by_the_30_released_models(self):
        # Four models more miss fewer images, and one vote can tip: 14 of the 16 pairs come out.
        released = cifar10()
        hard = hard_images(released.new, released.new_labels)
        assert len(hard) == 21
        ours = Counter(zip(hard.label.tolist(), hard.favourite.tolist(), strict=True))
        assert (ours & FIGURE_4).total() == 14
        theirs = Counter(label for label, _ in FIGURE_4.elements())
        assert theirs <= Counter(hard.label.tolist())

    def test_the_hardest_twentieth_of_both_sets(self):
        # B.2.5 has 500 and 115 images with 34 models; with the 30 released ones ties end elsewhere.
        released = cifar10()
        original = hardest_share(released.original, released.original_labels, 0.05)
        new = hardest_share(released.new, released.new_labels, 0.05)
        assert (len(original), len(new)) == (533, 106)
        # The new set's hardest are harder: missed by at least 23 of 30 models, the original's by at least 12.
        assert (original.missed.min(), new.missed.min()) == (12, 23)


@needs_imagenet
def test_on_imagenet_twice_the_share_is_missed_by_all():
    released = imagenet()
    original = hard_images(released.original, released.original_labels)
    new = hard_images(released.new, released.new_labels)
    assert (len(original), len(new)) == (2384, 936)
    assert (original.models, new.models) == (67, 67)
