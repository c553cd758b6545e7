"""What timm and torchvision have weights of: the beginnings of entries for a registry."""

from typing import Any


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
