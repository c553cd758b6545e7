"""What tests of models share: entries as a registry has them, and what a network must be when it is ready."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.models import Classifier

MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)
TEN = ClassSpace("ten", tuple(map(str, range(10))))
Load = Callable[..., Classifier]
Refused = Callable[..., str]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same_weights(module: nn.Module, other: nn.Module) -> bool:
    ours, theirs = module.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def ready(classifier: Classifier) -> bool:
    """In eval mode, on the CPU, and without gradients."""
    parameters = list(classifier.module.parameters())
    return (
        not any(module.training for module in classifier.module.modules())
        and not any(parameter.requires_grad for parameter in parameters)
        and {parameter.device.type for parameter in parameters} == {"cpu"}
    )
