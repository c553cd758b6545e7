import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.evaluate import preparation, streams
from evalshift.evaluate.devices import LAYOUTS, Execution, describe
from evalshift.evaluate.evaluation import Origin, evaluate_classifier
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.options import Options
from evalshift.evaluate.own_network import predict
from evalshift.evaluate.preparation import Prepared, prepare
from evalshift.evaluate.store import SCHEMA_VERSION
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess

CPU = torch.device("cpu")
DIGITS = {"mean": [0.3092], "std": [0.378]}


def plainly(classifier: Classifier, execution: Execution) -> Prepared:
    return Prepared(classifier, execution, (classifier, execution))


def test_provenance_says_how_the_predictions_came_about(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset]
) -> None:
    classifier = make_classifier(np.eye(6, 4).tolist())
    classifier = replace(classifier, checkpoint_sha256="ab" * 32, versions={"timm": "1.0.9"})
    reader = ImageReader(make_dataset(6))
    origin = Origin({"source": "timm", "family": "resnet"}, {"source": "timm"}, "0123abc")
    told: list[int] = []
    predictions, stored_predictions = evaluate_classifier(
        plainly(classifier, Execution(CPU, "fp32", 4, "channels_last", streams=2)),
        reader,
        origin,
        "cd" * 32,
        keep_logits=True,
        advance=told.append,
    )
    provenance = predictions.provenance
    versions = provenance.versions
    assert provenance.model_dump() == {
        "schema_version": SCHEMA_VERSION,
        "model": "table",
        "dataset": "numbered",
        "classes": "letters",
        "entry": {"source": "timm", "family": "resnet"},
        "identity": {"source": "timm"},
        "checkpoint_sha256": "ab" * 32,
        "dataset_fingerprint": "cd" * 32,
        "preprocess": Preprocess(scale=255).model_dump(mode="json"),
        "device": describe(CPU),
        "precision": "fp32",
        "batch_size": 4,
        "memory_format": "channels_last",
        "streams": 2,
        "threads": max(1, torch.get_num_threads() // 2),
        "shards": 1,
        "fused": False,
        "half_weights": False,
        "compiled": None,
        "fast_decode": None,
        "own": False,
        "comparison_with_fp32": None,
        "skipped_optimizations": {},
        "output": None,
        "output_kind": "logits",
        "versions": versions,
        "git_revision": "0123abc",
        "config": {},
        "start": provenance.start,
        "seconds": stored_predictions.seconds,
        "images_per_second": stored_predictions.images_per_second,
        "warnings": [],
        "left_out": [],
        "imported": None,
    }
    assert {"evalshift", "python", "platform", "torch", "torchvision", "numpy", "pillow", "timm"} == set(versions)
    assert told == [4, 2]
    assert stored_predictions.logits is not None


def test_images_that_a_network_stumbles_on_are_named_by_their_id(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset]
) -> None:
    table = np.zeros((6, 4))
    table[4, 0] = np.nan
    reader = ImageReader(make_dataset(6, ids=[f"cat/{number}.png" for number in range(6)]))
    with pytest.raises(ModelError, match=r"where:    model table, image cat/4\.png\n"):
        evaluate_classifier(
            plainly(make_classifier(table.tolist()), Execution(CPU, "fp32", 2, "contiguous")),
            reader,
            Origin({}, {}, None),
            "",
        )


def test_a_batch_size_that_is_given_is_taken_without_a_search(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset]
) -> None:
    sizes: set[int] = set()

    class Looks(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.add(len(images))
            return torch.zeros(len(images), 4)

    classifier, reader = make_classifier(Looks()), ImageReader(make_dataset(6))
    chosen = prepare(classifier, reader, CPU, Options(batch_size=5, precision="bf16"), 6).execution
    # How many threads it has depends on its speed.
    assert replace(chosen, threads=None) == Execution(CPU, "bf16", 5, "contiguous")
    assert sizes == {5, 1, 4}  # the last two to see whether predictions depend on the batch


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Slow(nn.Module):
    """Takes long enough for several batches at once; keeps the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 4)
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        time.sleep(0.015)
        return self.linear(images.flatten(1))


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("batch_size", [2, "auto"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_fewer_images_than_batches_at_once_are_no_trouble(
    make_dataset: Callable[..., Dataset], count: int, batch_size: int | str
) -> None:
    dataset = make_dataset(count)
    predictions = predict(Slow(), dataset, preprocess={}, device="cpu", batch_size=batch_size)
    assert len(predictions) == count
    assert predictions.provenance.streams == 3
    assert predictions.provenance.batch_size in range(1, max(2, count) + 1)


@pytest.mark.usefixtures("three_threads")
def test_a_slow_network_is_tried_with_few_images(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset]
) -> None:
    module = Slow()
    classifier, reader = make_classifier(module), ImageReader(make_dataset(200))
    chosen = prepare(classifier, reader, CPU, Options(batch_size=100), 200).execution
    assert (chosen.batch_size, chosen.streams) == (100, 3)
    # Its outputs are looked at, then twice, in two batches, and once in each stream, of which it is one.
    assert module.sizes == [8, 8, 8, 3, 5, 8]


@pytest.mark.usefixtures("three_threads")
def test_a_network_that_is_done_in_no_time_has_one_thread(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (preparation, streams):  # more than it takes on a machine that is busy
        monkeypatch.setattr(module, "WORTHWHILE_SECONDS", 0.01)
    quick = make_classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)))
    reader, threads = ImageReader(make_dataset(40)), torch.get_num_threads()
    for batch_size in (8, "auto"):
        chosen = prepare(quick, reader, CPU, Options(batch_size=batch_size), 40).execution
        assert (chosen.streams, chosen.threads) == (1, 1)
    assert prepare(make_classifier(Slow()), reader, CPU, Options(batch_size=8), 40).execution.threads is None
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("three_threads")
def test_a_network_with_hooks_runs_a_batch_at_a_time(make_dataset: Callable[..., Dataset]) -> None:
    # The hook writes to a list that all copies of the network would share.
    module = Slow()
    kept: list[object] = []
    module.linear.register_forward_hook(lambda _, inputs, output: kept.append(output))
    predictions = predict(module, make_dataset(9), preprocess={}, device="cpu", batch_size=2)
    assert predictions.provenance.streams == 1


def test_auto_takes_a_batch_and_a_layout_that_there_are(
    make_classifier: Callable[..., Classifier], make_dataset: Callable[..., Dataset]
) -> None:
    classifier, reader = make_classifier(np.eye(100, 4).tolist()), ImageReader(make_dataset(100))
    chosen = prepare(classifier, reader, CPU, Options(), 100).execution
    assert chosen.batch_size <= 100
    assert chosen.memory_format in LAYOUTS
