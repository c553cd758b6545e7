"""How many images well-known test sets have, and how large well-known weights are.

For accuracies that come without images, and for the plan of a run before anything is downloaded.
"""

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
    "imagenet-hard": 10_980,  # Taesiri et al. 2023
    "imagenet-x": 46_110,  # Idrissi et al. 2023: 48,868 annotated images, less the 2,758 shown to annotators
    "objectnet": 18_574,  # Barbu et al. 2019: the images of the 113 classes that ImageNet has too
    "cinic10-cifar": 10_000,  # Darlow et al. 2018: the part of the test set that is CIFAR-10's test set
    "cinic10-imagenet": 70_000,
    **dict.fromkeys(("mnist", "fashion-mnist"), 10_000),
    **{"qmnist": 60_000, "qmnist-50k": 50_000},  # Yadav and Bottou 2019
    "svhn": 26_032,  # Netzer et al. 2011
}

# Each corruption at each severity has all images of the test set (Hendrycks and Dietterich 2019).
_EACH = {"cifar10-c": 10_000, "cifar100-c": 10_000, "imagenet-c": 50_000}

# Bytes of released weights, by the name of their file. They are for plans alone: what is downloaded is checked by its
# checksum. chenyaofo/pytorch-cifar-models and akamaster/pytorch_resnet_cifar10.
_WEIGHTS = {
    "cifar10_resnet20-4118986f.pt": 1_139_055,
    "cifar10_resnet32-ef93fc4d.pt": 1_944_567,
    "cifar10_resnet44-2a3cabcb.pt": 2_750_015,
    "cifar10_resnet56-187c023a.pt": 3_555_463,
    "cifar10_vgg11_bn-eaeebf42.pt": 39_068_509,
    "cifar10_vgg13_bn-c01e4a43.pt": 39_814_235,
    "cifar10_vgg16_bn-6ee7ea24.pt": 61_080_472,
    "cifar10_vgg19_bn-57191229.pt": 82_346_709,
    "cifar10_mobilenetv2_x0_5-ca14ced9.pt": 2_986_233,
    "cifar10_mobilenetv2_x0_75-a53c314e.pt": 5_688_121,
    "cifar10_mobilenetv2_x1_0-fe6a5b48.pt": 9_193_273,
    "cifar10_mobilenetv2_x1_4-3bbbd6e2.pt": 17_635_961,
    "cifar10_shufflenetv2_x0_5-1308b4e9.pt": 1_554_833,
    "cifar10_shufflenetv2_x1_0-98807be3.pt": 5_230_673,
    "cifar10_shufflenetv2_x1_5-296694dd.pt": 10_164_241,
    "cifar10_shufflenetv2_x2_0-ec31611c.pt": 21_707_473,
    "cifar10_repvgg_a0-ef08a50e.pt": 31_582_451,
    "cifar10_repvgg_a1-38d2431b.pt": 51_541_043,
    "cifar10_repvgg_a2-09488915.pt": 107_555_782,
    "resnet20-12fca82f.th": 1_099_231,
    "resnet32-d509ac18.th": 1_890_043,
    "resnet44-014dd654.th": 2_680_855,
    "resnet56-4bfd9763.th": 3_471_733,
}


def known_bytes(name: str) -> int | None:
    """How large the weights of this file name are; None where that is not known.

    >>> known_bytes("resnet20-12fca82f.th"), known_bytes("mine.pt")
    (1099231, None)
    """
    return _WEIGHTS.get(name)


def known_images(name: str) -> int | None:
    """How many images the test set called `name` in the registry has; None where that is not known.

    >>> known_images("imagenet-sketch"), known_images("cifar10-c@fog-3"), known_images("cifar10-c")
    (50889, 10000, None)
    """
    base, at, _ = name.partition("@")
    return _SIZES.get(name) or (_EACH.get(base) if at else None)
