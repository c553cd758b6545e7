from collections.abc import Callable

import numpy as np
import pytest
from formats import pixels
from scipy import ndimage

from evalshift.errors import UsageError
from evalshift.testbed.corruptions import KINDS, STYLES, VALIDATION, check_kinds, check_severities, corrupt_image
from evalshift.testbed.corruptions.severities import SEVERITIES

IMAGE = ndimage.gaussian_filter(pixels("photograph", 32, 40, 3).astype(float), (2, 2, 0))
IMAGE = ((IMAGE - IMAGE.min()) / np.ptp(IMAGE) * 255).astype(np.uint8)


def changed(image: np.ndarray, kind: str, severity: int, style: str = "cifar10-c", seed: int = 0) -> float:
    difference = corrupt_image(image, kind, severity, style, [seed, 0]).astype(float) - image
    return float(np.sqrt((difference**2).mean()))


@pytest.mark.parametrize("kind", [*KINDS, *VALIDATION])
def test_every_kind_changes_an_image_and_the_seed_alone_decides_how(kind: str) -> None:
    for style in STYLES:
        made = corrupt_image(IMAGE, kind, 3, style, [1, 7])
        assert made.shape == IMAGE.shape
        assert made.dtype == np.uint8
        assert not np.array_equal(made, IMAGE)
        assert np.array_equal(made, corrupt_image(IMAGE, kind, 3, style, [1, 7]))


@pytest.mark.parametrize(
    "kind", ["gaussian_noise", "shot_noise", "impulse_noise", "motion_blur", "fog", "frost", "snow", "spatter"]
)
def test_other_seeds_and_positions_give_other_noise(kind: str) -> None:
    made = [corrupt_image(IMAGE, kind, 3, "cifar10-c", seed) for seed in ([0, 0], [0, 1], [1, 0])]
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


@pytest.mark.parametrize(
    "kind",
    ["gaussian_noise", "impulse_noise", "defocus_blur", "zoom_blur", "brightness", "contrast", "jpeg_compression"],
)
def test_severity_changes_more(kind: str) -> None:
    for style in STYLES:
        found = [changed(IMAGE, kind, severity, style) for severity in range(1, 6)]
        assert found == sorted(found)
        assert changed(IMAGE, kind, 3, "imagenet-c") > changed(IMAGE, kind, 3, "cifar10-c")


def test_noise_has_the_standard_deviation_of_its_severity() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    # 0.08 · 255 = 20.4; the share of values that are 0 or 255 is 0.03, half of each.
    assert changed(grey, "gaussian_noise", 3) == pytest.approx(20.4, rel=0.01)
    # Poisson with mean 100 · 128/255 = 50.2: its standard deviation is √50.2 / 100 · 255 = 18.07.
    assert changed(grey, "shot_noise", 3) == pytest.approx(18.07, rel=0.01)
    # 0.12 · 128 = 15.4
    assert changed(grey, "speckle_noise", 3) == pytest.approx(15.4, rel=0.01)
    impulses = corrupt_image(grey, "impulse_noise", 3, "cifar10-c", [0, 0])
    assert ((impulses == 0).mean(), (impulses == 255).mean()) == pytest.approx((0.015, 0.015), abs=0.001)


def test_brightness_and_contrast_by_hand() -> None:
    # Value 0.6 of HSV becomes 0.7: each channel by 7/6. 60/153 and 90/153 of 178.5 are 70 and 105.
    assert corrupt_image(np.array([[[60, 90, 153]]], np.uint8), "brightness", 2, "cifar10-c", [0]).tolist() == [
        [[70, 105, 178]]
    ]
    # Half of the distance from the means 60, 100, 150.
    two = np.array([[[40, 100, 200], [80, 100, 100]]], np.uint8)
    assert corrupt_image(two, "contrast", 2, "cifar10-c", [0]).tolist() == [[[50, 100, 175], [70, 100, 125]]]


def test_motion_is_along_its_line_and_keeps_a_plain_image() -> None:
    from evalshift.testbed.corruptions.blur import moved

    point = np.zeros((9, 9, 1))
    point[4, 4] = 1
    along = moved(point, 1, 1.0, 0)[..., 0]
    # Three pixels with the weights of half a Gaussian: 1, e^−½, e^−2 over their sum.
    weights = np.exp([0, -0.5, -2])
    assert along[4, [4, 3, 2]] == pytest.approx(weights / weights.sum())
    assert along.sum() == pytest.approx(1)
    assert moved(np.ones((5, 5, 1)), 8, 3, 30) == pytest.approx(np.ones((5, 5, 1)))


def test_the_elastic_map_without_reach_is_the_image() -> None:
    from evalshift.testbed.corruptions.digital import elastic_transform

    image = IMAGE / 255
    assert elastic_transform(image, (0, 0, 0), np.random.default_rng(0)) == pytest.approx(image)


def test_water_brightens_and_mud_covers() -> None:
    grey = np.full((64, 64, 3), 40, np.uint8)
    water = corrupt_image(grey, "spatter", 3, "imagenet-c", [0]).astype(int)
    # Pale turquoise is added, at most half of it: 40 + 0.5 · 238 = 159.
    assert water.min() == 40
    assert water[..., 1].max() == 159
    assert (water[..., 1] >= water[..., 0]).all()
    assert np.array_equal(water[..., 1], water[..., 2])
    mud = corrupt_image(grey, "spatter", 5, "imagenet-c", [0])
    covered = mud[..., 2] < 40
    assert 0.1 < covered.mean() < 0.9
    # At least 0.8 of a covered pixel is mud, (63, 42, 20): 0.8 · 20 + 0.2 · 40 = 24.
    assert mud[covered].min(axis=0).tolist() == [58, 41, 20]
    assert mud[covered][:, 2].max() <= 24


def test_grey_images_stay_grey() -> None:
    grey = IMAGE[..., :1]
    for kind in KINDS:
        assert corrupt_image(grey, kind, 2, "cifar10-c", [0, 0]).shape == grey.shape
    colour = corrupt_image(grey.repeat(3, axis=2), "contrast", 2, "cifar10-c", [0])
    assert np.array_equal(corrupt_image(grey, "contrast", 2, "cifar10-c", [0])[..., 0], colour[..., 1])


def test_both_styles_have_every_kind_at_five_severities() -> None:
    for style in STYLES:
        assert set(SEVERITIES[style]) == {*KINDS, *VALIDATION}
        assert {len(values) for values in SEVERITIES[style].values()} == {5}
    assert (len(KINDS), len(VALIDATION)) == (15, 4)


def test_names_of_kinds_and_severities(complaint: Callable[..., str]) -> None:
    assert check_kinds(["gaussian-noise", "Fog", "fog"]) == ("gaussian_noise", "fog")
    assert check_kinds(["all", "saturate"]) == (*KINDS, "saturate")
    assert check_severities("5,1-3") == (1, 2, 3, 5)
    assert 'did you mean "gaussian_noise"?' in complaint(UsageError, check_kinds, ["gausian-noise"])
    assert 'did you mean "spatter"?' in complaint(UsageError, check_kinds, ["splatter"])
    assert "no corruption is named" in complaint(UsageError, check_kinds, [])
    for text in ("0", "6", "3-1", "", "1,,2", "high"):
        assert "invalid `severity`" in complaint(UsageError, check_severities, text)
