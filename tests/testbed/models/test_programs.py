"""Networks in files that hold them whole predict as the network that was written into the file."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import TEN, Load, Refused, sha256
from messages import says
from pydantic import ValidationError
from torch import nn

from evalshift.errors import ModelError
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import predict_batches, settle_outputs
from evalshift.testbed import weights as weights_module
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.batches import InBatchesOf
from evalshift.testbed.models.outputs import settle

PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def small_network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4, 10),
    )
    network[1].running_mean.copy_(torch.rand(4))  # pyright: ignore[reportCallIssue]
    return network.eval()


NETWORK = small_network()


def content(source: str, weights: str, **more: Any) -> dict[str, Any]:
    return {"source": source, "weights": weights, "classes": "ten", "preprocess": PREPROCESS, **more}


def same_predictions(
    classifier: Classifier, network: nn.Module = NETWORK, size: int = 4, tolerance: float = 1e-5
) -> None:
    """The same top predictions and logits for eleven images, four at a time, so that the last batch is shorter."""
    images = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3)).astype(np.uint8)
    execution = Execution(torch.device("cpu"), "fp32", size, "contiguous")
    batches = [images[start : start + size] for start in range(0, 11, size)]
    plain = Classifier("m", network, classifier.preprocess, TEN)
    expected, found = (predict_batches(one, batches, execution, keep_logits=True) for one in (plain, classifier))
    np.testing.assert_array_equal(found.top, expected.top)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=tolerance, atol=tolerance)  # pyright: ignore


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network in each format, for any number of images and for exactly two."""
    folder = tmp_path_factory.mktemp("programs")
    pixels = (torch.rand(2, 3, 8, 8),)
    any_number: Any = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(NETWORK, pixels, dynamic_shapes=any_number), folder / "any.pt2")
    torch.export.save(torch.export.export(NETWORK, pixels), folder / "two.pt2")
    torch.export.save(torch.export.export(small_network().train(), pixels), folder / "training.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its exporter and TorchScript itself are on their way out, and still read
        torch.jit.trace(NETWORK, pixels[0]).save(str(folder / "any.ts"))  # pyright: ignore
        settings: dict[str, Any] = {"dynamo": False, "input_names": ["image"], "output_names": ["scores"]}
        torch.onnx.export(NETWORK, pixels, folder / "any.onnx", dynamic_axes={"image": {0: "n"}}, **settings)
        torch.onnx.export(NETWORK, pixels, folder / "two.onnx", **settings)
        last = nn.Sequential(ChannelsLast(), NETWORK).eval()
        pixels_last = (pixels[0].permute(0, 2, 3, 1),)
        torch.onnx.export(last, pixels_last, folder / "last.onnx", dynamic_axes={"image": {0: "n"}}, **settings)
        torch.onnx.export(NETWORK, pixels, folder / "apart.onnx", dynamo=True, external_data=True, verbose=False)
    return folder


class ChannelsLast(nn.Module):
    """Takes images as TensorFlow has them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "source, file",
    [
        ("exported", "any.pt2"),
        ("exported", "two.pt2"),
        ("torchscript", "any.ts"),
        ("onnx", "any.onnx"),
        ("onnx", "two.onnx"),
        ("onnx", "last.onnx"),
    ],
)
def test_the_network_that_was_written(load: Load, files: Path, source: str, file: str) -> None:
    classifier = load(**content(source, str(files / file)))
    same_predictions(classifier)
    assert classifier.checkpoint_sha256 == sha256(files / file)
    assert not classifier.module.training
    assert (classifier.versions.keys() == {"onnxruntime"}) == (source == "onnx")


def test_outputs_are_chosen_of_a_program_too(load: Load, files: Path) -> None:
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    classifier = load(**content("onnx", str(files / "any.onnx"), logits={"subset": order}))
    pixels = torch.rand(3, 3, 8, 8)
    with torch.inference_mode():
        chosen = settle(classifier, [classifier.module(pixels)], 3).module(pixels)
        torch.testing.assert_close(chosen, NETWORK(pixels)[:, order])


def test_an_output_by_name(load: Load, refused: Refused, files: Path) -> None:
    same_predictions(load(**content("onnx", str(files / "any.onnx"), output="scores")))
    says(refused(**content("onnx", str(files / "any.onnx"), output="logits")), where="model m")


class Several(nn.Module):
    """The network with more to say than its logits; `form` is how."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.network, self.form = NETWORK, form

    def forward(self, x: torch.Tensor) -> Any:
        scores = self.network(x)
        if self.form == "softmax":
            return scores.softmax(dim=1)
        features = x.mean(dim=(2, 3))
        return {"dict": {"features": features, "scores": scores}, "two": (2 * scores, scores)}.get(
            self.form, (features, scores)
        )


@pytest.fixture(scope="module")
def of_several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such networks in each format, for exactly two images at a time."""
    folder = tmp_path_factory.mktemp("several")
    pixels = (torch.rand(2, 3, 8, 8),)
    for form in ("tuple", "two", "softmax", "dict"):
        network = Several(form).eval()
        torch.export.save(torch.export.export(network, pixels), folder / f"{form}.pt2")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(network, pixels[0], strict=False).save(str(folder / f"{form}.ts"))  # pyright: ignore
            if form != "dict":
                names = ["scores"] if form == "softmax" else ["first", "second"]
                settings: dict[str, Any] = {"dynamo": False, "input_names": ["image"], "output_names": names}
                torch.onnx.export(network, pixels, folder / f"{form}.onnx", **settings)
    return folder


SOURCES = [("onnx", "onnx"), ("exported", "pt2"), ("torchscript", "ts")]


@pytest.mark.parametrize("source, suffix", SOURCES)
@pytest.mark.parametrize("form, output", [("tuple", None), ("dict", None), ("two", 1)])
def test_one_of_several_outputs(
    load: Load, of_several: Path, source: str, suffix: str, form: str, output: int | None
) -> None:
    if (source, form) != ("onnx", "dict"):  # ONNX itself names its outputs
        weights = str(of_several / f"{form}.{suffix}")
        classifier = load(**content(source, weights, **({} if output is None else {"output": output})))
        same_predictions(classifier, size=2 if source == "torchscript" else 4)


@pytest.mark.parametrize("source, suffix", SOURCES)
def test_which_of_two_must_be_said(load: Load, of_several: Path, source: str, suffix: str) -> None:
    classifier = load(**content(source, str(of_several / f"two.{suffix}")))
    with pytest.raises(ModelError) as caught:
        settle(classifier, [classifier.module(torch.rand(2, 3, 8, 8))], 2)
    first, second = ("first", "second") if source == "onnx" else ("0", "1")
    says(
        caught.value,
        where="model m",
        found=f"{first}: (2, 10), {second}: (2, 10)",
        fix=f"choose one, as with output: {first}",
    )


@pytest.mark.parametrize("source, suffix", SOURCES)
def test_a_softmax_at_the_end_is_recognised(load: Load, of_several: Path, source: str, suffix: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    execution = Execution(torch.device("cpu"), "fp32", 2, "contiguous")
    batches = [images[start : start + 2] for start in range(0, 10, 2)]
    classifier = settle_outputs(load(**content(source, str(of_several / f"softmax.{suffix}"))), images, execution)
    plain = Classifier("m", NETWORK, classifier.preprocess, TEN)
    expected, found = (predict_batches(one, batches, execution) for one in (plain, classifier))
    np.testing.assert_array_equal(found.top, expected.top)
    np.testing.assert_allclose(found.prob, expected.prob, rtol=1e-5)


def test_labels_beside_the_probabilities_of_an_onnx_file(load: Load, refused: Refused, tmp_path: Path) -> None:
    """As scikit-learn's classifiers are exported: labels first, then probabilities."""
    onnx = pytest.importorskip("onnx")
    helper, floats, whole = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["mean"], ["label"], axis=1, keepdims=0),
    ]
    image = helper.make_tensor_value_info("image", floats, ["n", 3, "h", "w"])
    outputs = [
        helper.make_tensor_value_info("label", whole, ["n"]),
        helper.make_tensor_value_info("probabilities", floats, ["n", 3]),
    ]
    for name, kept in (("both", outputs), ("labels", outputs[:1])):
        graph = helper.make_graph(nodes, "classifier", [image], kept)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
    values = torch.rand(5, 3, 2, 2)
    module = load(**content("onnx", "both.onnx")).module
    torch.testing.assert_close(module(values)["probabilities"], values.mean(dim=(2, 3)).softmax(dim=1))
    message = refused(**content("onnx", "labels.onnx"))
    assert message.startswith(
        "no output of the ONNX file is a tensor of floats\n  where:    model m\n  found:    label: "
    )


def test_weights_beside_an_onnx_file_are_not_opened(
    refused: Refused, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be read without having been hashed."""
    assert (files / "apart.onnx.data").is_file()
    # onnxruntime looks for them in the working folder, and would find them there.
    monkeypatch.chdir(files)
    message = refused(**content("onnx", str(files / "apart.onnx")))
    says(message, where=f"model m, {files / 'apart.onnx'}", found="apart.onnx.data")


@pytest.mark.parametrize("source, file", [("onnx", "any.onnx"), ("exported", "any.pt2")])
def test_what_runs_is_what_was_hashed(
    refused: Refused, files: Path, monkeypatch: pytest.MonkeyPatch, source: str, file: str
) -> None:
    """A file that somebody replaces between the two is neither checked nor run as the one that it was."""
    monkeypatch.setattr(weights_module, "sha256_of", lambda path: "0" * 64)
    assert "the file changed while it was read" in refused(**content(source, str(files / file)))


def test_a_network_exported_in_training_mode(refused: Refused, files: Path) -> None:
    """Batch norm would use the other images of the batch, and dropout would predict by chance."""
    says(
        refused(**content("exported", str(files / "training.pt2"))),
        where=f"model m, {files / 'training.pt2'}",
        found="aten.batch_norm.default that trains",
    )


@pytest.mark.parametrize(
    "source, problem",
    [
        ("exported", "the exported program cannot be read"),
        ("torchscript", "the TorchScript file cannot be read"),
        ("onnx", "the ONNX file cannot be read"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><html>", b"PK\x03\x04 and so on"])
def test_another_file(refused: Refused, tmp_path: Path, source: str, problem: str, body: bytes) -> None:
    (tmp_path / "w").write_bytes(body)
    assert refused(**content(source, "w")).startswith(f"{problem}\n  where:    model m, HERE/w\n  found:    ")


def test_a_missing_library_is_named(refused: Refused, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    says(
        refused(**content("onnx", str(files / "any.onnx"))),
        where="model m",
        found="import of onnxruntime halted; None in sys.modules",
    )


@pytest.mark.parametrize("source", ["exported", "torchscript", "onnx"])
def test_a_download_that_is_run_has_a_hash(model_of: Callable[..., Any], source: str) -> None:
    url = "https://example.org/w"
    with pytest.raises(ValidationError, match="a file that is executed needs a known sha256"):
        model_of(**content(source, url, sha256="unknown"))
    with pytest.raises(ValidationError, match="no file is opened before its checksum is verified"):
        model_of(**content(source, url))
    assert model_of(**content(source, url, sha256="12fca82f")).sha256 == "12fca82f"


def test_filling_up_changes_no_prediction() -> None:
    for count in (1, 2, 3, 4, 7):
        pixels = torch.rand(count, 3, 8, 8)
        torch.testing.assert_close(InBatchesOf(NETWORK, 3)(pixels), NETWORK(pixels))


FUNCTIONS = """
import numpy as np

from beside import SHARPNESS


def by_colour(images, classes=10):
    mean = images.mean(axis=(1, 2))
    return SHARPNESS * mean @ np.arange(3 * classes).reshape(3, classes) % 7


def labels(images):
    return np.zeros(len(images), int)
"""


class TestNumpy:
    CONTENT = {"source": "numpy", "classes": "ten", "preprocess": {"scale": 255}}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def code(self, tmp_path: Path) -> None:
        (tmp_path / "functions.py").write_text(FUNCTIONS)
        (tmp_path / "beside.py").write_text("SHARPNESS = 3.0\n")

    def test_scores_of_preprocessed_images(self, load: Load) -> None:
        classifier = load(**self.CONTENT, function="functions.py:by_colour", arguments={"classes": 10})
        images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
        execution = Execution(torch.device("cpu"), "fp32", 2, "contiguous")
        batches = [images[:2], images[2:4], images[4:]]
        logits = predict_batches(classifier, batches, execution, keep_logits=True).logits
        colours = images.astype(np.float32).mean(axis=(1, 2))
        np.testing.assert_allclose(logits, 3.0 * colours @ np.arange(30).reshape(3, 10) % 7, rtol=1e-4, atol=1e-3)  # pyright: ignore

    def test_labels_are_no_scores(self, load: Load, complaint: Callable[..., str]) -> None:
        from evalshift.errors import ModelError

        classifier = load(**self.CONTENT, function="functions.py:labels")
        says(
            complaint(ModelError, classifier.module, torch.zeros(2, 3, 8, 8)),
            where="model m",
            found="int64, shape (2,)",
        )

    def test_an_edited_function_is_another_model(self, model_of: Callable[..., Any], tmp_path: Path) -> None:
        entry = model_of(**self.CONTENT, function="functions.py:by_colour")
        before = entry.identity()
        (tmp_path / "functions.py").write_text(FUNCTIONS.replace("% 7", "% 5"))
        assert entry.identity() != before
