from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from messages import says
from scipy.special import softmax
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from evalshift.errors import ModelError
from evalshift.evaluate import inference
from evalshift.evaluate.devices import LAYOUTS, Execution
from evalshift.evaluate.inference import InferenceResult, forward, place, predict_batches
from evalshift.evaluate.trial import Trial
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.models import Classifier, load_classifier
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

CPU = torch.device("cpu")
MakeClassifier = Callable[..., Classifier]
Numbered = Callable[..., np.ndarray]


def on_cpu(batch_size: int = 4, precision: str = "fp32", memory_format: str = "contiguous") -> Execution:
    return Execution(CPU, precision, batch_size, memory_format)


def in_batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), size):
        yield images[start : start + size].copy()


def infer(classifier: Classifier, images: np.ndarray, size: int = 4, **options: Any) -> InferenceResult:
    return predict_batches(classifier, in_batches(images, size), on_cpu(size), **options)


class Returns(nn.Module):
    """Gives back whatever `make(count)` makes for a batch of `count` images."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, images: torch.Tensor) -> Any:
        return self.make(len(images))


def test_predictions_stand_best_first_and_ties_go_to_the_lower_class(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    table = [
        [0.0, 3.0, 1.0, 2.0],
        [5.0, 5.0, 5.0, 5.0],
        [1.0, 2.0, 2.0, 1.0],
        [-1.0, -np.inf, -1.0, 0.0],
    ]
    predictions = infer(make_classifier(table), numbered(4))
    assert predictions.top.tolist() == [[1, 3, 2, 0], [0, 1, 2, 3], [1, 2, 0, 3], [3, 0, 2, 1]]
    assert predictions.top.dtype == np.int32
    # By hand: of four equal logits each has a quarter; e²/(2e² + 2e) = e/(2(e + 1)); 1/(1 + 2/e) without the one at -∞.
    e = np.e
    first = np.exp(3) / (1 + np.exp(3) + e + np.exp(2))
    np.testing.assert_allclose(predictions.prob, [first, 0.25, e / (2 * (e + 1)), 1 / (1 + 2 / e)], rtol=1e-6)
    assert predictions.prob.dtype == np.float32


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(data=st.data(), count=st.integers(1, 40), classes=st.integers(2, 12), size=st.integers(1, 50))
def test_top_and_prob_are_those_of_numpy_and_scipy(
    make_classifier: MakeClassifier, numbered: Numbered, data: st.DataObject, count: int, classes: int, size: int
) -> None:
    # Few different values, so that ties are common.
    elements = st.sampled_from([-7.5, -1.0, 0.0, 0.25, 1.0, 30.0])
    table = data.draw(arrays.arrays(np.float32, (count, classes), elements=elements))
    predictions = infer(make_classifier(table.tolist(), classes), numbered(count), size)
    k = min(5, classes)
    np.testing.assert_array_equal(predictions.top, np.argsort(-table, axis=1, kind="stable")[:, :k])
    np.testing.assert_allclose(predictions.prob, softmax(table.astype(np.float64), axis=1).max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("classes, k", [(2, 2), (4, 4), (5, 5), (12, 5)])
def test_five_predictions_are_kept_or_one_a_class_where_there_are_fewer(
    make_classifier: MakeClassifier, numbered: Numbered, classes: int, k: int
) -> None:
    assert infer(make_classifier(np.eye(3, classes).tolist(), classes), numbered(3)).top.shape == (3, k)


def test_every_image_done_is_told(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    told: list[int] = []
    infer(make_classifier(np.eye(10, 4).tolist()), numbered(10), 4, advance=told.append)
    assert told == [4, 4, 2]


def test_logits_are_kept_when_asked_for(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    table = np.arange(40, dtype=np.float32).reshape(10, 4)
    classifier = make_classifier(table.tolist())
    kept = infer(classifier, numbered(10), 3, keep_logits=True).logits
    assert kept is not None
    np.testing.assert_array_equal(kept, table)
    assert infer(classifier, numbered(10), 3).logits is None


def test_the_pace_leaves_the_first_batch_out(
    make_classifier: MakeClassifier, numbered: Numbered, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first batch takes 3 s, the others 0.5 s each: 10 images in batches of 4 take 4 s, the last 6 of them 1 s.
    clock = {"now": 100.0, "next": 3.0}

    def logits(count: int) -> torch.Tensor:
        clock["now"] += clock["next"]
        clock["next"] = 0.5
        return torch.eye(count, 4)

    monkeypatch.setattr(inference.time, "perf_counter", lambda: clock["now"])
    predictions = infer(make_classifier(Returns(logits)), numbered(10), 4)
    assert (predictions.seconds, predictions.images_per_second) == (4.0, 6.0)
    clock["next"] = 2.0
    one_batch = infer(make_classifier(Returns(logits)), numbered(10), 10)
    assert (one_batch.seconds, one_batch.images_per_second) == (2.0, 5.0)


@pytest.fixture(scope="module")
def digits_cnn() -> tuple[Classifier, np.ndarray]:
    registry = load_registry()
    space = registry.class_space("digits")
    classifier = load_classifier("cnn", registry.models["digits-cnn-16-32"], space)
    images = load_dataset("digits", registry.dataset("digits"), space).images
    assert isinstance(images, np.ndarray)
    return classifier, images[:200]


def test_batch_size_and_memory_layout_do_not_change_the_predictions(digits_cnn: tuple[Classifier, np.ndarray]) -> None:
    classifier, images = digits_cnn
    expected = predict_batches(classifier, in_batches(images, 200), on_cpu(200), keep_logits=True)
    assert expected.logits is not None
    for size in (1, 7, 64):
        for layout in LAYOUTS:
            found = predict_batches(
                classifier, in_batches(images, size), on_cpu(size, memory_format=layout), keep_logits=True
            )
            np.testing.assert_array_equal(found.top[:, 0], expected.top[:, 0])
            assert found.logits is not None
            np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-4)


def test_bf16_runs_on_the_cpu_and_predictions_nearly_the_same(digits_cnn: tuple[Classifier, np.ndarray]) -> None:
    classifier, images = digits_cnn
    exact, short = (
        predict_batches(classifier, in_batches(images, 50), on_cpu(50, precision), keep_logits=True)
        for precision in ("fp32", "bf16")
    )
    assert exact.logits is not None
    assert short.logits is not None
    assert short.logits.dtype == np.float32
    assert 0 < np.abs(short.logits - exact.logits).max() < 0.5  # bfloat16 has 8 bits of precision
    assert (short.top[:, 0] == exact.top[:, 0]).mean() > 0.97


class Copies(TorchDispatchMode):
    """Keeps the type of every tensor that is copied to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.types: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = args[0] if args else None
        if isinstance(given, torch.Tensor) and isinstance(made, torch.Tensor) and given.device != made.device:
            self.types.append(made.dtype)
        return made


def test_images_cross_to_the_device_as_bytes(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    elsewhere = Execution(torch.device("meta"), "fp32", 4, "contiguous")
    classifier = make_classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), mean=(0.5,), std=(0.25,))
    place(classifier, elsewhere)
    with Copies() as copies:
        logits = forward(classifier, numbered(4), elsewhere)
    assert copies.types == [torch.uint8]
    assert (logits.device.type, logits.shape, logits.dtype) == ("meta", (4, 4), torch.float32)


@pytest.mark.parametrize("layout, format", LAYOUTS.items())
def test_the_network_sees_the_layout_that_was_chosen(
    make_classifier: MakeClassifier, numbered: Numbered, layout: str, format: torch.memory_format
) -> None:
    seen: list[bool] = []

    class Looks(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images.is_contiguous(memory_format=format))
            return torch.zeros(len(images), 4)

    execution = on_cpu(memory_format=layout)
    forward(make_classifier(Looks()), numbered(4, channels=3), execution)
    assert seen == [True]


def test_logits_wrapped_as_hugging_face_does_are_taken_out(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    classifier = make_classifier(Returns(lambda count: SimpleNamespace(logits=torch.eye(count, 4))))
    assert infer(classifier, numbered(4)).top[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("outputs, found", [(1_001, "1,001"), (5, "5"), (3, "3")])
def test_a_wrong_number_of_outputs_is_refused(
    make_classifier: MakeClassifier, numbered: Numbered, outputs: int, found: str
) -> None:
    classes = 26 if outputs == 1_001 else 4
    with pytest.raises(ModelError) as caught:
        infer(make_classifier(Returns(lambda count: torch.zeros(count, outputs)), classes), numbered(4))
    fix = (
        "one too many is often a background class put first: drop it with logits: {drop: 0}"
        if outputs == 5
        else "check the label space in classes:, and the arguments that make the network"
    )
    says(
        caught.value,
        where="model table",
        found=f"{found} outputs",
        expected=f"{classes}, one per class of letters",
        fix=fix,
    )


@pytest.mark.parametrize(
    "make, found, expected",
    [
        (lambda count: torch.zeros(count + 1, 4), "(5, 4)", "(4, 4)"),
        (lambda count: torch.zeros(count, 2, 4), "(4, 2, 4)", "(4, 4)"),
        (lambda count: np.zeros((count, 4)), "ndarray", "(images, classes)"),
        (lambda count: None, "NoneType", "(images, classes)"),
        (lambda count: (), "tuple", "(images, classes)"),
    ],
)
def test_what_is_not_one_row_of_logits_per_image_is_refused(
    make_classifier: MakeClassifier, numbered: Numbered, make: Callable[[int], Any], found: str, expected: str
) -> None:
    with pytest.raises(ModelError) as caught:
        infer(make_classifier(Returns(make)), numbered(4))
    says(caught.value, where="model table", found=found, expected=f"a tensor {expected}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("named", [True, False])
def test_a_logit_that_is_no_number_is_named_with_its_image_and_class(
    make_classifier: MakeClassifier, numbered: Numbered, value: float, named: bool
) -> None:
    table = np.zeros((10, 4), np.float32)
    table[6, 2] = value
    ids = [f"cat/{number}.png" for number in range(10)] if named else None
    with pytest.raises(ModelError) as caught:
        infer(make_classifier(table.tolist()), numbered(10), 4, ids=ids)
    says(caught.value, where=f"model table, image {('cat/6.png' if named else '6')}", found=f"{value} for class 2 (c)")


def test_a_row_of_nothing_but_minus_infinity_is_no_prediction(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    table = [[0.0, 0.0], [-np.inf, -np.inf]]
    with pytest.raises(ModelError, match="found:    -inf for class 0"):
        infer(make_classifier(table, 2), numbered(2))


def test_preprocessing_that_does_not_fit_the_channels_is_refused(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    classifier = make_classifier(Returns(lambda count: torch.zeros(count, 4)), mean=(0.5,))
    with pytest.raises(ModelError) as caught:
        infer(classifier, numbered(4, channels=3))
    says(caught.value, where="model table", found="preprocess.mean has 1 number, the images 3 channels")


@pytest.mark.parametrize("takes, channels, said", [(1, 3, "gray"), (3, 1, "rgb")])
def test_a_network_for_another_number_of_channels_names_what_converts_them(
    make_classifier: MakeClassifier, numbered: Numbered, takes: int, channels: int, said: str
) -> None:
    network = nn.Sequential(nn.Conv2d(takes, 4, 4), nn.Flatten())
    with pytest.raises(ModelError) as caught:
        infer(make_classifier(network), numbered(4, channels=channels))
    words = {1: "one channel", 3: "three channels"}
    lines = str(caught.value).splitlines()
    assert lines[0] == f"the network takes images of {words[takes]}"
    assert lines[2].startswith(
        f"  found:    images of {words[channels]}: Given groups=1, weight of size [4, {takes}, 4, 4]"
    )
    assert lines[-1] == f"  fix:      say channels: {said} in the preprocessing, and they are converted"
    converted = infer(make_classifier(network, scale=255, channels=said), numbered(4, channels=channels))
    assert converted.top.shape == (4, 4)


def test_what_the_network_raises_comes_through(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    def fail(count: int) -> torch.Tensor:
        raise ArithmeticError("lost its way")

    with pytest.raises(ArithmeticError, match=r"^lost its way$"):
        infer(make_classifier(Returns(fail)), numbered(4))


class Fits(nn.Module):
    """Has memory for so many images at once; keeps the sizes of the batches that it ran."""

    def __init__(self, most: int, error: Exception) -> None:
        super().__init__()
        self.most, self.error = most, error
        self.ran: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise self.error
        self.ran.append(len(images))
        return nn.functional.one_hot(images[:, 0, 0, 0].long() % 4, 4).float()


FULL = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", FULL)
def test_where_memory_is_full_the_batch_is_halved_and_the_run_goes_on(
    make_classifier: MakeClassifier, numbered: Numbered, error: Exception
) -> None:
    network = Fits(5, error)
    told: list[int] = []
    found = infer(make_classifier(network), numbered(70), 32, advance=told.append)
    # 32 → 16 → 8 → 4, once: later batches begin with 4.
    assert network.ran == [4] * 17 + [2]
    assert found.batch_size == 4
    assert told == [32, 32, 6]
    assert found.top[:, 0].tolist() == [number % 4 for number in range(70)]


def test_a_batch_is_not_halved_where_that_would_change_predictions(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    with pytest.raises(MemoryError):
        infer(make_classifier(Fits(5, MemoryError())), numbered(70), 32, halve=False)


def test_memory_that_is_full_for_one_image_is_an_error(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    with pytest.raises(MemoryError):
        infer(make_classifier(Fits(0, MemoryError())), numbered(7), 4)


def test_the_network_runs_without_gradients(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    classifier = make_classifier([[1.0, 0.0]], 2)
    classifier = replace(classifier, module=classifier.module.requires_grad_(True))
    logits = forward(classifier, numbered(1), on_cpu(1))
    assert not logits.requires_grad
    assert not logits.is_inference()  # what a network keeps between calls could not be used in training afterwards


def test_the_search_tries_real_batches_of_the_size_it_names(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    sizes: set[int] = set()

    def logits(count: int) -> torch.Tensor:
        sizes.add(count)
        return torch.zeros(count, 4)

    classifier = make_classifier(Returns(logits), 4, mean=(0.5,))
    with Trial(classifier, numbered(3), on_cpu()) as trial:
        size, layout = trial.search(10_000_000, 64)
    assert size in sizes
    assert layout in LAYOUTS
    assert {8, 32, 64, 128} <= sizes  # more than the three images of the sample: they are repeated


def test_preprocess_reaches_the_network_as_arithmetic_alone(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    seen: list[torch.Tensor] = []

    class Looks(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return torch.zeros(len(images), 4)

    classifier = make_classifier(Looks(), mean=(0.5,), std=(0.25,))
    assert classifier.preprocess == Preprocess(mean=(0.5,), std=(0.25,))
    forward(classifier, numbered(4, side=2), on_cpu())
    assert seen[0].shape == (4, 1, 2, 2)
    # By hand: pixel 3 is 3/255, and (3/255 − 0.5) / 0.25 = −1.952941.
    assert seen[0][3, 0, 0, 0].item() == pytest.approx(-1.952941, abs=1e-6)
