"""ModelEntry → Classifier: images to logits. The one home of torchvision, timm and torch.hub."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from evalshift.errors import DownloadError, EvalshiftError, ModelError, did_you_mean, first_line
from evalshift.testbed.checkpoints import load_state, read_state, strip_wrappers
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

_USER_MODULE = "evalshift_user_"


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
            found=f"{type(error).__name__}: {_said(error)}",
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


def _said(error: BaseException) -> str:
    """The whole message as one line, cut where it grows long: torch says only in its second line what did not fit."""
    said = " ".join(str(error).split()) or "without a message"
    return said if len(said) <= 300 else f"{said[:300]}…"


# What the builder gave, which may turn out to be no network; its own preprocessing, sha256 and versions.
Built = tuple[Any, Preprocess | None, str | None, dict[str, str]]


def _checkpoint(entry: CheckpointModel, where: str) -> Built:
    weights = find_weights(entry)
    module = call_function(entry.builder, entry.arguments, where)
    if isinstance(module, nn.Module):
        load_state(module, weights.path, entry.key, where)
    return module, None, weights.sha256, {}


def _python(entry: PythonModel, where: str) -> Built:
    return call_function(entry.function, entry.arguments, where), None, None, {}


def _torchvision(entry: TorchvisionModel, where: str) -> Built:
    import torchvision

    versions = {"torchvision": torchvision.__version__}
    builder = _torchvision_builder(entry, where)
    if entry.pretrained is None:
        weights = find_weights(entry)
        module = builder(weights=None, **entry.arguments)
        load_state(module, weights.path, None, where)
        return module, None, weights.sha256, versions
    pretrained = _torchvision_weights(entry, where)
    weights = find_weights(entry, known_url=pretrained.url)
    with _read_from(pretrained, read_state(weights.path, None, where)):
        module = builder(weights=pretrained, **entry.arguments)
    return module, torchvision_preprocess(pretrained.transforms()), weights.sha256, versions


def _torchvision_builder(entry: TorchvisionModel, where: str) -> Callable[..., nn.Module]:
    from torchvision import models

    names = models.list_models(module=models)
    if entry.name not in names:
        raise ModelError(
            f'torchvision has no classifier "{entry.name}"', where=where, remedy=did_you_mean(entry.name, names)
        )
    return models.get_model_builder(entry.name)


def _torchvision_weights(entry: TorchvisionModel, where: str) -> Any:
    from torchvision import models

    offered = models.get_model_weights(_torchvision_builder(entry, where))
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


def _timm(entry: TimmModel, where: str) -> Built:
    import timm
    from timm.data.config import resolve_model_data_config

    versions = {"timm": timm.__version__}
    _check_timm_name(entry.name, where)
    weights = find_weights(entry, hub_file=None if entry.weights_files() else _timm_hub_file(entry, where))
    state = read_state(weights.path, None, where)
    strip_wrappers(state, ())
    # timm's own loader adapts old checkpoints to the present layout. It would also give a head for another number of
    # classes random weights, unless it is told that the checkpoint has as many.
    told: dict[str, Any] = {"state_dict": state}
    if "num_classes" in entry.arguments:
        told["num_classes"] = entry.arguments["num_classes"]
    module = timm.create_model(entry.name, pretrained=True, pretrained_cfg_overlay=told, **entry.arguments)
    config: Any = module.pretrained_cfg
    config.pop("state_dict", None)  # it would keep a second copy of all the tensors
    return module, timm_preprocess(resolve_model_data_config(module), where), weights.sha256, versions


def _check_timm_name(name: str, where: str) -> None:
    import timm

    architecture = name.split(".")[0]
    if not timm.is_model(architecture):
        near = did_you_mean(architecture, timm.list_models())
        raise ModelError(f'timm has no model "{name}"', where=where, remedy=near)


def _timm_hub_file(entry: TimmModel, where: str) -> Path:
    import timm
    from huggingface_hub import hf_hub_download

    _check_timm_name(entry.name, where)
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
        with _imports_of(entry.path):
            module = torch.hub.load(str(entry.path), entry.entry, source="local", **entry.arguments)
    else:
        with _imports_of(Path(torch.hub.get_dir())):
            repository = f"{entry.repository}:{entry.commit}"
            module = torch.hub.load(repository, entry.entry, **_PINNED, verbose=False, **entry.arguments)
    if weights is not None and isinstance(module, nn.Module):
        load_state(module, weights.path, entry.key, where)
    return module, None, weights.sha256 if weights else None, {}  # pyright: ignore[reportReturnType]


# torch.hub can only validate the heads of branches; a full commit id is validated by itself.
_PINNED: dict[str, Any] = {"trust_repo": True, "skip_validation": True}


def fetch_from_library(name: str, entry: HubModel | TimmModel | TorchvisionModel) -> list[Path]:
    """Download what `weights` in the entry does not name: a library's own weights, or the code of a repository.

    Gives what is there afterwards. Raises ModelError for what the library does not know, DownloadError or
    HashMismatchError where it cannot be had.
    """
    where = f"model {name}"
    try:
        if isinstance(entry, HubModel):
            return [] if entry.path else [_fetch_checkout(entry)]
        if entry.weights_files():
            return []
        if isinstance(entry, TimmModel):
            return [find_weights(entry, hub_file=_timm_hub_file(entry, where)).path]
        return [find_weights(entry, known_url=_torchvision_weights(entry, where).url).path]
    except EvalshiftError:
        raise
    except Exception as error:  # the libraries' own downloaders raise what they like
        raise DownloadError(
            "what the model is built from cannot be downloaded",
            where=where,
            found=f"{type(error).__name__}: {_said(error)}",
            expected=f"a {entry.source} model",
        ) from error


def _fetch_checkout(entry: HubModel) -> Path:
    folder = Path(torch.hub.get_dir())
    with _imports_of(folder):
        torch.hub.list(f"{entry.repository}:{entry.commit}", **_PINNED, verbose=False)
    return folder / f"{entry.repository.replace('/', '_')}_{entry.commit}"


_BUILDERS: dict[type, Callable[..., Built]] = {
    CheckpointModel: _checkpoint,
    PythonModel: _python,
    TorchvisionModel: _torchvision,
    TimmModel: _timm,
    HubModel: _torch_hub,
}


def call_function(code: str, arguments: Mapping[str, Any], where: str) -> Any:
    """What the function "package.module:name" or "path/to/file.py:name" returns; ModelError where there is none.

    Code in a file may import what lies beside it, as a script may.
    """
    module_name, _, name = code.rpartition(":")
    if not module_name.endswith(".py"):
        return _attribute(_imported(importlib.import_module, module_name, where), name, module_name, where)(**arguments)
    folder = str(Path(module_name).absolute().parent)
    with _imports_of(Path(folder)):
        sys.path.insert(0, folder)
        try:
            return _attribute(_imported(_import_file, module_name, where), name, module_name, where)(**arguments)
        finally:
            sys.path.remove(folder)


def _imported(load: Callable[[str], Any], module_name: str, where: str) -> Any:
    try:
        return load(module_name)
    except (ImportError, FileNotFoundError) as error:
        raise ModelError(
            "the code of the model cannot be imported",
            where=where,
            found=f"{module_name}: {first_line(error)}",
            expected="package.module:function of an installed package, or path/to/file.py:function",
        ) from error


def _attribute(module: Any, attribute: str, module_name: str, where: str) -> Any:
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ModelError(
                f'there is no "{attribute}" in {module_name}', where=where, remedy=did_you_mean(part, dir(found))
            )
        found = getattr(found, part)
    return found


def _import_file(path: str) -> ModuleType:
    """A file as a module, compiled anew each time: Python's cache takes an edit within the same second for none."""
    if not Path(path).is_file():
        raise FileNotFoundError("there is no such file")
    module = ModuleType(f"{_USER_MODULE}{Path(path).stem}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up by name
    exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
    return module


@contextmanager
def _imports_of(folder: Path) -> Iterator[None]:
    """Forget afterwards what was imported from under `folder`: the next model's `models` is another file.

    Python knows modules by name alone, so that of two repositories with a module `models` the second would silently
    be given the first one's networks.
    """
    before, folder = set(sys.modules), folder.absolute()
    # What Python finds without our help, such as an environment inside the folder, is everybody's and stays.
    lasting = [place for place in map(_absolute, sys.path) if place.is_relative_to(folder)]
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            place = _place_of(sys.modules[name])
            if place is not None and place.is_relative_to(folder) and not any(map(place.is_relative_to, lasting)):
                del sys.modules[name]


def _absolute(place: str) -> Path:
    return Path(place).absolute()


def _place_of(module: ModuleType) -> Path | None:
    """The file of a module, or the folder of a package without one."""
    if module.__name__.startswith(_USER_MODULE):
        return None
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return None if place is None else _absolute(place)
