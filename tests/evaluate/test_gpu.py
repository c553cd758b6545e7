"""What only a GPU can show. Skipped without one; `benchmarks/gpu.sh` runs it, without the project's conftest."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.errors import ModelError
from evalshift.evaluate import compilation
from evalshift.evaluate.devices import BATCH_SIZES_GPU, LAYOUTS, Execution, set_precision
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import InferenceResult, predict_batches
from evalshift.evaluate.options import Options
from evalshift.evaluate.own_network import predict
from evalshift.evaluate.preparation import prepare
from evalshift.evaluate.ranking import top_classes
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch finds none"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CLASSES = 100
SPACE = ClassSpace("hundred", tuple(f"class-{number:02d}" for number in range(CLASSES)))
# Of the largest logit; see evalshift.evaluate.repeatability.
FP32_ROUNDING = 1e-4


def dataset_of(count: int, side: int = 32, seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    ids = tuple(f"image-{number}" for number in range(count))
    return Dataset("random", SPACE, ids, np.arange(count) % CLASSES, images)


def numbered(count: int) -> Dataset:
    """Images that carry their number in three pixels."""
    images = np.zeros((count, 4, 4, 3), np.uint8)
    number = np.arange(count)
    for place in range(3):
        images[:, 0, 0, place] = number >> 8 * place & 255
    return Dataset("numbered", SPACE, tuple(map(str, number)), number % CLASSES, images)


class Numbers(nn.Module):
    """Predicts image number i as class i mod 100, after so much work on the GPU that the host runs far ahead of it."""

    def __init__(self, faulty: int = -1) -> None:
        super().__init__()
        self.busy = nn.Parameter(torch.eye(2048))
        self.faulty = faulty

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(8):
            self.busy.data = self.busy @ self.busy
        pixels = x[:, :, 0, 0].round().long()
        number = pixels[:, 0] + 256 * pixels[:, 1] + 65_536 * pixels[:, 2]
        logits = nn.functional.one_hot(number % CLASSES, CLASSES).float()
        return logits.masked_fill((number == self.faulty)[:, None], torch.nan)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(64 * 256, CLASSES),
    ).eval()


def classifier_of(module: nn.Module, **preprocess: Any) -> Classifier:
    settings = Preprocess(**(preprocess or {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}))
    return Classifier("network", module.eval().requires_grad_(False), settings, SPACE)


def infer(
    classifier: Classifier, dataset: Dataset, execution: Execution, *, keep_logits: bool = True
) -> InferenceResult:
    batches = ImageReader(dataset).batches(execution.batch_size, classifier.preprocess)
    return predict_batches(classifier, batches, execution, keep_logits=keep_logits, ids=dataset.ids)


def on_gpu(batch_size: int, layout: str = "contiguous", precision: str = "fp32") -> Execution:
    return Execution(CUDA, precision, batch_size, layout)


@pytest.fixture
def limited_memory() -> Iterator[Callable[[int], None]]:
    """Leaves this process so many bytes of the GPU's memory."""
    whole = torch.cuda.get_device_properties(0).total_memory

    def limit(size: int) -> None:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(size / whole)

    yield limit
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 37, 256])
def test_predictions_equal_those_of_the_cpu(layout: str, size: int) -> None:
    dataset, classifier = dataset_of(300), classifier_of(small_network())
    expected = infer(classifier, dataset, Execution(CPU, "fp32", 100, "contiguous"))
    with set_precision("fp32", CUDA):
        found = infer(classifier, dataset, on_gpu(size, layout))
    assert expected.logits is not None
    assert found.logits is not None
    scale = np.abs(expected.logits).max()
    assert np.abs(found.logits - expected.logits).max() < FP32_ROUNDING * scale
    best = np.sort(expected.logits, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * FP32_ROUNDING * scale
    assert clear.sum() > 250
    np.testing.assert_array_equal(found.top[clear, 0], expected.top[clear, 0])
    np.testing.assert_allclose(found.prob, expected.prob, rtol=1e-3)


@pytest.mark.parametrize("size", [64, 1000])
def test_no_batch_is_written_over_while_the_network_reads_it(size: int) -> None:
    dataset = numbered(70_003)
    found = infer(classifier_of(Numbers(), scale=255), dataset, on_gpu(size), keep_logits=False)
    np.testing.assert_array_equal(found.top[:, 0], dataset.labels)


def test_equal_logits_are_ranked_as_on_the_cpu() -> None:
    scores = torch.randn(500, 1000, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    scores[0], scores[1, ::2] = 0, torch.inf
    found = top_classes(scores.to(CUDA), 5).cpu()
    np.testing.assert_array_equal(found.numpy(), np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :5])


@pytest.mark.parametrize("faulty", [0, 20_000, 40_000])
def test_a_faulty_logit_is_found_with_its_image_though_nothing_waits_for_it(faulty: int) -> None:
    with pytest.raises(ModelError) as caught:
        infer(classifier_of(Numbers(faulty), scale=255), numbered(40_001), on_gpu(500), keep_logits=False)
    assert caught.value.where == f"model network, image {faulty}"


def test_after_a_fault_the_next_run_is_right() -> None:
    dataset = numbered(5_000)
    with pytest.raises(ModelError):
        infer(classifier_of(Numbers(3), scale=255), dataset, on_gpu(100), keep_logits=False)
    found = infer(classifier_of(Numbers(), scale=255), dataset, on_gpu(100), keep_logits=False)
    np.testing.assert_array_equal(found.top[:, 0], dataset.labels)


def test_the_gpu_is_not_waited_for_batch_by_batch(recwarn: pytest.WarningsRecorder) -> None:
    classifier = classifier_of(small_network())

    def waits(images: int) -> int:
        recwarn.clear()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            infer(classifier, dataset_of(images), on_gpu(100), keep_logits=False)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchroniz" in str(warning.message) for warning in recwarn)

    waits(200)  # constants are brought to the GPU once
    assert waits(4_000) == waits(400)


def test_the_search_finds_a_batch_and_a_layout() -> None:
    dataset = dataset_of(2_000)
    prepared = prepare(classifier_of(small_network()), ImageReader(dataset), CUDA, Options(), 5_000_000)
    assert prepared.execution.batch_size in BATCH_SIZES_GPU
    assert prepared.execution.memory_format in LAYOUTS
    assert (prepared.execution.streams, prepared.execution.fused) == (1, False)


def test_where_memory_is_full_the_batch_is_halved_and_the_run_goes_on(limited_memory: Callable[[int], None]) -> None:
    class Wide(Numbers):
        """Takes 16 MiB per image."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            room = torch.empty(len(x), 4 << 20, device=x.device)
            return super().forward(x) + 0 * room[:, :1]

    dataset = numbered(600)
    limited_memory(2 << 30)
    with pytest.raises(torch.OutOfMemoryError):
        Wide().to(CUDA)(torch.zeros(256, 3, 4, 4, device=CUDA))
    found = infer(classifier_of(Wide(), scale=255), dataset, on_gpu(256), keep_logits=False)
    assert found.batch_size in (32, 64)
    np.testing.assert_array_equal(found.top[:, 0], dataset.labels)
    chosen = predict(Wide(), dataset, preprocess={"scale": 255}, device="cuda")
    assert (chosen.provenance.batch_size or 0) <= 64
    np.testing.assert_array_equal(chosen.top[:, 0], dataset.labels)


def _error_of_a_product(precision: str) -> float:
    """Of a large product, relative to the result in float64."""
    left, right = torch.randn(2, 1024, 1024, generator=torch.Generator().manual_seed(0)).to(CUDA)
    exact = left.double() @ right.double()
    with set_precision(precision, CUDA):
        product = left @ right
    return float((product - exact).abs().max() / exact.abs().max())


def test_tf32_is_off_unless_asked_for() -> None:
    assert _error_of_a_product("fp32") < 1e-5  # 10 bits of mantissa would give 1e-3
    if torch.cuda.get_device_capability() >= (8, 0):
        assert _error_of_a_product("tf32") > 1e-5


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_a_lower_precision_says_how_many_predictions_it_changes(
    precision: str, record_property: Callable[[str, object], None]
) -> None:
    dataset = dataset_of(1_000)
    exact = predict(small_network(), dataset, preprocess={}, device="cuda")
    other = predict(small_network(), dataset, preprocess={}, device="cuda", precision=precision)
    compared = other.provenance.comparison_with_fp32
    assert compared is not None
    record_property(f"{precision}: predictions that differ from fp32, of {compared.images}", compared.differing)
    assert compared.images == 512
    assert compared.differing < 0.1 * compared.images
    assert (other.top[:, 0] != exact.top[:, 0]).mean() < 0.1
    assert other.provenance.half_weights == (precision != "tf32"), other.provenance.skipped_optimizations


@pytest.mark.parametrize("form", ["cuda graph", "torch.compile"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_network_gives_the_same_predictions(
    monkeypatch: pytest.MonkeyPatch, form: str, precision: str
) -> None:
    if form == "torch.compile":
        pytest.importorskip("triton", reason="torch compiles with triton on a GPU")
    monkeypatch.setattr(compilation, "_WORTHWHILE_SECONDS", {"cuda graph": 0.0, "torch.compile": 0.0})
    monkeypatch.setattr(compilation, "_FORMS", {form: compilation._FORMS[form]})
    monkeypatch.setattr(compilation, "_NOISE", 0.0)  # whatever the time
    dataset, classifier = dataset_of(1_030), classifier_of(small_network())
    options = Options(batch_size=100, compile=True, precision=precision)
    with set_precision(precision, CUDA):
        prepared = prepare(classifier, ImageReader(dataset), CUDA, options, len(dataset))
        assert prepared.execution.compiled == form, prepared.skipped
        found = infer(prepared.classifier, dataset, prepared.execution)
        plain = infer(prepared.plain[0], dataset, prepared.plain[1])
    assert found.logits is not None
    assert plain.logits is not None
    rounding = {"fp32": FP32_ROUNDING, "bf16": 0.1}[precision]
    assert np.abs(found.logits - plain.logits).max() < rounding * np.abs(plain.logits).max()


TWO = """
import sys
sys.path[:0] = sys.argv[1:2]
from test_gpu import dataset_of, small_network
from evalshift.evaluate.own_network import predict
found = predict(small_network(), dataset_of(3000), preprocess={}, device="cuda", batch_size=128)
print(found.top[:, 0].tolist())
"""


def test_two_processes_share_a_gpu() -> None:
    command = [sys.executable, "-c", TWO, str(Path(__file__).parent)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
