"""Networks whose predictions do not repeat are known on the first images, and rounding is not taken for it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import forward
from evalshift.evaluate.repeatability import (
    CHANGES_FROM_CALL_TO_CALL,
    DEPENDS_ON_THE_BATCH,
    NotApplied,
    Reference,
    in_batches,
    take_reference,
)
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess

CLASSES = ClassSpace("ten", tuple("abcdefghij"))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, 8, 8, 3)).astype(np.uint8)


class Net(nn.Module):
    """3 × 8 × 8 → a body of the test's → ten logits."""

    def __init__(self, body: Callable[["Net", torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(3, 16, 3)
        self.norm = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(16, 10)
        self.calls = 0
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self, self.first(x)).mean(dim=(2, 3)))


def warning(module: nn.Module, images: np.ndarray, precision: str = "fp32", size: int | None = None) -> str | None:
    execution = Execution(torch.device("cpu"), precision, len(images), "contiguous")
    classifier = Classifier("net", module.eval(), Preprocess(), CLASSES)

    def run(one: Classifier, part: np.ndarray) -> torch.Tensor:
        return forward(one, part, execution)

    # As a run does: whole batches, of as many images as it looks at.
    looked_at = images if size is None else images[: len(images) // size * size]
    first, second = (in_batches(classifier, looked_at, run, size or len(images)) for _ in range(2))
    return take_reference(classifier, images, run, first, second, precision, size)[1]


def _training(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.drop.train()
    return net.drop(x)


def _drifts(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.calls += 1  # as a network that adapts to what it sees
    return x * (1 + 0.001 * net.calls)


def _train_mode(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.train()
    return net.norm(x)


def _split_norm(net: Net, x: torch.Tensor) -> torch.Tensor:
    return torch.cat([F.batch_norm(part, None, None, training=True) for part in x.split(4)])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "body, expected",
    [
        (_training, CHANGES_FROM_CALL_TO_CALL),
        (lambda net, x: F.dropout(x, 0.1, training=True), CHANGES_FROM_CALL_TO_CALL),
        (lambda net, x: x + 0.3 * torch.randn_like(x), CHANGES_FROM_CALL_TO_CALL),
        (_train_mode, DEPENDS_ON_THE_BATCH),
        (_split_norm, DEPENDS_ON_THE_BATCH),
        (lambda net, x: F.batch_norm(x, None, None, training=True), DEPENDS_ON_THE_BATCH),
        (lambda net, x: x - x.mean(dim=0, keepdim=True), DEPENDS_ON_THE_BATCH),
        (lambda net, x: net.drop(net.norm(x)), None),
        (lambda net, x: F.instance_norm(x).relu() + x, None),
    ],
    ids=[
        *("dropout in train mode", "functional dropout", "noise", "train mode", "a norm over parts of the batch"),
        *("statistics of the batch", "centred over the batch", "eval mode", "statistics of the image"),
    ],
)
def test_which_of_the_two_it_is(body: Callable, expected: str | None, precision: str, images: np.ndarray) -> None:
    assert warning(Net(body), images, precision) == expected


def test_a_network_that_drifts_changes_from_call_to_call(images: np.ndarray) -> None:
    assert warning(Net(_drifts), images) == CHANGES_FROM_CALL_TO_CALL


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("seed", range(6))
def test_deep_random_networks_in_any_precision_repeat(seed: int, precision: str, images: np.ndarray) -> None:
    torch.manual_seed(seed)
    layers = [nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(12)]
    gain = nn.Hardtanh(-1e9, 1e9)
    body = nn.Sequential(nn.Conv2d(3, 16, 3), *layers, gain, nn.Flatten(), nn.Linear(16 * 36, 10))
    assert warning(body, images, precision) is None


class Cancels(nn.Module):
    """Small differences of large numbers, so that rounding is as large as what is left."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.head = nn.Linear(192, 10)
        self.far = nn.Parameter(torch.tensor(3e4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(len(x)):  # adds up to the same for each size of batch, but for rounding
            x = x + self.far / len(x)
        return self.head((x - self.far).flatten(1))


def test_rounding_that_a_network_blows_up_is_no_dependence_on_the_batch(images: np.ndarray) -> None:
    execution = Execution(torch.device("cpu"), "fp32", 8, "contiguous")
    classifier = Classifier("net", Cancels().eval(), Preprocess(), CLASSES)
    logits = forward(classifier, images, execution)
    apart = torch.cat([forward(classifier, part, execution) for part in (images[:3], images[3:])])
    assert float((logits - apart).abs().max()) > 1e-4 * float(logits.abs().max())  # much more than is usual
    assert warning(classifier.module, images) is None


def test_classes_that_are_masked_hide_nothing(images: np.ndarray) -> None:
    class Masked(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).index_fill(1, torch.arange(5), -1e6)

    assert warning(Masked(lambda net, x: F.dropout(x, 0.1, training=True)), images) == CHANGES_FROM_CALL_TO_CALL


class FlatNorm(nn.Module):
    """Statistics of the batch over vectors, for which torch takes no batch of one image."""

    def __init__(self, running: bool) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.norm = nn.BatchNorm1d(192, track_running_stats=running)
        self.head = nn.Linear(192, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(x.flatten(1)))


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, None])
def test_a_dependence_on_the_batch_is_seen_whatever_the_batch_size(
    count: int, size: int | None, images: np.ndarray
) -> None:
    images = images[:count]
    if size is not None and size > count:
        return
    norm = Net(lambda net, x: F.batch_norm(x, None, None, training=True))
    assert warning(norm, images, size=size) == DEPENDS_ON_THE_BATCH
    assert warning(Net(lambda net, x: net.norm(x)), images, size=size) is None
    assert warning(FlatNorm(running=True), images, size=size) is None
    if size != 1 and count > 3:
        assert warning(FlatNorm(running=False), images, size=size) == DEPENDS_ON_THE_BATCH


def test_a_network_for_multiples_of_four_is_run_in_others_of_them(images: np.ndarray) -> None:
    def norm(net: Net, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x.view(-1, 4, *x.shape[1:]).flatten(0, 1), None, None, training=True)

    assert warning(Net(norm), images) == warning(Net(norm), images, size=4) == DEPENDS_ON_THE_BATCH


def test_one_image_and_networks_for_one_size_of_batch_are_no_trouble(images: np.ndarray) -> None:
    assert warning(Net(lambda net, x: net.norm(x)), images[:1]) is None
    assert warning(Net(lambda net, x: x.view(8, 16, 6, 6)), images) is None


def test_logits_are_compared_with_those_of_the_same_images() -> None:
    reference = Reference(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0.01)
    # Rows of images 1, 5 and 0; of image 5 nothing is known.
    reference.check(torch.tensor([[3.0, 4.005], [9.0, 9.0], [1.0, 2.0]]), np.array([1, 5, 0]))
    for wrong in ([[1.0, 2.0], [3.0, 4.1]], [[1.0, 2.0], [3.0, torch.nan]]):
        with pytest.raises(NotApplied, match=r"^its logits differ from the plain network's by up to (0\.1|inf)$"):
            reference.check(torch.tensor(wrong))
