"""Names of corrupted sets, as registries and tables of others have them."""

import pytest

from evalshift.analysis.outcomes.corruptions import CorruptedSet, corrupted_set


@pytest.mark.parametrize(
    "name, found",
    [
        ("cifar10-c@fog-3", ("cifar10-c", "fog", 3)),
        ("imagenet-c-gaussian_noise-5", ("imagenet-c", "gaussian_noise", 5)),
        ("imagenet-c/blur/defocus_blur/2", ("imagenet-c", "defocus_blur", 2)),
        ("ImageNet-C_JPEG_compression_s4", ("ImageNet-C", "jpeg_compression", 4)),
        ("imagenet-c.motion-blur.severity-1", ("imagenet-c", "motion_blur", 1)),
        ("gaussian_blur_1", ("", "gaussian_blur", 1)),
        ("imagenet-c-elastic-2", ("imagenet-c", "elastic_transform", 2)),
        ("imagenet-c snow", ("imagenet-c", "snow", None)),
        ("foggy-cityscapes", None),
        ("cifar10.1-v6", None),
        ("imagenet-c-fog-6", None),
        ("prefog-3", None),
    ],
)
def test_by_name(name, found):
    assert corrupted_set(name, {}) == (found and CorruptedSet(*found))


def test_by_entry():
    entry = {"source": "cifar-c", "corruption": "zoom_blur", "severity": 4, "classes": "cifar10"}
    assert corrupted_set("mine", entry) == CorruptedSet("cifar10-c", "zoom_blur", 4)
    assert corrupted_set("cifar10-c@zoom_blur-4", entry) == CorruptedSet("cifar10-c", "zoom_blur", 4)
