from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import evalshift as es
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.half_precision import cast_weights, spread
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import forward
from evalshift.evaluate.options import Options
from evalshift.evaluate.preparation import prepare
from evalshift.evaluate.repeatability import NotApplied
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier

CPU = torch.device("cpu")


class Small(nn.Module):
    """A convolution, both kinds of norms, and a table that is not a parameter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.norm.running_var.uniform_(0.01, 9)  # pyright: ignore[reportOptionalMemberAccess]
        self.layer_norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 4)
        self.offset: torch.Tensor
        self.register_buffer("offset", torch.linspace(0, 1, 4))
        self.register_buffer("order", torch.arange(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer_norm(self.norm(self.conv(x)).relu().mean(dim=(2, 3)))) + self.offset


@pytest.fixture
def pictures(make_dataset: Callable[..., Dataset]) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    return make_dataset(images)


def test_weights_are_cast_but_for_batch_norms_and_whole_numbers(make_classifier: Callable[..., Classifier]) -> None:
    plain = make_classifier(Small(), mean=(0.5, 0.5, 0.5))
    half = cast_weights(plain, "bf16").module
    kinds = {name: tensor.dtype for name, tensor in half.state_dict().items()}
    assert {name for name, kind in kinds.items() if kind == torch.float32} == {
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    }
    assert kinds["order"] == kinds["norm.num_batches_tracked"] == torch.int64
    assert {kinds[name] for name in ("conv.weight", "head.bias", "offset", "layer_norm.weight")} == {torch.bfloat16}
    assert {tensor.dtype for tensor in plain.module.parameters()} == {torch.float32}


def test_cast_weights_agree_with_autocast(make_classifier: Callable[..., Classifier], pictures: Dataset) -> None:
    plain = make_classifier(Small(), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    images = pictures.images
    assert isinstance(images, np.ndarray)
    exact, cast, automatic = (
        forward(classifier, images, Execution(CPU, precision, 40, "contiguous", half_weights=half))
        for classifier, precision, half in (
            (plain, "fp32", False),
            (cast_weights(plain, "bf16"), "bf16", True),
            (plain, "bf16", False),
        )
    )
    assert cast.dtype == torch.float32
    scale = float(exact.abs().max())
    assert 0 < float((cast - exact).abs().max()) < 0.05 * scale  # 8 bits of mantissa, in a few layers
    # No worse than autocast, which rounds as many times.
    assert float((cast - exact).abs().mean()) < 2 * float((automatic - exact).abs().mean())


def test_a_network_without_weights_has_none_to_cast(make_classifier: Callable[..., Classifier]) -> None:
    with pytest.raises(NotApplied, match="no weights"):
        cast_weights(make_classifier(nn.Flatten()), "bf16")


def test_a_network_that_makes_its_own_float32_runs_under_autocast(
    make_classifier: Callable[..., Classifier], pictures: Dataset
) -> None:
    class Mixed(Small):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x).mean(dim=(2, 3)).float())

    prepared = prepare(
        make_classifier(Mixed(), mean=(0.5, 0.5, 0.5)), ImageReader(pictures), CPU, Options(precision="bf16"), 40
    )
    assert not prepared.execution.half_weights
    assert "dtype" in prepared.skipped["half-precision weights"]


@pytest.mark.parametrize("batch_size", [8, "auto"])
def test_a_run_in_half_precision_says_how_many_predictions_differ_from_fp32(
    pictures: Dataset, batch_size: object
) -> None:
    class Rounded(nn.Module):
        """Two classes that differ by one part in 1,000: bf16 cannot tell them apart, and takes the lower."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, 1.001, 0.0, 0.0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :1, 0, 0] * self.weight

    images = np.full((40, 8, 8, 3), 255, np.uint8)
    images[:10] = 0  # of which all logits are 0, and the first class is taken by both
    pictures.images[:] = images  # pyright: ignore
    options: Any = {"preprocess": {}, "device": "cpu", "batch_size": batch_size}
    exact = es.predict(Rounded(), pictures, **options)
    half = es.predict(Rounded(), pictures, precision="bf16", **options)
    assert exact.provenance.comparison_with_fp32 is None
    assert half.provenance.half_weights
    compared = half.provenance.comparison_with_fp32
    assert compared is not None
    assert (compared.images, compared.differing) == (40, 30)
    assert int((exact.top[:, 0] != half.top[:, 0]).sum()) == 30


def test_images_for_the_comparison_come_from_all_over_the_dataset() -> None:
    assert spread(50_000)[[0, 1, -1]].tolist() == [0, 98, 49_999]
    assert len(spread(50_000)) == 512
    assert spread(3).tolist() == [0, 1, 2]
    assert spread(1).tolist() == [0]
