import numpy as np
import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.testbed.structural_similarity import most_similar, structural_similarity

skimage = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed (pip install scikit-image)")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(15)


def smooth(rng: np.random.Generator, count: int, size: int = 16, channels: int = 3) -> np.ndarray:
    """Images with structure: a few large patches each, and some noise."""
    coarse = rng.integers(0, 256, (count, size // 4, size // 4, channels)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_as_scikit_image_has_it(rng: np.random.Generator, channels: int) -> None:
    one = smooth(rng, 12, channels=channels)
    other = np.clip(one + rng.normal(0, np.arange(12)[:, None, None, None] * 6, one.shape), 0, 255).astype(np.uint8)
    other[-1] = 255 - one[-1]
    expected = [
        skimage.structural_similarity(a, b, channel_axis=-1, data_range=255) for a, b in zip(one, other, strict=True)
    ]
    found = structural_similarity(one, other)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0] > 0.999
    assert found[-1] < 0


def test_equal_images_are_fully_similar_and_flat_ones_by_brightness_alone() -> None:
    flat = np.stack([np.full((8, 8, 1), shade, np.uint8) for shade in (50, 50, 100)])
    # Without contrast: (2·50·100 + C₁) / (50² + 100² + C₁), C₁ = 2.55² = 6.5025.
    by_hand = (2 * 50 * 100 + 6.5025) / (50**2 + 100**2 + 6.5025)
    assert structural_similarity(flat[[0, 0]], flat[[1, 2]]).tolist() == pytest.approx([1, by_hand], abs=1e-6)


def test_the_most_similar_of_all_and_of_the_nearest_by_pixels(rng: np.random.Generator) -> None:
    references = smooth(rng, 60)
    brighter = np.clip(references[:5].astype(int) + 40, 0, 255).astype(np.uint8)
    found = most_similar(brighter, references, 3, None)
    table = np.array([structural_similarity(np.repeat(image[None], 60, axis=0), references) for image in brighter])
    np.testing.assert_array_equal(found.position, np.argsort(1 - table, axis=1, kind="stable")[:, :3])
    assert found.position[:, 0].tolist() == [0, 1, 2, 3, 4]
    told: list[int] = []
    quick = most_similar(brighter, references, 3, 20, advance=told.append)
    assert quick.position[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert sum(told) == 15


def test_no_image_is_its_own_neighbour(rng: np.random.Generator) -> None:
    images = smooth(rng, 10)
    images[9] = images[4]
    for among in (None, 6):
        found = most_similar(images, images, 2, among, same=True)
        assert (found.position[4, 0], found.position[9, 0]) == (9, 4)
        assert found.distance[[4, 9], 0].tolist() == pytest.approx([0, 0], abs=1e-6)


def test_small_images_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        most_similar(np.zeros((2, 6, 9, 1), np.uint8), np.zeros((2, 6, 9, 1), np.uint8), 1)
    says(caught.value, found="6 × 9 pixels", expected="at least 7 × 7")
