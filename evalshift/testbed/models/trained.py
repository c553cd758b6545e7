"""Classifiers that evalshift trains itself: once for the same data and settings, then kept in the cache."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn

from evalshift.errors import ModelError
from evalshift.files import sha256_of, sha256_of_text, write_atomic
from evalshift.shapes import Images, Labels
from evalshift.testbed import download
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.registry_reading import with_built_in_files

Train = Callable[[Images, Labels, torch.device], nn.Module]


def train_once(
    name: str, entry: Any, facts: Mapping[str, Any], space: ClassSpace, train: Train, where: str
) -> tuple[dict[str, torch.Tensor], str]:
    """The weights of a classifier and their checksum; trained on the data of `entry.train` unless they were before.

    name    what the file of weights is called, before a hash of data and settings
    facts   the settings, with the `version` of what follows from them
    Raises ModelError where the data are image files, and for a damaged file in the cache.
    """
    dataset = load_dataset("train", with_built_in_files(entry.train), space)
    if not isinstance(dataset.images, np.ndarray):
        raise ModelError(
            "this classifier is trained on arrays",
            where=where,
            found="image files",
            expected="train: {source: cifar10, split: train}, or npy",
        )
    known = {"data": fingerprint(dataset), **facts, "preprocess": entry.preprocess.model_dump(mode="json")}
    key = sha256_of_text(json.dumps(known, sort_keys=True))
    path = download.cache_dir() / "trained" / f"{name}-{key[:16]}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # another process may be at it
        if not path.is_file():
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            module = train(dataset.images, dataset.labels, device)
            provenance = {**known, "images": len(dataset), "device": device.type, "torch": torch.__version__}
            write_atomic(path, save(module.state_dict(), {"evalshift": json.dumps(provenance, sort_keys=True)}))
    try:
        with safe_open(path, "pt") as stream:
            version = json.loads((stream.metadata() or {})["evalshift"])["version"]
        state = load_file(path)
        assert version == facts["version"]
    except Exception as error:
        raise ModelError(
            "the trained weights in the cache cannot be read",
            where=f"{where}, {path}",
            found=type(error).__name__,
            fix="delete the file, and they are trained again",
        ) from error
    return state, sha256_of(path)
