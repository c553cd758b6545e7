from collections.abc import Callable
from typing import Any

import pytest
import torch
from messages import says
from torch import nn

import evalshift as es
from evalshift.errors import DataError, ModelError, UsageError
from evalshift.evaluate.inference import TOP_K
from evalshift.evaluate.own_network import predict
from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.models import load_classifier
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

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
    says(python(code).rstrip(), found="builtin_function_or_method")


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
