"""What the names of timm's weights say of training data, family and year."""

import pytest

from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.timm_names import TRAINING_DATA, architecture, training_data, training_sets


@pytest.mark.parametrize(
    "name, sets, group",
    [
        ("resnet50.a1_in1k", ("imagenet-1k",), "imagenet-1k"),
        ("convnext_base.fb_in22k_ft_in1k", ("imagenet-21k", "imagenet-1k"), "imagenet-21k"),
        ("mixer_l16_224.goog_in21k_ft_in1k", ("imagenet-21k", "imagenet-1k"), "imagenet-21k"),
        ("vit_base_patch16_clip_224.openai_ft_in12k_in1k", ("wit", "imagenet-12k", "imagenet-1k"), "wit"),
        ("vit_base_patch16_clip_224.laion2b_ft_in1k", ("laion", "imagenet-1k"), "laion"),
        ("convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_320", ("laion", "imagenet-12k", "imagenet-1k"), "laion"),
        ("regnety_160.sw_in12k_ft_in1k", ("imagenet-12k", "imagenet-1k"), "imagenet-12k"),
        ("tf_efficientnet_l2.ns_jft_in1k_475", ("jft-300m", "imagenet-1k"), "jft-300m"),
        ("resnext101_32x8d.fb_wsl_ig1b_ft_in1k", ("instagram", "imagenet-1k"), "instagram"),
        ("resnet18.fb_ssl_yfcc100m_ft_in1k", ("yfcc", "imagenet-1k"), "yfcc"),
        ("eva02_large_patch14_448.mim_m38m_ft_in22k_in1k", ("merged-38m", "imagenet-21k", "imagenet-1k"), "merged-38m"),
        ("beitv2_base_patch16_224.in1k_ft_in22k_in1k", ("imagenet-1k", "imagenet-21k"), "imagenet-21k"),
        ("eva_giant_patch14_336.clip_ft_in1k", ("imagenet-1k",), None),
        ("resnet50", (), None),
        ("my_net.tuned", (), None),
    ],
)
def test_training_data(name, sets, group):
    assert training_sets(name) == sets
    assert training_data(name) == group
    assert group is None or group in TRAINING_DATA


@pytest.mark.parametrize(
    "name, family, year",
    [
        ("resnet50.a1_in1k", "resnet", 2015),
        ("resnet50d.ra2_in1k", "resnet", 2018),
        ("tf_efficientnetv2_s.in21k_ft_in1k", "efficientnetv2", 2021),
        ("resnetv2_50x1_bit.goog_in21k_ft_in1k", "bit", 2019),
        ("vit_large_patch14_clip_224.openai_ft_in1k", "clip", 2021),
        ("vit_base_patch16_224.augreg_in21k", "vit", 2020),
        ("test_vit.r160_in1k", "timm-test", None),
        ("ese_vovnet19b_dw.ra_in1k", "vovnet", 2019),
    ],
)
def test_family_and_year(name, family, year):
    found = architecture(name)
    assert found is not None
    assert (found.family, found.year) == (family, year)


def test_a_network_that_no_rule_knows():
    assert architecture("a_network_of_mine.in1k") is None


def test_the_rules_agree_with_the_entries_of_the_registry():
    entries = [
        entry for entry in load_registry(default_path()).models.values() if getattr(entry, "source", "") == "timm"
    ]
    assert len(entries) >= 90
    for entry in entries:
        found = architecture(entry.name)  # pyright: ignore[reportAttributeAccessIssue]
        assert found is not None
        assert (found.family, found.year) == (entry.family, entry.year)
