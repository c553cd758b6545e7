"""open_clip's networks as zero-shot classifiers (extra `clip`): the class whose name suits the image best."""

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional as F

from evalshift.errors import ModelError, did_you_mean
from evalshift.files import sha256_of_text, write_atomic
from evalshift.formatting import counted
from evalshift.testbed import download
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.library_model_entries import OpenClipModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import import_extra
from evalshift.testbed.models.hub import refused_offline
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.weights import Weights, find_weights


def build(entry: OpenClipModel, space: ClassSpace, where: str) -> Built:
    """The network with its weights and with what its text half makes of the classes, which is kept in the cache."""
    open_clip = import_extra("open_clip", "clip", where)
    known = _known(open_clip, entry, where)
    names, templates = _names(open_clip, entry, space, where), _templates(open_clip, entry)
    weights = _weights(open_clip, entry, known)
    network = _network(open_clip, entry, known)
    open_clip.load_checkpoint(network, str(weights.path), strict=True, weights_only=True)
    weights.refuse_changed(where)
    network.eval()
    facts = [entry.name, weights.sha256, names, [str(one("{}")) for one in templates]]
    kept = download.cache_dir() / "trained" / f"open_clip-{sha256_of_text(json.dumps(facts))[:16]}.safetensors"
    if not kept.is_file():
        tokenizer = open_clip.get_tokenizer(entry.name)
        classes = open_clip.build_zero_shot_classifier(network, tokenizer, names, templates)
        write_atomic(kept, save({"classes": classes.contiguous()}))
    module = ZeroShot(network, load_file(kept)["classes"])
    return Built(module, _own_preprocess(network, where), weights.sha256, {"open_clip": open_clip.__version__})


def bare(entry: OpenClipModel, space: ClassSpace, where: str) -> Built:
    """The network without its weights, and classes by chance."""
    open_clip = import_extra("open_clip", "clip", where)
    network = _network(open_clip, entry, _known(open_clip, entry, where))
    width = open_clip.get_model_config(entry.name)["embed_dim"]
    return Built(ZeroShot(network, torch.randn(width, len(space))), _own_preprocess(network, where))


def fetch(entry: OpenClipModel, where: str) -> list[Path]:
    """Download the weights that open_clip knows, and of the text half what others keep on the hub."""
    open_clip = import_extra("open_clip", "clip", where)
    known = _known(open_clip, entry, where)
    open_clip.get_tokenizer(entry.name)
    if "hf_model_name" in open_clip.get_model_config(entry.name)["text_cfg"]:
        with torch.device("meta"):
            _network(open_clip, entry, known)
    return [] if entry.pretrained is None else [_weights(open_clip, entry, known).path]


class ZeroShot(nn.Module):
    """Float (n, c, h, w) in; the likeness of image and class, scaled as CLIP was trained, (n, classes) out."""

    def __init__(self, network: nn.Module, classes: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.classes: torch.Tensor
        self.register_buffer("classes", classes, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        network: Any = self.network
        return network.logit_scale.exp() * (F.normalize(network.encode_image(x), dim=-1) @ self.classes)


def _known(open_clip: Any, entry: OpenClipModel, where: str) -> dict[str, Any]:
    """What open_clip knows of these weights; empty for weights of one's own."""
    models = open_clip.list_models()
    if entry.name not in models:
        near = did_you_mean(entry.name, models)
        raise ModelError(f'open_clip has no network "{entry.name}"', where=where, fix=near)
    if entry.pretrained is None:
        return {}
    tags = open_clip.list_pretrained_tags_by_model(entry.name)
    if entry.pretrained not in tags:
        raise ModelError(
            f'{entry.name} has no weights "{entry.pretrained}"', where=where, expected=", ".join(tags) or "none"
        )
    return open_clip.get_pretrained_cfg(entry.name, entry.pretrained)


def _weights(open_clip: Any, entry: OpenClipModel, known: dict[str, Any]) -> Weights:
    """The weights: one's own; from the hub; or from an address, which then must carry a hash, or the entry have one."""
    if entry.pretrained is None:
        return find_weights(entry)
    if known.get("hf_hub"):
        with refused_offline(f"{entry.pretrained} of {known['hf_hub'].strip('/')}", constants.HF_HUB_CACHE):
            return find_weights(entry, hub_file=Path(open_clip.download_pretrained(known, prefer_hf_hub=True)))
    return find_weights(entry, known_url=known["url"])


def _network(open_clip: Any, entry: OpenClipModel, known: dict[str, Any]) -> Any:
    # Mean, std and activation belong to the weights, not to the network: LAION's ViT-L/14 has others than OpenAI's.
    seen = {name: known[name] for name in ("mean", "std", "interpolation", "resize_mode") if name in known}
    return open_clip.create_model(
        entry.name,
        pretrained=None,
        load_weights=False,
        force_quick_gelu=known.get("quick_gelu", False),
        force_preprocess_cfg=seen,
    )


def _names(open_clip: Any, entry: OpenClipModel, space: ClassSpace, where: str) -> list[str]:
    names = list(entry.names or (open_clip.IMAGENET_CLASSNAMES if space.name == "imagenet-1k" else space.names))
    if len(names) != len(space):
        raise ModelError(
            "`names` must have one name per class",
            where=where,
            found=counted(len(names), "name"),
            expected=f"{len(space):,}, one per class of {space.name}, in its order",
        )
    return names


def _templates(open_clip: Any, entry: OpenClipModel) -> list[Any]:
    if isinstance(entry.templates, str):
        return list(getattr(open_clip, f"{entry.templates.upper().replace('_IMAGENET', '')}_IMAGENET_TEMPLATES"))
    return [template.format for template in entry.templates]


def _own_preprocess(network: Any, where: str) -> Preprocess:
    """open_clip's evaluation transform as data."""
    seen = network.visual.preprocess_cfg
    size = seen["size"]
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    resize = {"shortest": (height,) if height == width else None, "squash": (height, width)}.get(seen["resize_mode"])
    if resize is None:
        raise ModelError(
            "this network needs a crop that evalshift does not support",
            where=where,
            found=f"resize_mode {seen['resize_mode']}, size {size}",
            expected="shortest with a square input, or squash",
        )
    return Preprocess(
        resize=resize,
        crop=(height, width),
        interpolation=seen["interpolation"],
        mean=tuple(seen["mean"]),
        std=tuple(seen["std"]),
    )
