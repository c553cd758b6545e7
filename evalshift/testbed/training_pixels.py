"""Mean and standard deviation of well-known training sets: what models of them take as `preprocess`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPixels:
    """Mean and standard deviation of each channel over all pixels of a training set, on a scale from 0 to 1.

    source  who computed them; None where they were computed from the official files with `dataset stats`
    """

    title: str
    images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str | None = None


_CIFAR10 = TrainingPixels("CIFAR-10 training set", 50_000, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_CINIC10 = TrainingPixels(
    "CINIC-10 training set",
    90_000,
    (0.47889522, 0.47227842, 0.43047404),
    (0.24205776, 0.23828046, 0.25874835),
    "its README",
)
_IMAGENET = TrainingPixels(
    "ImageNet training set", 1_281_167, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "torchvision, of a sample"
)
_MNIST = TrainingPixels("MNIST training set", 60_000, (0.1307,), (0.3081,), "pytorch/examples")

# By the first part of the dataset's name, up to @.
_OF = {
    **dict.fromkeys(("cifar10", "cifar10-train", "cifar10.1-v4", "cifar10.1-v6", "cifar10.2", "cifar10-c"), _CIFAR10),
    **dict.fromkeys(("cinic10-cifar", "cinic10-imagenet", "cinic10"), _CINIC10),
    **dict.fromkeys(
        ("imagenet", "imagenetv2-matched-frequency", "imagenetv2-threshold0.7", "imagenetv2-topimages"), _IMAGENET
    ),
    **dict.fromkeys(("mnist", "qmnist-50k"), _MNIST),
}


def training_pixels(dataset: str) -> TrainingPixels | None:
    """What is known of the training set of the models that are evaluated on a dataset, by its name in the registry.

    >>> training_pixels("cifar10-c@fog-3").mean
    (0.4914, 0.4822, 0.4465)
    """
    return _OF.get(dataset.partition("@")[0])
