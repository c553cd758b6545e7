"""Libraries' networks as others have changed them for images of 32 × 32: a first layer that keeps the size.

The builders of checkpoints that were published so; what they build carries the names of the library's own network.
"""

from torch import nn


def resnet(name: str, classes: int = 10) -> nn.Module:
    """torchvision's ResNet `name` with a first convolution of 3 × 3 and stride 1, and no pooling after it.

    The tensors of edadaltocg/detectors (which starts from timm's ResNets) and of mmpretrain's ResNet_CIFAR fit it.
    """
    from torchvision import models

    network = models.get_model(name, weights=None, num_classes=classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def densenet121(classes: int = 10) -> nn.Module:
    """timm's DenseNet-121 with growth rate 12, and a bare convolution of 3 × 3 in front: edadaltocg/detectors."""
    from timm.models.densenet import DenseNet

    network = DenseNet(growth_rate=12, block_config=(6, 12, 24, 16), num_classes=classes)
    network.features.conv0 = nn.Conv2d(3, 24, 3, padding=1, bias=False)
    # No batch norm, and no ReLU, which timm keeps in the norm.
    network.features.norm0 = nn.Identity()
    network.features.pool0 = nn.Identity()
    return network


def vgg16_bn(classes: int = 10) -> nn.Module:
    """timm's VGG-16 with batch norm and one linear layer after its convolutions: edadaltocg/detectors."""
    import timm

    network = timm.create_model("vgg16_bn", pretrained=False)
    network.pre_logits = nn.Identity()
    network.head.fc = nn.Linear(512, classes)  # pyright: ignore[reportAttributeAccessIssue]
    return network


def vit_base_patch16_224(classes: int = 10) -> nn.Module:
    """timm's ViT-B/16 with a head for other classes; it takes 224 × 224 pixels: edadaltocg/detectors."""
    import timm

    return timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=classes)
