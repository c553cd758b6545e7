"""timm's classifiers with their published weights, or with weights of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from evalshift.errors import ModelError, did_you_mean
from evalshift.testbed.checkpoint_fit import does_not_fit, misfit
from evalshift.testbed.checkpoints import read_weights
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.library_model_entries import TimmModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.hub import hub_file
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.weights import Weights, find_weights


def build(entry: TimmModel, space: ClassSpace, where: str) -> Built:
    """The network with its weights, and its preprocessing."""
    import timm
    from timm.data.config import resolve_model_data_config

    versions = {"timm": timm.__version__}
    _check_name(entry.name, where)
    weights = _weights(entry, where)
    # timm's own files keep averaged weights where they have both; of others the entry says which.
    state, left_out = read_weights(entry, weights, (), where, averaged_first=not entry.has_own_weights)
    # timm's own loader adapts old checkpoints to the present layout. It would also give a head for another number of
    # classes random weights, unless it is told that the checkpoint has as many.
    told: dict[str, Any] = {"state_dict": state}
    if "num_classes" in entry.arguments:
        told["num_classes"] = entry.arguments["num_classes"]
    try:
        module = timm.create_model(entry.name, pretrained=True, pretrained_cfg_overlay=told, **entry.arguments)
    except RuntimeError as error:
        _explain(entry, state, error, f"{where}, {weights.path}")
        raise
    config: Any = module.pretrained_cfg
    config.pop("state_dict", None)  # it would keep a second copy of all the tensors
    return Built(
        module, timm_preprocess(resolve_model_data_config(module), where), weights.sha256, versions, left_out=left_out
    )


def _explain(entry: TimmModel, state: dict[str, torch.Tensor], error: RuntimeError, where: str) -> None:
    """Say of a checkpoint that timm cannot fit into the network what would make it fit, where torch cuts its list."""
    import timm

    if "state_dict" not in str(error):
        return
    bare = timm.create_model(entry.name, pretrained=False, **entry.arguments)
    own = bare.state_dict()
    if misfit(state, own):
        raise does_not_fit(
            state, own, type(bare).__name__, where, "check name: and arguments: (number of classes, channels), or key:"
        ) from error


def bare(entry: TimmModel, space: ClassSpace, where: str) -> Built:
    """The network with random weights, and its preprocessing."""
    import timm
    from timm.data.config import resolve_model_data_config

    _check_name(entry.name, where)
    module = timm.create_model(entry.name, pretrained=False, **entry.arguments)
    return Built(module, timm_preprocess(resolve_model_data_config(module), where))


def fetch(entry: TimmModel, where: str) -> list[Path]:
    """Download the weights that timm knows."""
    return [] if entry.has_own_weights else [_weights(entry, where).path]


def _check_name(name: str, where: str) -> None:
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = did_you_mean(architecture, timm.list_models())
        raise ModelError(f'timm has no model "{name}"', where=where, fix=near)
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise ModelError(
            f'{architecture} has no weights "{tag}"',
            where=where,
            expected=", ".join(tags) or "none",
            fix=did_you_mean(tag, tags),
        ) from error


def _weights(entry: TimmModel, where: str) -> Weights:
    """The entry's own, or those that timm names: a file of the hub, or an address with a hash in its name."""
    import timm

    if entry.has_own_weights:
        return find_weights(entry)
    known = timm.get_pretrained_cfg(entry.name, allow_unregistered=False)
    if known is not None and known.hf_hub_id:
        return find_weights(entry, hub_file=hub_file(known.hf_hub_id, known.hf_hub_filename or "model.safetensors"))
    if known is not None and isinstance(known.url, str) and known.url:
        return find_weights(entry, known_url=known.url)
    raise ModelError(
        f'timm names no downloadable weights for "{entry.name}"',
        where=where,
        fix="name a tag that has them, such as resnet18.a1_in1k, or give weights: a file of your own",
    )


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
            "this model needs a crop that evalshift does not support",
            where=where,
            found=f"crop_mode {config['crop_mode']}, input_size {config['input_size']}",
            expected="crop_mode center with a square input, or squash",
            fix="say what to do in the entry's preprocess: and arguments:",
        )
    return Preprocess(
        resize=resize,
        crop=(height, width),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
