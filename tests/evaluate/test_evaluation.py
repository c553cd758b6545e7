import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from messages import says
from torch import nn

import evalshift as es
from evalshift.errors import DataError, ModelError, UsageError
from evalshift.evaluate.devices import LAYOUTS, Execution
from evalshift.evaluate.evaluation import Origin, evaluate_classifier
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import TOP_K
from evalshift.evaluate.options import Options
from evalshift.evaluate.own_network import predict
from evalshift.evaluate.preparation import Prepared, prepare
from evalshift.evaluate.store import SCHEMA_VERSION
from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.models import Classifier, load_classifier
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry import load_registry

CPU = torch.device("cpu")
DIGITS = {"mean": [0.3092], "std": [0.378]}


@pytest.fixture(scope="module")
def digits_cnn() -> nn.Module:
    registry = load_registry()
    return load_classifier("cnn", registry.models["digits-cnn-16-32"], registry.class_space("digits")).module


@pytest.mark.parametrize(
    "imports",
    [
        "import evalshift as es",
        "import evalshift as es; import evalshift.evaluate.store",
        "import evalshift.evaluate.store; import evalshift as es",
        "from evalshift.evaluate import store; import evalshift as es",
    ],
)
def test_predict_is_a_plain_function_after_any_order_of_imports(python: Callable[..., str], imports: str) -> None:
    code = imports + "\nimport inspect\nprint(list(inspect.signature(es.predict).parameters)[:3])"
    assert python(code) == "['module', 'dataset', 'preprocess']\n"


def test_evaluate_is_a_package_and_nothing_else(python: Callable[..., str]) -> None:
    assert python("import evalshift.evaluate, sys; print(callable(evalshift.evaluate), 'torch' in sys.modules)") == (
        "False False\n"
    )


def test_what_is_no_module_is_refused(python: Callable[..., str]) -> None:
    # In a process of its own: here the tests' type checks would speak first.
    code = "import evalshift as es; import evalshift.evaluate.store\n"
    code += "try:\n    es.predict(len, 'digits', preprocess={})\nexcept es.EvalshiftError as error:\n    print(error)"
    says(python(code), found="builtin_function_or_method")


def test_a_network_on_a_dataset_by_name_gives_predictions(digits_cnn: nn.Module) -> None:
    predictions = es.predict(digits_cnn, "digits", preprocess=DIGITS, name="mine", device="cpu")
    registry = load_registry()
    dataset = load_dataset("digits", registry.dataset("digits"), registry.class_space("digits"))
    assert (predictions.model, predictions.dataset, len(predictions), predictions.k) == ("mine", "digits", 453, 5)
    # What the registry promises of this model.
    expected = registry.models["digits-cnn-16-32"].expected["digits"]
    assert predictions.hits(dataset.labels).mean() == pytest.approx(expected, abs=0.003)
    assert predictions.provenance.preprocess == Preprocess(mean=(0.3092,), std=(0.378,)).model_dump(mode="json")
    assert predictions.provenance.entry == {"source": "python", "function": type(digits_cnn).__qualname__}


class Odd(nn.Module):
    """Every fourth image is its first class; the parts are known by their modes."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.convolution = nn.Conv2d(1, 4, 4)
        self.register_buffer("offset", torch.zeros(4))
        self.seen_training: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen_training += [self.training, self.frozen.training, self.drop.training]
        return self.convolution(self.drop(self.frozen(images))).flatten(1) + self.offset


def test_a_network_is_left_as_it_was(make_dataset: Callable[..., Dataset]) -> None:
    module = Odd().train()
    module.frozen.eval()  # as one does to keep its statistics while the rest is trained
    parameters = dict(module.named_parameters()) | dict(module.named_buffers())
    storage = {name: (tensor.data_ptr(), tensor.stride()) for name, tensor in parameters.items()}
    values = {name: tensor.clone() for name, tensor in parameters.items()}
    for batch_size in (2, "auto"):
        predict(module, make_dataset(6), preprocess={}, device="cpu", batch_size=batch_size)
    assert not any(module.seen_training)
    assert (module.training, module.frozen.training, module.drop.training) == (True, False, True)
    for name, tensor in (dict(module.named_parameters()) | dict(module.named_buffers())).items():
        assert tensor is parameters[name]
        assert (tensor.data_ptr(), tensor.stride()) == storage[name]
        torch.testing.assert_close(tensor, values[name], rtol=0, atol=0)
        assert tensor.requires_grad == (name not in dict(module.named_buffers()))
    module(torch.rand(2, 1, 4, 4)).sum().backward()  # and it can be trained on
    assert module.convolution.weight.grad is not None


def test_a_network_that_fails_is_left_as_it_was_too(make_dataset: Callable[..., Dataset]) -> None:
    class Fails(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ArithmeticError("lost its way")

    module = Fails().train()
    with pytest.raises(ArithmeticError, match=r"^lost its way$"):
        predict(module, make_dataset(3), preprocess={}, device="cpu")
    assert module.training


def test_a_dataset_of_ones_own_and_a_preprocess_object(make_dataset: Callable[..., Dataset]) -> None:
    table = torch.eye(8, 4)

    class Table(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return table[images[:, 0, 0, 0].long()]

    dataset = make_dataset(8, labels=[0, 1, 2, 3, 0, 0, 1, 2])
    predictions = predict(Table(), dataset, preprocess=Preprocess(scale=255), device="cpu", batch_size=3)
    # The first four images have their own class; the last four rows are all zeros, a tie that class 0 wins.
    assert predictions.top[:, 0].tolist() == [0, 1, 2, 3, 0, 0, 0, 0]
    assert predictions.hits(dataset.labels).tolist() == [True] * 6 + [False, False]
    assert predictions.k == min(TOP_K, 4)
    assert predictions.provenance.batch_size == 3


def test_a_registry_of_ones_own_may_be_a_path_or_a_registry(project: Any) -> None:
    class Always(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.eye(4)[torch.zeros(len(images), dtype=torch.long)]

    project.content["models"] = {}
    path = project.save()
    for registry in (path, str(path), load_registry(path)):
        predictions = predict(Always(), "old", preprocess={}, registry=registry, device="cpu")
        assert (predictions.dataset, len(predictions)) == ("old", 12)


def test_torch_is_left_in_the_precision_that_it_was_in(make_dataset: Callable[..., Dataset]) -> None:
    class Linear(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1) @ torch.ones(16, 4)

    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        predictions = predict(Linear(), make_dataset(3), preprocess={}, device="cpu", precision="bf16")
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert predictions.provenance.precision == "bf16"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (
            {"dataset": "digitz"},
            'there is no dataset "digitz"',
        ),
        (
            {"preprocess": {"means": [0.5]}},
            (
                'preprocess has no "means"\n'
                f"  expected: {', '.join(Preprocess.model_fields)}\n"
                '  fix:      did you mean "mean"?'
            ),
        ),
        (
            {"preprocess": {"mean": [0.5], "std": [0.5, 0.5]}},
            (
                "invalid preprocess\n"
                "  where:    preprocess\n"
                "  expected: mean has 1 channels and std 2; give one number per channel"
            ),
        ),
        (
            {"preprocess": {"resize": "big"}},
            (
                "invalid preprocess\n"
                "  where:    preprocess.resize\n"
                "  found:    'big'\n"
                "  expected: a size is one whole number from 1 to 16384, or two: height and width"
            ),
        ),
        ({"batch_size": 0}, '"0" is not a batch size'),
        ({"precision": "fp8"}, '"fp8" is not a precision'),
        ({"device": "abacus"}, '"abacus" is not a device'),
        ({"workers": 0}, "invalid number of workers: 0"),
    ],
)
def test_what_cannot_be_is_refused(digits_cnn: nn.Module, arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        predict(digits_cnn, **({"dataset": "digits", "preprocess": DIGITS, "device": "cpu"} | arguments))
    assert str(caught.value).startswith(complaint)


def test_faulty_data_and_outputs_are_distinguished(project: Any) -> None:
    class TooMany(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 5)

    registry = project.save()
    with pytest.raises(ModelError, match=r"^unexpected number of outputs\n"):
        predict(TooMany(), "old", preprocess={}, registry=registry, device="cpu")
    (project.path / "old_x.npy").unlink()
    with pytest.raises(DataError, match=r"^a file was not found\n"):
        predict(TooMany(), "old", preprocess={}, registry=registry, device="cpu")


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
        "device": f"cpu ({torch.get_num_threads()} threads)",
        "precision": "fp32",
        "batch_size": 4,
        "memory_format": "channels_last",
        "streams": 2,
        "fused": False,
        "half_weights": False,
        "compiled": None,
        "comparison_with_fp32": None,
        "skipped_optimizations": {},
        "output": None,
        "output_kind": "logits",
        "versions": versions,
        "git_revision": "0123abc",
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
    assert chosen == Execution(CPU, "bf16", 5, "contiguous")
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
