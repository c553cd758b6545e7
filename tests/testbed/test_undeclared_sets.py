"""Test sets that docs/coverage.md says how to declare, on small files of their form."""

from pathlib import Path

import numpy as np
from PIL import Image

from evalshift.analysis.outcomes.corruptions import corrupted_set
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry_reading import load_registry


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((224, 224, 3), 90, np.uint8)).save(path)


def test_imagenet_c_by_its_folders(tmp_path: Path) -> None:
    for wnid in ("n01443537", "n01440764"):
        put(tmp_path / "imagenet-c" / "weather" / "fog" / "3" / wnid / "ILSVRC2012_val_00000236.JPEG")
    (tmp_path / "registry.yaml").write_text(
        "datasets:\n"
        "  imagenet-c-fog-3: {source: folder, path: imagenet-c/weather/fog/3, classes: imagenet-1k}\n"
        "pairs: [imagenet:imagenet-c-fog-3]\n"
    )
    registry = load_registry(tmp_path / "registry.yaml")
    entry = registry.dataset("imagenet-c-fog-3")
    dataset = load_dataset("imagenet-c-fog-3", entry, registry.class_space("imagenet-1k"))
    assert dataset.labels.tolist() == [0, 1]  # n01440764 is the first of the sorted wnids
    found = corrupted_set("imagenet-c-fog-3", entry.model_dump(mode="json"))
    assert found is not None
    assert (found.corruption, found.severity) == ("fog", 3)
