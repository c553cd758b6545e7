"""The builders of others' checkpoints have the tensors and the arithmetic of the code that trained those."""

import timm
import torch
from torch import nn

from evalshift.testbed.models import small_images


def test_a_resnet_is_timms_with_another_stem() -> None:
    """edadaltocg/detectors starts from timm's, evalshift from torchvision's: same names, same answers."""
    torch.manual_seed(0)
    theirs = timm.create_model("resnet18", pretrained=False)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    theirs.fc = nn.Linear(512, 10)
    ours = small_images.resnet("resnet18")
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(pixels), theirs.eval()(pixels), rtol=1e-5, atol=1e-5)


def test_a_resnet_has_the_names_of_mmpretrain_without_their_beginnings() -> None:
    """Its ResNet_CIFAR, as listed by its own state_dict: depth 50, whose blocks have three convolutions."""
    with torch.device("meta"):
        names = list(small_images.resnet("resnet50").state_dict())
    assert names[:2] == ["conv1.weight", "bn1.weight"]
    assert {"layer1.0.conv3.weight", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.weight"} <= set(names)
    assert names[-2:] == ["fc.weight", "fc.bias"]


def test_a_densenet_keeps_the_size_until_its_first_transition() -> None:
    network = small_images.densenet121().eval()
    with torch.inference_mode():
        front = network.features.conv0(torch.rand(1, 3, 32, 32))  # pyright: ignore
        assert front.shape == (1, 24, 32, 32)  # twice the growth rate of 12
        # The convolution is bare: no norm and no ReLU come before the first dense layer's own.
        assert torch.equal(network.features.pool0(network.features.norm0(front)), front)  # pyright: ignore
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_a_vgg_has_one_linear_layer() -> None:
    with torch.device("meta"):
        network = small_images.vgg16_bn()
        assert [tuple(one.weight.shape) for one in network.modules() if isinstance(one, nn.Linear)] == [(10, 512)]
        assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
