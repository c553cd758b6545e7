"""Programs whose operations would reach beyond the memory of their tensors: not known, or checked when they run."""

import importlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from classifiers import Load
from messages import says
from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.models.exported_guards import CHECKS, guard
from evalshift.testbed.models.exported_operations import operation

importlib.import_module("torch.ao.quantization.fx._decomposed")  # defines torch.ops.quantized_decomposed
WEIGHTS = "archive/data/weights/model_weights_config.json"
PIXELS = torch.rand(2, 4, 8, 8)


class Normed(nn.Module):
    """A normalization over batches, taken apart to the operation that trusts its statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x).mean((2, 3)).repeat(1, 3)[:, :10]


class Attending(nn.Module):
    """Attention to eight keys of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values = (nn.Parameter(torch.rand(1, 1, 8, 8)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = nn.functional.scaled_dot_product_attention(x, self.keys.expand(len(x), 4, 8, 8), self.values)
        return seen.flatten(1)[:, :10]


class Recurrent(nn.Module):
    """Both directions and two layers over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows(x[:, 0])[0].flatten(1)[:, :10]


class Distances(nn.Module):
    """To points of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.rand(2, 10, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x.flatten(2), self.points)[:, 0]


class Deformed(nn.Module):
    """A convolution whose places are part of the weights."""

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(10, 4, 3, 3))
        self.offset = nn.Parameter(torch.full((2, 18, 6, 6), offset))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torchvision.ops.deform_conv2d(x, self.offset, self.weight).mean((2, 3))


class Quantized(nn.Module):
    """As quantization for PT2E writes it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        numbers = torch.ops.quantized_decomposed.quantize_per_tensor(x, 0.1, 0, -128, 127, torch.int8)
        return torch.ops.quantized_decomposed.dequantize_per_tensor(numbers, 0.1, 0, -128, 127, torch.int8).flatten(1)[
            :, :10
        ]


def weight_normed() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(256, 10)))


def exported(module: nn.Module, apart: bool = True) -> bytes:
    """A program, with its operations taken apart into smaller ones or not."""
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module.eval(), (PIXELS,))
        torch.export.save(program.run_decompositions() if apart else program, written)
    return written.getvalue()


def with_sizes(archive: bytes, name: str, *sizes: int) -> bytes:
    """The archive with fewer numbers in a weight."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(written, "w") as new:
        for member in old.namelist():
            body = old.read(member)
            if member == WEIGHTS:
                content = json.loads(body)
                meta = content["config"][name]["tensor_meta"]
                meta["sizes"] = [{"as_int": size} for size in sizes]
                meta["strides"] = [{"as_int": 1} for _ in sizes]
                body = json.dumps(content).encode()
            new.writestr(zipfile.ZipInfo(member), body)
    return written.getvalue()


def loaded(load: Load, folder: Path, archive: bytes) -> Callable[[torch.Tensor], torch.Tensor]:
    (folder / "w.pt2").write_bytes(archive)
    return load(source="exported", weights="w.pt2", classes="ten", preprocess={}).module


HONEST: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "normalization": (Normed, True),
    "attention": (Attending, True),
    "whole attention": (Attending, False),
    "lstm": (Recurrent, False),
    "distances": (Distances, True),
    "deformed convolution": (Deformed, False),
    "normed weights": (weight_normed, False),
    "quantized": (Quantized, False),
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_programs_run_as_they_did(load: Load, tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    make, apart = HONEST[kind]
    module = make().eval()
    network = loaded(load, tmp_path, exported(module, apart))
    with torch.no_grad():
        torch.testing.assert_close(network(PIXELS), module(PIXELS))


@pytest.mark.parametrize(
    "kind, more",
    [(nn.LSTM, {"proj_size": 3}), (nn.LSTM, {"bias": False}), (nn.GRU, {"bidirectional": True}), (nn.RNN, {})],
)
def test_weights_of_recurrent_networks_are_those_of_torch(kind: Any, more: dict[str, Any]) -> None:
    rows = kind(8, 5, num_layers=2, **more)
    states = [torch.rand(2, 2, more.get("proj_size", 5)), torch.rand(2, 2, 5)]
    given = {
        "input": torch.rand(2, 8, 8),
        "hx": states if kind is nn.LSTM else states[1],
        "params": list(rows.parameters()),
        "has_biases": rows.bias,
        "num_layers": 2,
        "bidirectional": rows.bidirectional,
    }
    fits = CHECKS["rnn_tanh" if kind is nn.RNN else kind.__name__.lower()]
    assert fits(given)
    for number in range(len(given["params"])):
        others = [one[:1] if place == number else one for place, one in enumerate(given["params"])]
        assert not fits(given | {"params": others})
    assert not fits(given | {"params": given["params"][1:]})
    assert not fits(given | {"batch_sizes": torch.tensor([2])})


FORGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "statistics": (
        lambda: with_sizes(exported(Normed()), "norm.running_var", 1),
        "aten._native_batch_norm_legit_no_training.default of (2, 4, 8, 8), (4,), (4,), (4,), (1,)",
    ),
    "values": (
        lambda: with_sizes(exported(Attending(), False), "values", 1, 1, 1, 8),
        "aten.scaled_dot_product_attention.default of (2, 4, 8, 8), (2, 4, 8, 8), (1, 1, 1, 8)",
    ),
    "weights of an lstm": (
        lambda: with_sizes(exported(Recurrent(), False), "rows.weight_hh_l1", 1, 5),
        "aten.lstm.input of (2, 8, 8)",
    ),
    "points": (
        lambda: with_sizes(exported(Distances()), "points", 1, 10, 64),
        "aten._cdist_forward.default of (2, 4, 64), (1, 10, 64)",
    ),
    "lengths": (
        lambda: with_sizes(exported(weight_normed(), False), "1.parametrizations.weight.original0", 1, 1),
        "of (10, 256), (1, 1)",
    ),
    "places that are no numbers": (
        lambda: exported(Deformed(torch.nan), False),
        "torchvision.deform_conv2d.default of (2, 4, 8, 8), (10, 4, 3, 3), (2, 18, 6, 6), (2, 1), (10,)",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_tensors_are_refused_before_they_are_used(load: Load, tmp_path: Path, complaint: Any, kind: str) -> None:
    forge, said = FORGED[kind]
    network = loaded(load, tmp_path, forge())
    message = complaint(ModelError, network, PIXELS)
    says(message, where=f"model m, {tmp_path}/w.pt2")
    assert said in message


@pytest.mark.parametrize("number", [-1, 6])
def test_a_number_instead_of_a_type_is_refused(number: int) -> None:
    """torch takes it as an index into a table, and crashes with -1."""
    graph = torch.fx.Graph()
    pixels = graph.placeholder("x")
    graph.output(graph.call_function(torch.ops.aten.cumprod.default, (pixels, 1), {"dtype": number}))
    with pytest.raises(ModelError, match=f"dtype={number} of aten.cumprod.default"):
        guard(torch.fx.GraphModule({}, graph), "w.pt2")


# Those that were seen to crash Python with forged arguments, and their kin.
UNSAFE = """
    _reshape_alias _nested_view_from_buffer _nested_view_from_jagged _jagged_to_padded_dense_forward
    _nested_tensor_from_mask _sparse_coo_tensor_unsafe sparse_coo_tensor.indices_size _sparse_csr_tensor_unsafe
    _convert_indices_from_csr_to_coo _convert_indices_from_coo_to_csr to_sparse embedding_bag _embedding_bag
    _embedding_bag_forward_only segment_reduce mkldnn_rnn_layer to_mkldnn mkldnn_convolution lstm_cell
    _thnn_fused_lstm_cell _cudnn_rnn cudnn_batch_norm miopen_batch_norm batch_norm_elemt batch_norm_update_stats
    slow_conv3d slow_conv_transpose2d _slow_conv2d_forward _ctc_loss ctc_loss.IntList nll_loss_forward
    multilabel_margin_loss_forward _fused_sgd_ _fused_adam_ _fused_moving_avg_obs_fq_helper
    _foreach_add.List max_pool2d_with_indices_backward native_layer_norm_backward embedding_dense_backward
    _compute_linear_combination _transform_bias_rescale_qkv _transformer_encoder_layer_fwd _pack_padded_sequence
    _pad_packed_sequence _weight_int4pack_mm_for_cpu _make_per_channel_quantized_tensor fractional_max_pool2d
    _stack _unsafe_masked_index
    _histogramdd_from_bin_tensors linalg_ldl_solve set_ set_.source_Tensor resize_ resize_as_ from_file _print
    _index_put_impl_ relu.out add.out data _cufft_set_plan_cache_max_size _foobar
"""
UNSAFE_ELSEWHERE = (
    *(f"torchvision.{name}.default" for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "nms")),
    *(f"prims.{name}.default" for name in ("as_strided", "resize", "fft_c2r", "empty_strided")),
    *("profiler._record_function_enter.default", "higher_order.cond.default", "quantized.linear.default"),
)


@pytest.mark.parametrize("target", [*(f"aten.{name}" for name in UNSAFE.split()), *UNSAFE_ELSEWHERE])
def test_operations_that_trust_their_arguments_are_not_known(target: str) -> None:
    namespace, name, *overload = target.split(".")
    assert operation(namespace, name, overload[0] if overload else "default") is None


def test_operations_of_networks_are_known() -> None:
    for name in ("relu_", "add_.Tensor", "hardtanh_", "conv2d", "linear", "layer_norm", "permute_copy", "index.Tensor"):
        base, _, overload = name.partition(".")
        assert operation("aten", base, overload or "default") is not None, name
