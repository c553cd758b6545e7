"""Each architecture family of the default registry runs as the command runs it, and gives what the plain network does.

`python -m pytest -m thorough tests/evaluate/test_every_architecture.py` takes the smallest network of each of the 68
families, half an hour on two cores; a quick set is always run. Weights are random, images have the real size.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from torch import nn

from evalshift.evaluate.evaluation import Origin, evaluate_classifier
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.options import Options
from evalshift.evaluate.preparation import prepare
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import bare_classifier
from evalshift.testbed.preprocessing import apply_arithmetic
from evalshift.testbed.registry_reading import load_registry

CPU = torch.device("cpu")
REGISTRY = load_registry(Path(__file__).parents[2] / "registry.yaml")
IMAGES = 16
# So many that joining operations and searching for a batch size and a layout are worth their while.
OF_A_REAL_RUN = 500
# Bottlenecks, and cheap blocks with concatenations and squeeze-and-excitation.
QUICK = ("resnet50", "ghostnet_100.in1k", "lcnet_050.ra2_in1k")
QUICK_IMAGES = 8


def smallest_of_each_family() -> dict[str, AnyModel]:
    """Source and family → its member of the lowest published accuracy, which is about the smallest."""
    members: dict[str, list[AnyModel]] = {}
    for entry in REGISTRY.models.values():
        if entry.source in ("timm", "torchvision"):
            members.setdefault(f"{entry.source} {entry.family}", []).append(entry)
    return {
        family: min(entries, key=lambda entry: entry.expected.get("imagenet", 1.0))
        for family, entries in sorted(members.items())
    }


FAMILIES = smallest_of_each_family()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of smooth shapes and noise, larger than any network wants them."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(11)
    paths = []
    for number in range(IMAGES):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 7, 3)).astype(np.uint8)).resize(
            (560, 512), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(coarse).astype(int) + rng.integers(-20, 21, (512, 560, 3))
        paths.append(folder / f"{number:02}.png")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], compress_level=0)
    return paths


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """As on the smallest machine with batches side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def enliven(module: nn.Module, images: torch.Tensor) -> None:
    """Give a network that was just made weights that matter: many begin with blocks and heads that are switched off."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
            noise = torch.empty_like(parameter)
            parameter.data += (
                noise.normal_(0, 0.02, generator=generator)
                if parameter.ndim > 1
                else noise.uniform_(-0.3, 0.3, generator=generator)
            )
        elif parameter.ndim > 1 and float(parameter.std()) < 1e-3:
            parameter.data *= 0.02 / parameter.std()  # heads that begin a thousand times smaller than their bias
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:  # statistics of these very images, as training leaves them
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            module(images)
    module.eval()


def run_both(entry: AnyModel, files: list[Path]) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Logits of the command's way and of a plain eager forward, and the optimisations that were skipped."""
    torch.manual_seed(0)
    space = REGISTRY.class_space(entry.classes)
    classifier = bare_classifier("network", entry, space)
    ids = tuple(path.name for path in files)
    dataset = Dataset("pictures", space, ids, np.zeros(len(files), np.int64), tuple(files))
    reader = ImageReader(dataset, workers=2)
    pixels = apply_arithmetic(torch.from_numpy(reader.first(len(files), classifier.preprocess)), classifier.preprocess)
    enliven(classifier.module, pixels)
    plain = copy.deepcopy(classifier.module)
    prepared = prepare(classifier, reader, CPU, Options(), OF_A_REAL_RUN)
    predictions, stored_predictions = evaluate_classifier(prepared, reader, Origin({}, {}, None), "", keep_logits=True)
    assert predictions.provenance.warnings == []
    with torch.no_grad():
        expected = torch.cat([logits_of(plain, part) for part in pixels.split(4)]).numpy()
    assert stored_predictions.logits is not None
    return stored_predictions.logits, expected, predictions.provenance.skipped_optimizations


def logits_of(module: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    given = module(pixels)
    return getattr(given, "logits", given)


def assert_same(entry: AnyModel, files: list[Path]) -> dict[str, str]:
    logits, expected, skipped = run_both(entry, files)
    spread = float(expected.std(axis=0).max())
    assert spread > 1e-3 * np.abs(expected).max(), "the network hardly looks at the images: nothing is tested"
    np.testing.assert_array_equal(logits.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    return skipped


QUICK_ENTRIES = {
    name: next(entry for entry in REGISTRY.models.values() if getattr(entry, "name", None) == name) for name in QUICK
}
# Not in the registry: bottlenecks behind a stem of three convolutions.
RESNET26T = {"source": "timm", "name": "resnet26t.ra2_in1k", "classes": "imagenet-1k"}
THOROUGH = FAMILIES | {"timm resnet26t": TypeAdapter(AnyModel).validate_python(RESNET26T)}


@pytest.mark.parametrize("name", [pytest.param(QUICK[0], marks=pytest.mark.late), *QUICK[1:]])
def test_networks_of_the_quick_set_run_fused_as_they_run_plainly(name: str, files: list[Path]) -> None:
    skipped = assert_same(QUICK_ENTRIES[name], files[:QUICK_IMAGES])
    assert not {"all", "fusion", "streams", "search", "all, in the run"} & skipped.keys()


@pytest.mark.thorough
@pytest.mark.parametrize("family", THOROUGH)
def test_every_family_runs_as_it_runs_plainly(family: str, files: list[Path]) -> None:
    print(family, assert_same(THOROUGH[family], files))  # shown by -rA


def test_families_are_those_of_both_libraries() -> None:
    assert {"torchvision resnet", "timm res2net", "timm ghostnet", "torchvision vit"} <= FAMILIES.keys()
    assert len(FAMILIES) > 60
