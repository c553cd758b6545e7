"""TorchScript files, which torch still reads."""

import warnings

import torch

from evalshift.errors import ModelError
from evalshift.file_faults import file_fault
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.own_model_entries import TorchscriptModel
from evalshift.testbed.weights import find_weights


def build(entry: TorchscriptModel, space: ClassSpace, where: str) -> Built:
    """The script as a network."""
    weights = find_weights(entry)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have other formats
            module = torch.jit.load(weights.path, map_location="cpu")
    except Exception as error:  # torch raises what it likes for damaged files
        raise ModelError(
            "the TorchScript file cannot be read",
            where=f"{where}, {weights.path}",
            found=file_fault(error),
            expected="a file that torch.jit.save wrote",
        ) from error
    weights.refuse_changed(where)
    return Built(module, None, weights.sha256)


bare = build
