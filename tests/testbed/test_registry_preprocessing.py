"""Each way of seeing images in the default registry equals that of its source, to the bit, on real photographs.

Every distinct preset of torchvision's weights and every distinct data configuration of timm in the registry sees
photographs of all sizes, and each of the 250 photographs is seen by some of them. All by all, twenty times as much:

    pytest -m thorough tests/testbed/test_registry_preprocessing.py
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalshift.testbed.library_model_entries import TimmModel, TorchvisionModel
from evalshift.testbed.models.timm_weights import timm_preprocess
from evalshift.testbed.models.torchvision_weights import torchvision_preprocess
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic, apply_geometry
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry

REGISTRY = load_registry(default_path())
Ways = dict[str, tuple[Preprocess, Callable[[Any], Any]]]


@cache
def ways() -> Ways:
    """One model of each distinct way, with ours and its source's own transform."""
    distinct: dict[Any, tuple[str, Preprocess, Callable[[Any], Any]]] = {}
    for name, entry in REGISTRY.models.items():
        if isinstance(entry, TorchvisionModel):
            key, ours, theirs = of_torchvision(entry)
        elif isinstance(entry, TimmModel):
            key, ours, theirs = of_timm(entry)
        else:
            continue
        distinct.setdefault(key, (name, ours, theirs))
    return {name: (ours, theirs) for name, ours, theirs in distinct.values()}


def of_torchvision(entry: TorchvisionModel) -> tuple[str, Preprocess, Callable[[Any], Any]]:
    from torchvision.models import get_model_weights

    preset = get_model_weights(entry.name)[str(entry.pretrained)].transforms()
    return f"torchvision {preset}", torchvision_preprocess(preset), preset


def of_timm(entry: TimmModel) -> tuple[str, Preprocess, Callable[[Any], Any]]:
    import timm
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    known = timm.get_pretrained_cfg(entry.name)
    assert known is not None
    config = resolve_data_config(pretrained_cfg=known.to_dict())
    theirs = create_transform(**config, is_training=False)
    assert callable(theirs)
    return f"timm {sorted(config.items())}", timm_preprocess(config, "model m"), theirs


@pytest.fixture(scope="module")
def photographs(real_data: Callable[[str], Path]) -> list[Path]:
    """All 250, smallest first."""
    paths = sorted(real_data("imagenet-samples").glob("*/*.JPEG"))
    assert len(paths) == 250
    return sorted(paths, key=lambda path: (path.stat().st_size, path))


@cache
def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def same(path: Path, ours: Preprocess, theirs: Callable[[Any], Any]) -> bool:
    picture = opened(path)
    pixels = torch.from_numpy(np.array(apply_geometry(picture, ours)))[None]
    return torch.equal(apply_arithmetic(pixels, ours)[0], theirs(picture))


def test_there_are_as_many_ways_as_that() -> None:
    """A registry that lost most of them would still pass below."""
    sources = [REGISTRY.models[name].source for name in ways()]
    assert sources.count("torchvision") >= 27
    assert sources.count("timm") >= 30


@pytest.mark.late
def test_traps_6_to_8_and_10_each_way_equals_its_sources_own(photographs: list[Path]) -> None:
    """The smallest and the largest photograph for all, and the others dealt out among them like cards."""
    known = ways()
    wrong = [
        (name, path.name)
        for turn, (name, (ours, theirs)) in enumerate(known.items())
        for path in [photographs[0], photographs[-1], *photographs[turn :: len(known)]]
        if not same(path, ours, theirs)
    ]
    assert wrong == []


def test_another_way_is_found(photographs: list[Path]) -> None:
    """One pixel in the resize, another interpolation, a squashed picture: each is seen in the floats."""
    ours, theirs = ways()["resnet50-v1-torchvision" if "resnet50-v1-torchvision" in ways() else next(iter(ways()))]
    for change in ({"resize": (257,)}, {"interpolation": "bicubic"}, {"resize": (256, 256)}, {"std": (0.5, 0.5, 0.5)}):
        assert not same(photographs[100], ours.model_copy(update=change), theirs)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ways())
def test_each_way_equals_its_sources_own_on_every_photograph(name: str, photographs: list[Path]) -> None:
    ours, theirs = ways()[name]
    assert [path.name for path in photographs if not same(path, ours, theirs)] == []
