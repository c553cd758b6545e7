"""What timm, torchvision and open_clip have weights of: the beginnings of entries for a registry."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evalshift.errors import ModelError

_PACKAGES = {"open_clip": "open_clip_torch"}


def library_version(library: str) -> str:
    """The version of the library that is installed; ModelError for open_clip, an extra, where it is not."""
    try:
        return version(_PACKAGES.get(library, library))
    except PackageNotFoundError as error:
        raise ModelError(
            f"a wildcard for models of {library} needs {library}",
            found="it is not installed",
            fix="pip install 'evalshift[clip]'" if library == "open_clip" else f"pip install {library}",
        ) from error


def timm_classifiers() -> list[dict[str, Any]]:
    """The classifiers of ImageNet's 1,000 classes that timm has weights of, as the beginnings of entries."""
    import timm

    known = {name: timm.get_pretrained_cfg(name) for name in timm.list_pretrained()}
    return [{"name": name} for name, one in known.items() if one is not None and one.num_classes == 1000]


def torchvision_classifiers() -> list[dict[str, Any]]:
    """The classifiers that torchvision has weights of, with their accuracy, as the beginnings of entries."""
    from torchvision import models

    return [
        {
            "name": name,
            "pretrained": one.name,
            "expected": {"imagenet": round(one.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, 5)},
        }
        for name in models.list_models(module=models)
        for one in models.get_model_weights(name)  # pyright: ignore[reportGeneralTypeIssues]
        if one.meta["categories"]
    ]


def open_clip_networks() -> list[dict[str, Any]]:
    """The networks that open_clip has weights of, as the beginnings of entries.

    Weights that stand under a network and its "-quickgelu", whose activation they bring along, are there once.
    """
    import open_clip

    listed: Any = open_clip.list_pretrained()  # pairs of names, unless text is asked for
    return [
        {"name": name, "pretrained": tag}
        for name, tag in listed
        if not _is_double(name, tag, listed, open_clip.get_pretrained_cfg)
    ]


def _is_double(name: str, tag: str, listed: list[tuple[str, str]], configuration: Callable[[str, str], dict]) -> bool:
    plain = (name.removesuffix("-quickgelu"), tag)
    return name != plain[0] and plain in listed and bool(configuration(*plain).get("quick_gelu"))
