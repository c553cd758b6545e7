"""torchvision's classifiers with their published weights, or with weights of one's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError, did_you_mean
from evalshift.testbed.checkpoints import load_weights
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.library_model_entries import TorchvisionModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.state_dicts import read_state
from evalshift.testbed.weights import find_weights


def build(entry: TorchvisionModel, space: ClassSpace, where: str) -> Built:
    """The network with its weights; preprocessing comes with published ones."""
    import torchvision

    versions = {"torchvision": torchvision.__version__}
    builder = _builder(entry, where)
    if entry.pretrained is None:
        weights = find_weights(entry)
        module = builder(weights=None, **entry.arguments)
        left_out = load_weights(module, entry, weights, where)
        return Built(module, None, weights.sha256, versions, left_out=left_out)
    pretrained = _published(entry, where)
    weights = find_weights(entry, known_url=pretrained.url)
    with _read_from(pretrained, read_state(weights.path, None, where)):
        module = builder(weights=pretrained, **entry.arguments)
    weights.refuse_changed(where)
    return Built(module, torchvision_preprocess(pretrained.transforms()), weights.sha256, versions)


def bare(entry: TorchvisionModel, space: ClassSpace, where: str) -> Built:
    """The network for these weights, with random ones, and their preprocessing."""
    builder, arguments = _builder(entry, where), dict(entry.arguments)
    if entry.name in ("googlenet", "inception_v3"):
        arguments.setdefault("init_weights", False)  # it takes a minute
    if entry.pretrained is None:
        return Built(builder(weights=None, **arguments))
    pretrained = _published(entry, where)
    if entry.name.startswith("vit_"):
        arguments.setdefault("image_size", pretrained.meta["min_size"][0])
    return Built(builder(weights=None, **arguments), torchvision_preprocess(pretrained.transforms()))


def fetch(entry: TorchvisionModel, where: str) -> list[Path]:
    """Download the weights that torchvision knows."""
    return [] if entry.has_own_weights else [find_weights(entry, known_url=_published(entry, where).url).path]


def _builder(entry: TorchvisionModel, where: str) -> Callable[..., nn.Module]:
    from torchvision import models

    names = models.list_models(module=models)
    if entry.name not in names:
        raise ModelError(
            f'torchvision has no classifier "{entry.name}"', where=where, fix=did_you_mean(entry.name, names)
        )
    return models.get_model_builder(entry.name)


def _published(entry: TorchvisionModel, where: str) -> Any:
    from torchvision import models

    offered = models.get_model_weights(_builder(entry, where))
    known = {weights.name: weights for weights in offered if weights.meta["categories"]}  # others have no classes
    if entry.pretrained not in known:
        raise ModelError(
            f'{entry.name} has no weights "{entry.pretrained}"', where=where, expected=", ".join(known) or "none"
        )
    return known[entry.pretrained]


@contextmanager
def _read_from(pretrained: Any, state: dict[str, torch.Tensor]) -> Iterator[None]:
    """Let torchvision's builder find this state dict, hashed and read safely, where it would download one.

    Only the builder knows what else its weights need: another image size (ViT), inputs transformed once more
    (Inception, GoogLeNet), old names of tensors changed to new ones (DenseNet).
    """
    kind = type(pretrained)
    kind.get_state_dict = lambda *_, **__: state
    try:
        yield
    finally:
        del kind.get_state_dict  # uncovers the inherited method


def torchvision_preprocess(preset: Any) -> Preprocess:
    """torchvision's ImageClassification preset as data: resize the shorter side, central crop, mean and std."""
    return Preprocess(
        resize=tuple(preset.resize_size),
        crop=tuple(preset.crop_size),
        interpolation=preset.interpolation.value,
        antialias=preset.antialias is not False,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )
