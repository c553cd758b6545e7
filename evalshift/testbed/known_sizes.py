"""How many images well-known test sets have, for accuracies that come without images."""

# Counted in the released files, or stated by the paper; sizes of published testbeds come with their counts.
_SIZES = {
    # Russakovsky et al. 2015: the validation set, and Downsampled ImageNet (Chrabaszcz et al. 2017) made from it
    **dict.fromkeys(("imagenet", "imagenet16", "imagenet32", "imagenet64"), 50_000),
    # Beyer et al. 2020: of the 50,000 images, 3,163 have no label
    "imagenet-real": 46_837,
    # Recht et al. 2019
    **dict.fromkeys(
        ("imagenetv2-matched-frequency", "imagenetv2-threshold0.7", "imagenetv2-topimages", "cifar10", "cifar100"),
        10_000,
    ),
    "cifar10.1-v4": 2_021,
    "cifar10.1-v6": 2_000,
    "cifar10.2": 2_000,  # Lu et al. 2020: the test part
    "imagenet-a": 7_500,  # Hendrycks et al. 2021, Natural Adversarial Examples
    "imagenet-r": 30_000,  # Hendrycks et al. 2021, The Many Faces of Robustness
    "imagenet-sketch": 50_889,  # Wang et al. 2019
    "objectnet": 18_574,  # Barbu et al. 2019: the images of the 113 classes that ImageNet has too
    "cinic10-cifar": 10_000,  # Darlow et al. 2018: the part of the test set that is CIFAR-10's test set
    "cinic10-imagenet": 70_000,
    **dict.fromkeys(("mnist", "fashion-mnist"), 10_000),
    "qmnist-50k": 50_000,  # Yadav and Bottou 2019
    "svhn": 26_032,  # Netzer et al. 2011
}

# Each corruption at each severity has all images of the test set (Hendrycks and Dietterich 2019).
_EACH = {"cifar10-c": 10_000, "cifar100-c": 10_000}


def known_images(name: str) -> int | None:
    """How many images the test set called `name` in the registry has; None where that is not known.

    >>> known_images("imagenet-sketch"), known_images("cifar10-c@fog-3"), known_images("cifar10-c")
    (50889, 10000, None)
    """
    base, at, _ = name.partition("@")
    return _SIZES.get(name) or (_EACH.get(base) if at else None)
