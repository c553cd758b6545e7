"""Image classifiers of Hugging Face's hub, by repository and commit: timm's, and transformers' (extra `huggingface`).

What a repository says of itself is data: config.json names a network that the library has. Code that a repository
brings along is never run.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text
from evalshift.testbed.checkpoints import fill, read_weights
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.library_model_entries import TIMM_FILES, HuggingfaceModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import import_extra
from evalshift.testbed.models.hub import hub_file
from evalshift.testbed.models.timm_weights import timm_preprocess
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.weights import INDEX, find_weights, read_index

# What transformers' loader reports, in our words.
_DIFFERENCES = {
    "missing_keys": "missing",
    "unexpected_keys": "not in the network",
    "mismatched_keys": "of another shape",
    "error_msgs": "not loaded",
}
# Pillow's numbers of its filters, as transformers writes them.
# Settings by which transformers fetches code (kernels for attention) or other weights, wherever they stand, and what
# they may say: by other values it runs what it finds.
_OWN_ATTENTION = (None, "", "eager", "sdpa")
_FETCHES = {
    **dict.fromkeys(("attn_implementation", "_attn_implementation", "_attn_implementation_internal"), _OWN_ATTENTION),
    **dict.fromkeys(("experts_implementation", "_experts_implementation", "_experts_implementation_internal"), ()),
    **dict.fromkeys(("quantization_config", "use_pretrained_backbone", "use_kernels", "kernel_config"), (None, False)),
    **dict.fromkeys(("trust_remote_code", "auto_map"), (None, False)),
}
_DEEPEST = 20
_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def build(entry: HuggingfaceModel, space: ClassSpace, where: str) -> Built:
    """The network with its weights, and its preprocessing."""
    weights_file = _file(entry, entry.weights_file, where)
    if entry.path is not None:  # its files lie side by side
        weights = find_weights(entry)
    else:
        weights = find_weights(entry, hub_file=weights_file, beside=lambda name: _file(entry, name, where))
    built = bare(entry, space, where)
    if "timm" in built.versions:
        fill(
            built.module, read_weights(entry, weights, built.module.state_dict(), where)[0], f"{where}, {weights.path}"
        )
        return Built(built.module, built.preprocess, weights.sha256, built.versions)
    module = _filled(built.module, read_weights(entry, weights, (), where)[0], f"{where}, {weights.path}")
    return Built(module, built.preprocess, weights.sha256, built.versions)


def _filled(network: Any, state: dict[str, torch.Tensor], where: str) -> nn.Module:
    """These weights in a network of transformers: only its own loader knows the names that older ones were saved by."""
    module, said = type(network).from_pretrained(
        None, config=network.config, state_dict=state, output_loading_info=True
    )
    differences = [
        f"{len(said[kind])} {words}: {', '.join(sorted(map(str, said[kind]))[:3])}"
        for kind, words in _DIFFERENCES.items()
        if said.get(kind)
    ]
    if differences:
        raise ModelError(
            "the checkpoint does not fit the network",
            where=where,
            found="; ".join(differences),
            expected=f"the tensors of {type(network).__name__}",
        )
    return module


def bare(entry: HuggingfaceModel, space: ClassSpace, where: str) -> Built:
    """The network with random weights, and its preprocessing; config.json is downloaded where it is not there."""
    config = _read(entry, "config.json", where)
    if "architecture" in config:
        return _of_timm(config, where)
    return _of_transformers(entry, config, where)


def fetch(entry: HuggingfaceModel, where: str) -> list[Path]:
    """Download the weights and what says what they are."""
    if entry.path is not None:
        return []
    names = ["config.json", entry.file]
    if "architecture" not in _read(entry, "config.json", where):
        names.append("preprocessor_config.json")
    files = [_file(entry, name, where) for name in names]
    if entry.file.endswith(INDEX):
        files += [_file(entry, name, where) for name in sorted(set(read_index(files[1]).values()))]
    return files


def _file(entry: HuggingfaceModel, name: str, where: str) -> Path:
    if entry.path is None:
        assert entry.repository is not None  # which an entry without a folder has
        return hub_file(entry.repository, name, entry.revision)
    if not (entry.path / name).is_file():
        raise ModelError("a file of the repository was not found", where=where, found=entry.path / name)
    return entry.path / name


def _read(entry: HuggingfaceModel, name: str, where: str) -> dict[str, Any]:
    path = _file(entry, name, where)
    try:
        content = json_content(read_text(path))
    except (OSError, ValueError) as error:
        content = file_fault(error)
    if not isinstance(content, dict):
        raise ModelError(
            f"{name} cannot be read",
            where=f"{where}, {path}",
            found=content if isinstance(content, str) else type(content).__name__,
            expected="a JSON object, as the library writes it",
            fix="download the repository again",
        )
    return content


def _refuse_fetching(content: object, where: str, depth: int = 0) -> None:
    """Raise ModelError for settings, at any depth, that would run or load what nobody checked."""
    if depth > _DEEPEST:
        raise ModelError("config.json is nested too deep", where=where)
    for name, value in content.items() if isinstance(content, dict) else ():
        if name in _FETCHES and not any(value is one or value == one for one in _FETCHES[name]):
            raise ModelError(
                "config.json asks for code or weights that are not part of the library",
                where=where,
                found=f"{name}: {str(value)[:200]}",
                expected="what shapes a network of the library, in full precision",
            )
        _refuse_fetching(value, where, depth + 1)
    for value in content if isinstance(content, list) else ():
        _refuse_fetching(value, where, depth + 1)


def _of_timm(config: dict[str, Any], where: str) -> Built:
    import timm
    from timm.data.config import resolve_data_config

    others = [name for name in config.get("model_args") or {} if name in TIMM_FILES]
    if others or not isinstance(config["architecture"], str) or not timm.is_model(config["architecture"]):
        raise ModelError(
            "config.json asks timm for something else than a network of its own",
            where=where,
            found=", ".join(others) or str(config["architecture"])[:200],
            expected="the name of a network, and what shapes it",
        )
    known = {**config, **config.get("pretrained_cfg", {})}
    arguments = {name: config[name] for name in ("num_classes", "global_pool") if name in config}
    module = timm.create_model(
        config["architecture"], pretrained=False, **arguments, **(config.get("model_args") or {})
    )
    preprocess = timm_preprocess(resolve_data_config(pretrained_cfg=known), where)
    return Built(module, preprocess, None, {"timm": timm.__version__})


def _of_transformers(entry: HuggingfaceModel, config: dict[str, Any], where: str) -> Built:
    transformers = import_extra("transformers", "huggingface", where)
    kind = config.get("model_type")
    # timm_wrapper has timm build what it names, from any file: networks of timm are read by their `architecture`.
    if "auto_map" in config or not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING or "timm" in kind:
        raise ModelError(
            "transformers does not have this network itself",
            where=where,
            found=f"model_type {config.get('model_type')}, {', '.join(config.get('architectures') or []) or 'no name'}",
            expected="a network of the library: code out of a repository is not run",
        )
    _refuse_fetching(config, where)
    settings = transformers.CONFIG_MAPPING[config["model_type"]].from_dict(config)
    module: nn.Module = transformers.AutoModelForImageClassification.from_config(settings)
    seen = _read(entry, "preprocessor_config.json", where)
    try:
        preprocess = transformers_preprocess(seen)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ModelError(
            "preprocessor_config.json does not say how images are preprocessed",
            where=where,
            found=file_fault(error),
            expected="size, crop_size, resample, image_mean and image_std as transformers writes them",
            fix="say it in the entry, under preprocess:",
        ) from error
    return Built(module, preprocess, None, {"transformers": transformers.__version__})


def transformers_preprocess(config: dict[str, Any]) -> Preprocess:
    """preprocessor_config.json as data: resize, central crop, scale, mean and std, each where it says so.

    ConvNeXt's crop_pct: pictures below 384 are resized to ⌊size / crop_pct⌋ and cut, others squashed.
    """
    said: dict[str, Any] = {"interpolation": _RESAMPLING[config.get("resample", 2)]}
    size = _sides(config.get("size"))
    if config.get("do_resize", True) and size is not None:
        said["resize"] = size
        if config.get("crop_pct") and len(size) == 1:
            said["crop"] = (size[0], size[0])
            said["resize"] = (int(size[0] / config["crop_pct"]),) if size[0] < 384 else (size[0], size[0])
    crop = _sides(config.get("crop_size")) if config.get("do_center_crop") else None
    if crop is not None:
        said["crop"] = (crop[0], crop[-1])
    scale = 255 * config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 255
    if abs(scale - 1) > 1e-9:
        said["scale"] = scale
    if config.get("do_normalize", True) and "image_mean" in config:
        said |= {"mean": tuple(config["image_mean"]), "std": tuple(config["image_std"])}
    return Preprocess(**said)


def _sides(size: Any) -> tuple[int, ...] | None:
    """(shorter side,) or (height, width) of a size in any of the forms in circulation."""
    if isinstance(size, dict):
        return (size["shortest_edge"],) if "shortest_edge" in size else (size["height"], size["width"])
    return (size, size) if isinstance(size, int) else tuple(size) if size else None
