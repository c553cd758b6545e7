"""The predictions that the authors of CIFAR-10.1 and ImageNetV2 released, for tests that need real ones."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
CIFAR10, IMAGENET = DATA / "cifar10.1-predictions", DATA / "imagenetv2-predictions"
needs_cifar10 = pytest.mark.skipif(not CIFAR10.is_dir(), reason=f"the released predictions are not in {CIFAR10}")
needs_imagenet = pytest.mark.skipif(not IMAGENET.is_dir(), reason=f"the released predictions are not in {IMAGENET}")


@dataclass(frozen=True)
class Released:
    """Predicted classes (model, image) and labels of both sets; models in alphabetical order."""

    models: tuple[str, ...]
    original: np.ndarray
    original_labels: np.ndarray
    new: np.ndarray
    new_labels: np.ndarray

    @property
    def correct(self) -> tuple[np.ndarray, np.ndarray]:
        return self.original == self.original_labels, self.new == self.new_labels

    @property
    def counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Original correct and total, new correct and total."""
        return tuple(  # type: ignore[return-value]
            counts
            for correct in self.correct
            for counts in (correct.sum(axis=1), np.full(len(correct), correct.shape[1]))
        )

    def without(self, prefix: str) -> "Released":
        keep = [i for i, model in enumerate(self.models) if not model.startswith(prefix)]
        models = tuple(self.models[i] for i in keep)
        return Released(models, self.original[keep], self.original_labels, self.new[keep], self.new_labels)


@cache
def cifar10(version: str = "v4") -> Released:
    """30 models on CIFAR-10 and CIFAR-10.1."""
    suffix = "_predictions.json"
    models = sorted(path.name.removesuffix(suffix) for path in (CIFAR10 / "original_predictions").glob(f"*{suffix}"))
    sides = []
    for folder, labels in (("original", "cifar10_test"), (version, f"cifar10.1_{version}")):
        files = [CIFAR10 / f"{folder}_predictions" / f"{model}{suffix}" for model in models]
        sides.append(np.array([json.loads(file.read_text()) for file in files]))
        sides.append(np.load(CIFAR10 / f"{labels}_labels.npy").astype(np.int64))
    return Released(tuple(models), *sides)


@cache
def imagenet() -> Released:
    """67 models on ImageNet's validation set and ImageNetV2 MatchedFrequency, top-1."""
    models = sorted(path.stem for path in (IMAGENET / "imagenet-val").glob("*.npy"))
    sides = []
    for folder in ("imagenet-val", "matched-frequency"):
        # The five columns of fv_16k on the new set are stored in reverse order.
        columns = [4 if (model, folder) == ("fv_16k", "matched-frequency") else 0 for model in models]
        files = [IMAGENET / folder / f"{model}.npy" for model in models]
        sides.append(np.stack([np.load(file)[:, column] for file, column in zip(files, columns, strict=True)]))
        sides.append(np.load(IMAGENET / f"{folder}_labels.npy").astype(np.int64))
    return Released(tuple(models), *sides)
