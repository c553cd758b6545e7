import numpy as np
import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.testbed.perceptual_hash import alike, perceptual_hashes


@pytest.fixture
def smooth() -> np.ndarray:
    """Six images of 32 × 32 pixels, each of a few waves, as photographs are."""
    rng = np.random.default_rng(2)
    place = np.linspace(0, np.pi, 32)
    waves = np.cos(np.arange(7)[:, None] * place)
    images = np.einsum("nijc,ix,jy->nxyc", rng.normal(size=(6, 7, 7, 3)), waves, waves)
    return np.clip(128 + 12 * images, 0, 255).astype(np.uint8)


def test_bits_are_those_of_the_cosine_transform_written_out(smooth: np.ndarray) -> None:
    places, frequencies = np.arange(32), np.arange(8)[:, None]
    cosines = np.cos(np.pi * frequencies * (2 * places + 1) / 64)
    grey = smooth[0] @ [0.299, 0.587, 0.114]
    low = (cosines @ grey @ cosines.T).ravel()
    assert perceptual_hashes(smooth[:1]).tolist() == [(low > np.median(low)).astype(int).tolist()]


def test_copies_that_are_brighter_coarser_or_grey_differ_in_few_bits_and_other_images_in_many(
    smooth: np.ndarray,
) -> None:
    brighter = np.clip(smooth.astype(int) + 20, 0, 255).astype(np.uint8)
    coarser = smooth.reshape(6, 16, 2, 16, 2, 3).mean(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2).astype(np.uint8)
    grey = (smooth @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None]
    own = perceptual_hashes(smooth)
    for copies in (brighter, coarser, grey):
        bits = (own[:, None] != perceptual_hashes(copies)[None]).sum(axis=2)
        assert np.diag(bits).max() <= 10
        assert bits[~np.eye(6, dtype=bool)].min() >= 16
        assert alike(copies, smooth, 1)[:, 0].tolist() == list(range(6))


def test_no_image_is_alike_to_itself_and_small_ones_are_refused(smooth: np.ndarray) -> None:
    found = alike(smooth, smooth, 99, same=True)
    assert [sorted([place, *near]) for place, near in enumerate(found.tolist())] == [list(range(6))] * 6
    with pytest.raises(UsageError) as caught:
        perceptual_hashes(np.zeros((2, 7, 9, 3), np.uint8))
    says(caught.value, found="7 × 9 pixels", expected="at least 8 × 8")
