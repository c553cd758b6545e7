"""A network whose operations were joined predictions as it did, in fewer steps; what cannot be joined is left alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evalshift.evaluate.fusion import JoinedConvolution, fuse
from evalshift.evaluate.repeatability import NotApplied
from evalshift.testbed.architectures import cifar_resnet20
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

CLASSES = ClassSpace("ten", tuple("abcdefghij"))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)


def ready(module: nn.Module) -> nn.Module:
    """In eval mode, with batch norms that do something."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=generator)  # pyright: ignore
            part.running_var.uniform_(0.5, 2, generator=generator)  # pyright: ignore
            nn.init.uniform_(part.weight, 0.5, 2, generator=generator)
            nn.init.normal_(part.bias, generator=generator)
    return module.eval().requires_grad_(False)


class Net(nn.Module):
    """3 × 8 × 8 → a body of the test's → ten logits."""

    def __init__(self, body: Callable[["Net", torch.Tensor], torch.Tensor], first: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = first or nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False)
        self.third = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 10)
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self, x).mean(dim=(2, 3)))


def fused(module: nn.Module, images: np.ndarray) -> Classifier | None:
    preprocess = Preprocess(mean=[0.5] * 3, std=[0.25] * 3)  # pyright: ignore[reportArgumentType]
    try:
        return fuse(Classifier("net", ready(module), preprocess, CLASSES), images)
    except NotApplied:
        return None


def joined(classifier: Classifier | None) -> list[str | None]:
    """What was joined to each convolution, in order."""
    assert classifier is not None
    return [part.activation for part in classifier.module.modules() if isinstance(part, JoinedConvolution)]


def assert_same_predictions(module: nn.Module, classifier: Classifier | None, images: np.ndarray) -> None:
    assert classifier is not None
    pixels = apply_arithmetic(torch.from_numpy(images), classifier.preprocess)
    with torch.inference_mode():
        for layout in (torch.contiguous_format, torch.channels_last):
            expected = module(pixels)
            classifier.module.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
            found = classifier.module(pixels.contiguous(memory_format=layout))
            assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_a_resnet_is_left_with_convolutions_alone(images: np.ndarray) -> None:
    network = cifar_resnet20()
    classifier = fused(network, images)
    assert joined(classifier) == ["relu"] * 19  # each with its batch norm and ReLU, and every second with the sum
    assert classifier is not None
    left = {type(part) for part in classifier.module.modules()}
    assert not left & {nn.Conv2d, nn.BatchNorm2d, nn.ReLU}
    assert_same_predictions(network, classifier, images)


@pytest.mark.parametrize(
    "activation, name",
    [
        (nn.ReLU(), "relu"),
        (nn.ReLU6(), "hardtanh"),
        (nn.SiLU(), "swish"),
        (nn.Hardswish(), "hardswish"),
        (F.relu, "relu"),
        (torch.relu, "relu"),
        (lambda x: F.relu(x, inplace=True), "relu"),
        (F.relu6, "hardtanh"),
        (F.silu, "swish"),
        (F.hardswish, "hardswish"),
    ],
)
def test_activations_are_joined(
    activation: Callable[[torch.Tensor], torch.Tensor], name: str, images: np.ndarray
) -> None:
    network = Net(lambda net, x: net.activation(net.norm(net.second(4 * net.first(x)))))  # pyright: ignore
    network.activation = activation  # pyright: ignore
    classifier = fused(network, images)
    assert joined(classifier) == [name]
    assert_same_predictions(network, classifier, images)


@pytest.mark.parametrize(
    "body, expected",
    [
        (lambda net, x: net.relu(net.second(net.first(x)) + x.sum(1, keepdim=True).expand(-1, 6, -1, -1)), ["relu"]),
        (lambda net, x: net.relu(x.repeat(1, 2, 1, 1) + net.second(net.first(x))), ["relu"]),
        (lambda net, x: net.second(net.first(x)) + 2 * x.repeat(1, 2, 1, 1), [None]),
        (lambda net, x: (lambda a: net.relu(net.second(a) + a))(net.first(x)), ["relu"]),
    ],
    ids=["sum before", "sum after", "no activation", "input read twice"],
)
def test_sums_are_joined_with_their_activation(body: Callable, expected: list[str | None], images: np.ndarray) -> None:
    network = Net(body)
    classifier = fused(network, images)
    assert joined(classifier) == expected
    assert_same_predictions(network, classifier, images)


def _written_over(net: Net, x: torch.Tensor) -> torch.Tensor:
    kept = 2 * x.repeat(1, 2, 1, 1)
    summed = kept
    summed += net.second(net.first(x))  # writes over `kept`, which is read once more below
    return net.relu(summed) + kept


def _result_read_twice(net: Net, x: torch.Tensor) -> torch.Tensor:
    first = net.first(x)
    return net.norm(first) + torch.sigmoid(first) + F.relu(net.second(first) * 2)


def _broadcast(net: Net, x: torch.Tensor) -> torch.Tensor:
    return F.relu(net.second(net.first(x)) + x.mean(dim=(2, 3), keepdim=True).repeat(1, 2, 1, 1))


@pytest.mark.parametrize("body", [_written_over, _result_read_twice, _broadcast])
def test_what_cannot_be_joined_without_changing_the_prediction_is_left(body: Callable, images: np.ndarray) -> None:
    assert fused(Net(body), images) is None


@pytest.mark.parametrize(
    "first", [nn.Conv2d(3, 6, 3, padding="same"), nn.Conv2d(3, 6, 3, 1, 1, padding_mode="circular")]
)
def test_convolutions_that_onednn_pads_otherwise_are_left(first: nn.Module, images: np.ndarray) -> None:
    assert fused(Net(lambda net, x: net.relu(net.first(x)), first), images) is None


def _depends_on_values(net: Net, x: torch.Tensor) -> torch.Tensor:
    return net.relu(net.first(x if x.mean() > 0 else -x))


def _another_path_when_traced(net: Net, x: torch.Tensor) -> torch.Tensor:
    return net.relu(net.first(x if isinstance(x, torch.Tensor) else -x))


def _raises(net: Net, x: torch.Tensor) -> torch.Tensor:
    raise ArithmeticError("lost its way")


@pytest.mark.parametrize("body", [_depends_on_values, _another_path_when_traced, _raises])
def test_a_network_that_tracing_does_not_understand_runs_as_it_is(body: Callable, images: np.ndarray) -> None:
    assert fused(Net(body), images) is None


def test_a_network_with_hooks_runs_as_it_is(images: np.ndarray) -> None:
    network = Net(lambda net, x: net.relu(net.first(x)))
    assert joined(fused(network, images)) == ["relu"]
    network.first.register_forward_hook(lambda *_: None)
    assert fused(network, images) is None


def in_place(classifier: Classifier | None) -> list[bool]:
    assert classifier is not None
    return [part.in_place for part in classifier.module.modules() if isinstance(part, JoinedConvolution)]


def test_sums_are_written_over_what_nobody_reads_any_more(images: np.ndarray) -> None:
    network = cifar_resnet20()
    classifier = fused(network, images)
    # Of nine blocks all but the two that change the size: what they add is padded, no convolution's own.
    assert sum(in_place(classifier)) == 7
    assert_same_predictions(network, classifier, images)
    assert_same_predictions(network, classifier, images)  # and again: nothing that lasts was written over


@pytest.mark.parametrize(
    "body, expected",
    [
        # Added to what a joined convolution made, and read for the last time.
        (lambda net, x: F.relu(net.third(F.relu(net.second(y := F.relu(net.first(x))))) + y), [False, False, True]),
        # The same that is convolved.
        (lambda net, x: F.relu(net.second(y := F.relu(net.first(x))) + y), [False, False]),
        # Read once more afterwards, whole or in part.
        (
            lambda net, x: F.relu(net.third(F.relu(net.second(y := F.relu(net.first(x))))) + y) + y.flip(3),
            [False, False, False],
        ),
        (
            lambda net, x: F.relu(net.third(F.relu(net.second(y := F.relu(net.first(x))))) + y) + y[:, :, :1],
            [False, False, False],
        ),
    ],
)
def test_a_sum_is_written_over_nothing_that_is_read_later(
    body: Callable, expected: list[bool], images: np.ndarray
) -> None:
    network = Net(body)
    classifier = fused(network, images)
    assert in_place(classifier) == expected
    assert_same_predictions(network, classifier, images)


def test_a_view_taken_before_the_sum_and_read_after_it_stays_as_it_was(images: np.ndarray) -> None:
    def body(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(net.first(x))
        corner = y[:, :, :1, :1]
        return F.relu(net.third(F.relu(net.second(y))) + y) * corner

    network = Net(body)
    classifier = fused(network, images)
    assert in_place(classifier) == [False, False, False]
    assert_same_predictions(network, classifier, images)


def test_identities_and_dropout_are_no_obstacle(images: np.ndarray) -> None:
    class Idle(Net):
        def __init__(self) -> None:
            super().__init__(lambda net, x: net.relu(net.drop(net.idle(net.norm(net.first(x))))))  # pyright: ignore
            self.idle, self.drop = nn.Identity(), nn.Dropout(0.5)

    network = Idle()
    classifier = fused(network, images)
    assert joined(classifier) == ["relu"]
    assert_same_predictions(network, classifier, images)


def test_what_a_network_keeps_in_itself_is_no_trace_of_tracing(images: np.ndarray) -> None:
    def body(net: Net, x: torch.Tensor) -> torch.Tensor:
        net.kept = net.first(x)
        return net.relu(net.second(net.kept))

    network = Net(body)
    assert joined(fused(network, images)) == ["relu"]
    assert isinstance(network.kept, torch.Tensor)


def test_tensors_are_shared_but_for_folded_ones_and_the_network_stays_as_it_was(images: np.ndarray) -> None:
    network = cifar_resnet20()
    before = {name: tensor.clone() for name, tensor in ready(network).state_dict().items()}
    classifier = fused(network, images)
    assert classifier is not None
    head = network.get_parameter("linear.weight")
    assert any(parameter is head for parameter in classifier.module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_folded_weights_are_ordinary_tensors(images: np.ndarray) -> None:
    """torch 2.14 refuses tensors made in inference mode in 1 × 1 convolutions that are channels-last on one thread."""
    classifier = fused(cifar_resnet20(), images)
    assert classifier is not None
    assert not any(tensor.is_inference() for tensor in classifier.module.state_dict().values())
