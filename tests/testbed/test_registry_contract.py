"""Every model of the default registry builds, takes an image as it wants to see it, and gives an output a class.

Networks are built on torch's meta device, where a tensor has a shape and no numbers: the shape of an output is worked
out operation by operation as in a real run, in a fraction of a second and without memory. What only numbers can show is
tried on the least accurate of each family, and the largest networks are built, when somebody asks for it:

    pytest -m thorough tests/testbed/test_registry_contract.py
"""

import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.overrides import TorchFunctionMode

from evalshift.testbed.classes import CIFAR10
from evalshift.testbed.library_model_entries import HubModel
from evalshift.testbed.models import Classifier, bare_classifier
from evalshift.testbed.own_model_entries import CheckpointModel
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic, apply_geometry
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.weights import remote_weights

REGISTRY = load_registry(default_path())
# The embedded ones are run with their weights in test_default_registry.py; torch.hub's code is a download itself.
NAMES = [
    name
    for name, entry in REGISTRY.models.items()
    if not name.startswith(("digits-", "mnist-")) and not isinstance(entry, HubModel)
]
# Of these the code is available only where torch.hub has fetched it, or where a checkout lies among the tests' data.
FROM_HUB = {name: entry for name, entry in REGISTRY.models.items() if isinstance(entry, HubModel)}
# These take a second and more; another of their family stands for each of them.
LARGEST = {"nasnetalarge.tf_in1k-timm", "tf_efficientnet_b7.ns_jft_in1k-timm", "resnet1202-akamaster"} | {
    name for name in NAMES if name.startswith("open_clip/") and name != "open_clip/ViT-B-32/openai"
}


class Uninitialised(TorchFunctionMode):
    """Leaves new parameters as they come: nobody will read them, and drawing a billion random numbers takes minutes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name.endswith("_") and not name.endswith("__"):
            filled = args[0] if args else kwargs.get("tensor")
            if isinstance(filled, torch.nn.Parameter):
                return filled
        return func(*args, **kwargs)


def on_meta(name: str) -> Classifier:
    entry = REGISTRY.models[name]
    space = REGISTRY.class_space(entry.classes)
    try:
        with torch.device("meta"):
            classifier = bare_classifier(name, entry, space)
        classifier.module.to("meta")  # Cadene's ResNeXts were made when their code was imported
        return classifier
    except Exception as error:
        if "meta tensor" not in str(error):
            raise
    # RegNet works out its widths with tensors, which must hold numbers then.
    with Uninitialised():
        classifier = bare_classifier(name, entry, space)
    classifier.module.to("meta")
    return classifier


@pytest.fixture
def data_folder() -> Path:
    return Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[3] / "shared/data"))


@cache
def picture(geometry: tuple, classes: str) -> torch.Tensor:
    """One image as a dataset of these classes has it, cut as the model wants it: uint8 (1, h, w, 3)."""
    rng = np.random.default_rng(0)
    preprocess = Preprocess(resize=geometry[0], interpolation=geometry[1], antialias=geometry[2], crop=geometry[3])
    if classes in ("cifar10", "cifar100"):
        pixels = torch.from_numpy(rng.integers(0, 256, (1, 3, 32, 32)).astype(np.uint8))
        cut = apply_geometry(pixels, preprocess)
        assert isinstance(cut, torch.Tensor)
        return cut.permute(0, 2, 3, 1).contiguous()
    photograph = Image.fromarray(rng.integers(0, 256, (375, 500, 3)).astype(np.uint8))
    return torch.from_numpy(np.array(apply_geometry(photograph, preprocess)))[None]


def values(classifier: Classifier) -> torch.Tensor:
    pixels = picture(classifier.preprocess.geometry, classifier.classes.name)
    return apply_arithmetic(pixels, classifier.preprocess)


def smallest_of_each_family() -> list[str]:
    """By source, family and classes; for torchvision and timm by the published accuracy, which grows with size."""
    smallest: dict[tuple[str, str | None, str], str] = {}
    for name in sorted(NAMES, key=lambda name: list(REGISTRY.models[name].expected.values()) or [1.0]):
        entry = REGISTRY.models[name]
        smallest.setdefault((entry.source, entry.family, entry.classes), name)
    return list(smallest.values())


QUICK = {name for name in smallest_of_each_family() if name not in LARGEST}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.thorough]) for name in NAMES]
)
def test_builds_takes_an_image_and_predictions_for_each_class(name: str) -> None:
    classifier = on_meta(name)
    seen = values(classifier)
    assert seen.shape[:2] == (1, 3)
    with torch.inference_mode():
        infer = classifier.module(seen.to("meta"))
    assert infer.shape == (1, len(classifier.classes))


@pytest.mark.parametrize("name", FROM_HUB)
def test_code_that_is_a_download_itself_builds_too(name: str, data_folder: Path) -> None:
    """Skipped where the repository is not available: `evalshift fetch NAME` gets it."""
    entry = FROM_HUB[name]
    folder = f"{entry.repository.replace('/', '_')}_{entry.commit}"
    places = [Path(torch.hub.get_dir()) / folder, data_folder / folder]
    checkout = next((place for place in places if (place / "hubconf.py").is_file()), None)
    if checkout is None:
        pytest.skip(f"{entry.repository} at {entry.commit[:8]} is neither at {places[0]} nor at {places[1]}")
    at_hand = entry.model_copy(update={"path": checkout})
    classifier = bare_classifier(name, at_hand, REGISTRY.class_space(entry.classes))
    with torch.inference_mode():
        assert classifier.module(values(classifier)).shape == (1, len(classifier.classes))


@pytest.mark.parametrize("name", FROM_HUB)
def test_what_such_an_entry_says_holds_without_its_code(name: str) -> None:
    entry = FROM_HUB[name]
    assert re.fullmatch("[0-9a-f]{8,64}", entry.sha256 or "")
    assert remote_weights(entry) is not None
    assert entry.arguments.get("pretrained", False) is False  # the weights are hashed and loaded here, not by the code
    assert 0 < entry.expected[entry.classes] < 1  # both sets have the name of their label space
    preprocess = entry.preprocess
    seen = apply_arithmetic(picture(preprocess.geometry, entry.classes), preprocess)
    assert seen.shape == (1, 3, 32, 32)
    assert len(REGISTRY.class_space(entry.classes)) == {"cifar10": 10, "cifar100": 100}[entry.classes]


@pytest.mark.thorough
@pytest.mark.parametrize("name", smallest_of_each_family())
def test_real_numbers_come_out(name: str) -> None:
    entry = REGISTRY.models[name]
    torch.manual_seed(0)
    classifier = bare_classifier(name, entry, REGISTRY.class_space(entry.classes))
    with torch.inference_mode():
        infer = classifier.module(values(classifier))
    assert infer.shape == (1, len(classifier.classes))
    assert infer.isfinite().all()


def test_one_of_each_family_is_tried_with_numbers() -> None:
    families = {(entry.source, entry.family) for name, entry in REGISTRY.models.items() if name in NAMES}
    assert {(REGISTRY.models[name].source, REGISTRY.models[name].family) for name in smallest_of_each_family()} == (
        families
    )


def test_what_does_not_fit_is_found(complaint: Callable[..., str]) -> None:
    """The contract can be broken: a head for other classes, an input of the wrong size."""
    entry = REGISTRY.models["resnet20-akamaster"]
    assert isinstance(entry, CheckpointModel)
    wrong = entry.model_copy(update={"arguments": {"classes": 7}})
    with torch.device("meta"):
        classifier = bare_classifier("m", wrong, REGISTRY.class_space("cifar10"))
    with torch.inference_mode():
        assert classifier.module(values(classifier).to("meta")).shape != (1, len(CIFAR10))
    vit = on_meta("vit_b_16-v1-torchvision")
    with pytest.raises(AssertionError, match="Wrong image height"):
        vit.module(torch.zeros(1, 3, 192, 192, device="meta"))
