"""Several batches at once give what one after the other gives."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import predict_batches
from evalshift.evaluate.repeatability import NotApplied
from evalshift.evaluate.streams import count_streams, one_thread, side_by_side
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess

CPU = torch.device("cpu")
CLASSES = ClassSpace("five", tuple("abcde"))


class Keeper(nn.Module):
    """Keeps its input in itself between two lines of forward, as some published networks do."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 5)
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = x.flatten(1)
        time.sleep(self.seconds)
        return self.linear(self.kept)


class Locked(Keeper):
    """Cannot be copied."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.lock = threading.Lock()


def classifier_of(module: nn.Module) -> Classifier:
    return Classifier("network", module.eval(), Preprocess(), CLASSES)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (23, 4, 4, 1)).astype(np.uint8)


def batches_of(images: np.ndarray, size: int = 2) -> list[np.ndarray]:
    return [images[start : start + size] for start in range(0, len(images), size)]


@pytest.mark.parametrize("streams", [2, 3])
def test_predictions_are_those_of_one_stream_though_the_network_keeps_state(streams: int, images: np.ndarray) -> None:
    torch.manual_seed(0)
    classifier = classifier_of(Keeper(0.002))
    alone = predict_batches(classifier, batches_of(images), Execution(CPU, "fp32", 2, "contiguous"))
    together = predict_batches(classifier, batches_of(images), Execution(CPU, "fp32", 2, "contiguous", streams))
    assert together.top.tolist() == alone.top.tolist()
    assert together.prob.tolist() == alone.prob.tolist()


def test_batches_are_at_work_at_the_same_time(images: np.ndarray) -> None:
    # Each of the two waits for the other: one after the other would wait for ever.
    meeting = threading.Barrier(2, timeout=60)

    def meet(classifier: Classifier, batch: np.ndarray) -> torch.Tensor:
        meeting.wait()
        return torch.zeros(len(batch), 5)

    with side_by_side(classifier_of(Keeper()), 2) as run_all:
        assert sum(len(logits) for _, logits in run_all(meet, batches_of(images[:8]))) == 8


def test_copies_share_weights_and_follow_a_change_of_layout() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 5))
    seen = set()
    meeting = threading.Barrier(2, timeout=60)  # so that each of the two has a part

    def look(one: Classifier, batch: np.ndarray) -> torch.Tensor:
        meeting.wait()
        weight = one.module[0].weight  # pyright: ignore[reportIndexIssue]
        seen.add((id(one.module), weight.data_ptr(), weight.is_contiguous(memory_format=torch.channels_last)))
        return torch.zeros(len(batch), 5)

    with side_by_side(classifier_of(network), 2) as run_all:
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        list(run_all(look, [np.zeros((1, 4, 4, 2), np.uint8)] * 6))
    modules, weights, layouts = (set(part) for part in zip(*seen, strict=True))
    assert (len(modules), len(weights), layouts) == (2, 1, {True})


def test_torch_has_its_threads_back_afterwards_even_when_the_network_raises(two_threads, images: np.ndarray) -> None:
    def fail(classifier: Classifier, batch: np.ndarray) -> torch.Tensor:
        assert torch.get_num_threads() == 1
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), side_by_side(classifier_of(Keeper()), 2) as run_all:
        list(run_all(fail, batches_of(images)))
    assert torch.get_num_threads() == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evalshift-stream")]


def test_as_many_streams_as_cores_for_a_network_that_takes_its_time(two_threads) -> None:
    assert count_streams(classifier_of(Keeper()), batch_seconds=0.02) == 2


def test_one_stream_for_a_network_that_is_done_in_no_time(two_threads) -> None:
    assert count_streams(classifier_of(Keeper()), batch_seconds=0.001) == 1


def test_torch_has_the_threads_that_a_short_network_is_run_with(two_threads, images: np.ndarray) -> None:
    seen = set()

    def look(classifier: Classifier, batch: np.ndarray) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return torch.zeros(len(batch), 5)

    for threads in (None, 1):
        with side_by_side(classifier_of(Keeper()), 1, threads) as run_all:
            list(run_all(look, batches_of(images)))
        assert seen == {threads or 2}
        assert torch.get_num_threads() == 2
        seen.clear()


def test_a_network_that_cannot_be_copied_is_refused_with_the_reason(two_threads) -> None:
    with pytest.raises(
        NotApplied, match=r"^the network cannot be copied: TypeError: cannot pickle '_thread\.lock' object$"
    ):
        count_streams(classifier_of(Locked()), batch_seconds=0.02)


def test_one_stream_where_torch_has_one_thread(two_threads) -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        assert count_streams(classifier_of(Keeper()), batch_seconds=0.02) == 1
    assert torch.get_num_threads() == 2
