"""What others call the datasets that we know."""

from collections.abc import Callable, Mapping

_IMAGENET_V2 = "imagenetv2-matched-frequency"

# As CLIP_benchmark, timm, imagenet-testbed and papers call them, in lower case with "-" for "_" and blanks.
_OTHER_NAMES = {
    **dict.fromkeys(("imagenet1k", "imagenet-1k", "imagenet-val", "in1k", "ilsvrc2012", "ilsvrc2012-val"), "imagenet"),
    **dict.fromkeys(
        ("imagenetv2", "imagenet-v2", "inv2-matched-frequency", "imagenet-v2-matched-frequency"), _IMAGENET_V2
    ),
    "imagenetv2-matched-frequency-format-val": _IMAGENET_V2,
    **dict.fromkeys(("imagenetv2-threshold-0.7", "imagenetv2-threshold-0.7-format-val"), "imagenetv2-threshold0.7"),
    **dict.fromkeys(("imagenetv2-top-images", "imagenetv2-top-images-format-val"), "imagenetv2-topimages"),
    **dict.fromkeys(("sketch", "imagenet-s", "imagenetsketch"), "imagenet-sketch"),
    "imageneta": "imagenet-a",
    "imagenetr": "imagenet-r",
    "imagenet-a-clean": "imagenet@imagenet-a",
    "imagenet-r-clean": "imagenet@imagenet-r",
    "val-on-imagenet-a-classes": "imagenet@imagenet-a",
    "val-on-imagenet-r-classes": "imagenet@imagenet-r",
    "cifar-10": "cifar10",
    "cifar-100": "cifar100",
    **dict.fromkeys(("cifar10.1", "cifar-10.1", "cifar10-1", "cifar-10.1-v6"), "cifar10.1-v6"),
    "cifar-10.1-v4": "cifar10.1-v4",
    "cifar-10.2": "cifar10.2",
    "fashionmnist": "fashion-mnist",
}


def known_dataset(name: str, is_dataset: Callable[[str], bool], own: Mapping[str, str] | None = None) -> str | None:
    """What a dataset that others call `name` is called here; None where it is none that is known.

    is_dataset  whether a dataset of that name is known here
    own         names of the user's, which come first

    >>> known_dataset("wds/imagenet_sketch", {"imagenet-sketch"}.__contains__)
    'imagenet-sketch'
    """
    if own and name in own:
        return own[name]
    if is_dataset(name):
        return name
    short = "-".join(name.lower().replace("_", " ").split()).removeprefix("wds/").removeprefix("vtab/")
    return next((one for one in (short, _OTHER_NAMES.get(short)) if one is not None and is_dataset(one)), None)
