"""ModelEntry → Classifier: images to logits. The one home of torchvision, timm and torch.hub."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import EvalshiftError, ModelError, did_you_mean, first_line
from evalshift.testbed.checkpoints import load_state
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.entries import (
    AnyModel,
    CheckpointModel,
    HubModel,
    PythonModel,
    TimmModel,
    TorchvisionModel,
)
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.weights import find_weights


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network ready to answer, and what it wants to see.

    module      float (n, c, h, w) in, logits (n, classes) out; in eval mode, on the CPU
    checkpoint_sha256  of the weights file; None when only code knows where the weights came from
    versions    of the libraries that built it
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    classes: ClassSpace
    checkpoint_sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def load_classifier(name: str, entry: AnyModel, space: ClassSpace) -> Classifier:
    """Build a model and load its weights, downloading them where they are not there yet.

    Raises ModelError (or DownloadError, HashMismatchError) saying what is wrong with this one model.
    """
    where = f"model {name}"
    build = _BUILDERS[type(entry)]
    try:
        module, own_preprocess, sha256, versions = build(entry, where)
    except EvalshiftError:
        raise
    except (Exception, SystemExit) as error:  # someone else's code: whatever it raises, the other models go on
        raise ModelError(
            "the model could not be built",
            where=where,
            found=f"{type(error).__name__}: {first_line(error)}",
            expected=f"a {entry.source} model",
        ) from error
    if not isinstance(module, nn.Module):
        raise ModelError(
            "the builder did not return a network",
            where=where,
            found=type(module).__name__,
            expected="a torch.nn.Module that gives logits",
        )
    preprocess = (entry.preprocess or Preprocess()).over(own_preprocess)
    return Classifier(name, module.eval().requires_grad_(False), preprocess, space, sha256, versions)


Built = tuple[nn.Module, Preprocess | None, str | None, dict[str, str]]


def _checkpoint(entry: CheckpointModel, where: str) -> Built:
    weights = find_weights(entry)
    module = import_function(entry.builder, where)(**entry.arguments)
    load_state(module, weights.path, entry.key, where)
    return module, None, weights.sha256, {}


def _python(entry: PythonModel, where: str) -> Built:
    return import_function(entry.function, where)(**entry.arguments), None, None, {}


def _torchvision(entry: TorchvisionModel, where: str) -> Built:
    import torchvision

    versions = {"torchvision": torchvision.__version__}
    names = torchvision.models.list_models(module=torchvision.models)
    if entry.name not in names:
        raise ModelError(
            f'torchvision has no classifier "{entry.name}"', where=where, remedy=did_you_mean(entry.name, names)
        )
    builder = torchvision.models.get_model_builder(entry.name)
    if entry.pretrained is None:
        weights = find_weights(entry)
        module = builder(weights=None, **entry.arguments)
        load_state(module, weights.path, None, where)
        return module, None, weights.sha256, versions
    known = {weights.name: weights for weights in torchvision.models.get_model_weights(builder)}
    if entry.pretrained not in known:
        raise ModelError(
            f'{entry.name} has no weights "{entry.pretrained}"', where=where, expected=", ".join(known) or "none"
        )
    pretrained: Any = known[entry.pretrained]
    weights = find_weights(entry, known_url=pretrained.url)
    # The number of classes is the weights' business; a few architectures read it from their metadata.
    module = builder(weights=None, **{"num_classes": len(pretrained.meta["categories"]), **entry.arguments})
    load_state(module, weights.path, None, where)
    return module, _torchvision_preprocess(pretrained.transforms()), weights.sha256, versions


def _torchvision_preprocess(preset: Any) -> Preprocess:
    return Preprocess(
        resize=tuple(preset.resize_size),
        crop=tuple(preset.crop_size),
        interpolation=preset.interpolation.value,
        antialias=preset.antialias is not False,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _timm(entry: TimmModel, where: str) -> Built:
    import timm
    from timm.data.config import resolve_model_data_config

    versions = {"timm": timm.__version__}
    architecture = entry.name.split(".")[0]
    if not entry.name.startswith("hf-hub:") and not timm.is_model(architecture):
        raise ModelError(
            f'timm has no model "{entry.name}"', where=where, remedy=did_you_mean(architecture, timm.list_models())
        )
    weights = find_weights(entry, hub_file=None if entry.weights_files() else _timm_hub_file(entry, where))
    # timm's own loader adapts old checkpoints to the present layout; it only needs to be told which file to read.
    module = timm.create_model(
        entry.name, pretrained=True, pretrained_cfg_overlay={"file": str(weights.path)}, **entry.arguments
    )
    return module, timm_preprocess(resolve_model_data_config(module), where), weights.sha256, versions


def _timm_hub_file(entry: TimmModel, where: str) -> Path:
    import timm
    from huggingface_hub import hf_hub_download

    known = timm.get_pretrained_cfg(entry.name, allow_unregistered=False)
    if known is None or not known.hf_hub_id:
        raise ModelError(
            f'timm names no downloadable weights for "{entry.name}"',
            where=where,
            remedy="name a tag that has them, such as resnet18.a1_in1k, or give weights: a file of your own",
        )
    return Path(hf_hub_download(known.hf_hub_id, known.hf_hub_filename or "model.safetensors"))


def timm_preprocess(config: Mapping[str, Any], where: str) -> Preprocess:
    """timm's evaluation transform as data: resize to ⌊size / crop_pct⌋, central crop, mean and std."""
    _, height, width = config["input_size"]
    resized = (int(height / config["crop_pct"]), int(width / config["crop_pct"]))
    if config["crop_mode"] == "squash":
        resize: tuple[int, ...] = resized
    elif config["crop_mode"] == "center" and height == width:
        resize = resized[:1]
    else:
        raise ModelError(
            "this model wants images cut in a way that evalshift does not know",
            where=where,
            found=f"crop_mode {config['crop_mode']}, input_size {config['input_size']}",
            expected="crop_mode center with a square input, or squash",
            remedy="say what to do in the entry's preprocess: and arguments:",
        )
    return Preprocess(
        resize=resize,
        crop=(height, width),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _torch_hub(entry: HubModel, where: str) -> Built:
    weights = find_weights(entry) if entry.weights_files() else None
    if entry.path is not None:
        module = torch.hub.load(str(entry.path), entry.entry, source="local", **entry.arguments)
    else:
        # torch.hub can only validate the heads of branches; a full commit id is validated by itself.
        module = torch.hub.load(
            f"{entry.repository}:{entry.commit}",
            entry.entry,
            trust_repo=True,  # pyright: ignore[reportArgumentType]
            skip_validation=True,
            verbose=False,
            **entry.arguments,
        )
    if weights is not None and isinstance(module, nn.Module):
        load_state(module, weights.path, entry.key, where)
    return module, None, weights.sha256 if weights else None, {}  # pyright: ignore[reportReturnType]


_BUILDERS: dict[type, Callable[..., Built]] = {
    CheckpointModel: _checkpoint,
    PythonModel: _python,
    TorchvisionModel: _torchvision,
    TimmModel: _timm,
    HubModel: _torch_hub,
}


def import_function(code: str, where: str) -> Callable[..., Any]:
    """The function that "package.module:name" or "path/to/file.py:name" stands for; ModelError where there is none."""
    module_name, _, attribute = code.rpartition(":")
    try:
        module = (
            _import_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
        )
    except (ImportError, FileNotFoundError) as error:
        raise ModelError(
            "the code of the model cannot be imported",
            where=where,
            found=f"{module_name}: {first_line(error)}",
            expected="package.module:function, installed or in this folder, or path/to/file.py:function",
        ) from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelError(
                f'there is no "{attribute}" in {module_name}', where=where, remedy=did_you_mean(part, dir(found))
            )
        found = getattr(found, part)
    return found


def _import_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"evalshift_user_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError("there is no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up by name
    spec.loader.exec_module(module)
    return module
