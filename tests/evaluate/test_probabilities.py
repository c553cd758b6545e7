"""Networks that end in a softmax: their numbers are the probabilities, whatever their source, dataset and precision."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from messages import says
from scipy.special import softmax
from torch import nn

import evalshift as es
from evalshift.errors import ModelError
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import InferenceResult, predict_batches, settle_outputs
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.models import Classifier
from evalshift.testbed.views import View

CPU = torch.device("cpu")
MakeClassifier = Callable[..., Classifier]
MakeDataset = Callable[..., Dataset]
Numbered = Callable[..., np.ndarray]

LOGITS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32) * 3
LETTERS = ClassSpace("letters", tuple("abcd"))
KEPT = View("kept", LETTERS, (None, 1, None, 3), LETTERS)
FOLDED = View("folded", LETTERS, (1, 0, None, 1), ClassSpace("two", ("middle", "end")))


def infer(
    classifier: Classifier, images: np.ndarray, size: int = 7, precision: str = "fp32", **options: Any
) -> InferenceResult:
    """Settled on the images and run, as `run` does."""
    execution = Execution(CPU, precision, size, "contiguous")
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    return predict_batches(settle_outputs(classifier, images, execution), parts, execution, **options)


def with_last(network: nn.Module, last: nn.Module) -> nn.Module:
    return nn.Sequential(network, last).eval()


@pytest.mark.parametrize("view", [None, KEPT, FOLDED])
@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1)])
def test_with_and_without_its_softmax_a_network_predicts_the_same(
    make_classifier: MakeClassifier, numbered: Numbered, view: View | None, last: nn.Module
) -> None:
    plain = make_classifier(LOGITS)
    expected = infer(plain, numbered(40), view=view)
    found = infer(replace(plain, module=with_last(plain.module, last)), numbered(40), view=view)
    np.testing.assert_array_equal(found.top, expected.top)
    np.testing.assert_allclose(found.prob, expected.prob, rtol=1e-5)
    if view is None:
        np.testing.assert_allclose(expected.prob, softmax(LOGITS, axis=1).max(axis=1), rtol=1e-5)


def test_the_logits_that_are_kept_are_logarithms_of_the_probabilities(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    probabilities = softmax(LOGITS, axis=1)
    probabilities[3] = [0, 1, 0, 0]
    kept = infer(make_classifier(probabilities), numbered(40), keep_logits=True).logits
    assert kept is not None
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(kept, np.log(probabilities), rtol=1e-5)
    np.testing.assert_allclose(softmax(kept, axis=1), probabilities, rtol=1e-5)


def test_numbers_that_differ_in_the_last_digit_alone_keep_their_order(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    """Logarithms in single precision would make them equal, and the lower class number would win."""
    less = np.float32(0.005)
    more = np.nextafter(less, np.float32(1))
    assert np.log(more) == np.log(less)
    predictions = infer(make_classifier([[less, more, 0.5, 0.49], [0.4, 0.3, 0.2, 0.1]]), numbered(2))
    assert predictions.top[0].tolist() == [2, 3, 1, 0]


def test_bf16_does_not_hide_the_softmax(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    class Half(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.bfloat16().softmax(dim=1)

    plain = make_classifier(LOGITS)
    found = infer(replace(plain, module=with_last(plain.module, Half())), numbered(40), precision="bf16")
    np.testing.assert_allclose(found.prob, infer(plain, numbered(40)).prob, atol=0.02)


def test_a_background_class_is_dropped_and_the_rest_sums_to_1(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    table = np.c_[np.full(40, 1.0), LOGITS]
    classifier = make_classifier(softmax(table, axis=1), 4)
    predictions = infer(replace(classifier, logits=Logits(drop=(0,))), numbered(40))
    np.testing.assert_allclose(predictions.prob, softmax(LOGITS, axis=1).max(axis=1), rtol=1e-5)


def test_the_logits_of_another_network_are_left_alone(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    positive = np.abs(LOGITS)
    predictions = infer(make_classifier(positive), numbered(40))
    np.testing.assert_allclose(predictions.prob, softmax(positive, axis=1).max(axis=1), rtol=1e-5)


def test_what_only_looked_like_probabilities_is_refused(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    """It is decided once: a later image is never read otherwise without a word."""
    table = np.r_[np.eye(4)[[0, 1, 2, 3] * 4], [[2.0, -1.0, 0.0, 0.0]]]
    execution = Execution(CPU, "fp32", 4, "contiguous")
    classifier = settle_outputs(make_classifier(table), numbered(16), execution)
    with pytest.raises(ModelError) as caught:
        predict_batches(classifier, [numbered(17)], execution, ids=[f"{number}.png" for number in range(17)])
    says(caught.value, where="model table, image 16.png", found="a row with a lowest number of -1 and a sum of 1")


@pytest.mark.parametrize("said, prob", [(True, 0.5), (False, np.e**2 / (np.e**2 + np.e + 2))])
def test_the_entry_says_what_they_are(
    make_classifier: MakeClassifier, numbered: Numbered, said: bool, prob: float
) -> None:
    # Sigmoids of each class, or any other numbers in proportion to the probabilities, are divided by their sum.
    classifier = make_classifier([[1.0, 0.0, 2.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    predictions = infer(replace(classifier, logits=Logits(probabilities=said)), numbered(2))
    expected = 2 / 3 if said else prob
    assert predictions.prob[0] == pytest.approx(expected)


def test_a_not_a_number_is_still_refused(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    table = np.r_[np.eye(4), [[np.nan, 0.0, 0.0, 1.0]]]
    execution = Execution(CPU, "fp32", 4, "contiguous")
    classifier = settle_outputs(make_classifier(table), numbered(4), execution)
    assert classifier.settled is not None
    assert classifier.settled.probabilities
    with pytest.raises(
        ModelError, match=r"logits that are not finite\n  where:    model table, image 4\n  found:    nan"
    ):
        predict_batches(classifier, [numbered(5)], execution)


def test_nothing_is_ranked_where_all_that_a_view_looks_at_has_a_probability_of_0(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    with pytest.raises(ModelError) as caught:
        infer(make_classifier([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]), numbered(2), view=KEPT)
    says(caught.value, where="model table, image 1", found="0 for each of the 2 classes of kept")


class TestInPython:
    def test_provenance_says_what_the_outputs_were(
        self, make_classifier: MakeClassifier, make_dataset: MakeDataset
    ) -> None:
        plain = make_classifier(LOGITS).module
        options: dict[str, Any] = {"preprocess": {"scale": 255}, "device": "cpu"}
        expected = es.predict(plain, make_dataset(40), **options)
        found = es.predict(with_last(plain, nn.Softmax(dim=1)), make_dataset(40), **options)
        assert expected.provenance.output_kind == "logits"
        assert found.provenance.output_kind == "probabilities"
        assert found.prob is not None
        assert expected.prob is not None
        np.testing.assert_allclose(found.prob, expected.prob, rtol=1e-5)

    def test_an_output_is_chosen(self, make_classifier: MakeClassifier, make_dataset: MakeDataset) -> None:
        class Two(nn.Module):
            def forward(self, x: torch.Tensor) -> Any:
                return x[:, 0, 0, :4] * 0, {"aux": 1 + x[:, 0, 0, :4]}

        options: dict[str, Any] = {"preprocess": {"scale": 255}, "device": "cpu"}
        found = es.predict(Two(), make_dataset(6), output=1, **options)
        assert found.provenance.output == "1.aux"
        assert found.top[:, 0].tolist() == [0] * 6
        with pytest.raises(ModelError, match="several outputs could be the logits"):
            es.predict(Two(), make_dataset(6), **options)

    def test_one_output_for_two_classes(self, make_dataset: MakeDataset) -> None:
        class One(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x[:, 0, 0, 0] - 2.5

        found = es.predict(
            One(), make_dataset(6, classes=2), preprocess={"scale": 255}, logits={"sigmoid": True}, device="cpu"
        )
        assert found.top[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
        with pytest.raises(es.EvalshiftError, match=r"^logits\.sigmoid is for two classes"):
            es.predict(One(), make_dataset(6), preprocess={}, logits={"sigmoid": True}, device="cpu")
        with pytest.raises(es.EvalshiftError, match=r'^logits has no "sigmoids"'):
            es.predict(One(), make_dataset(6), preprocess={}, logits={"sigmoids": True}, device="cpu")


def test_a_run_stores_it(project: Any) -> None:
    (project.path / "ends.py").write_text(
        "from networks import shades\nfrom torch import nn\n\n\n"
        "def softmax():\n    return nn.Sequential(shades(), nn.Softmax(dim=1))\n\n\n"
        "def labelled(images):\n    probabilities = -10 * abs(images.mean(axis=(1, 2)) - [[0.1, 0.4, 0.6, 0.9]])\n"
        "    probabilities = __import__('numpy').exp(probabilities)\n"
        "    return {'labels': probabilities.argmax(1), 'p': probabilities / probabilities.sum(1, keepdims=True)}\n"
    )
    project.model("logits")
    project.model("softmax", function="softmax")
    project.content["models"]["softmax"]["function"] = "ends.py:softmax"
    project.model("numpy", source="numpy")
    project.content["models"]["numpy"]["function"] = "ends.py:labelled"
    results = project.run(save_logits=True)[0]
    assert results.failures == ()
    for dataset in ("old", "new"):
        stored = {name: results.load_predictions(dataset, name) for name in ("logits", "softmax", "numpy")}
        kinds = {name: (one.provenance.output_kind, one.provenance.output) for name, one in stored.items()}
        assert kinds == {
            "logits": ("logits", None),
            "softmax": ("probabilities", None),
            "numpy": ("probabilities", "p"),
        }
        for name in ("softmax", "numpy"):
            np.testing.assert_array_equal(stored[name].top, stored["logits"].top)
            np.testing.assert_allclose(stored[name].prob, stored["logits"].prob, rtol=1e-3)
        kept = [np.load(results.logits_file(dataset, name)).astype(np.float64) for name in stored]
        for one in kept[1:]:
            np.testing.assert_allclose(softmax(one, axis=1), softmax(kept[0], axis=1), atol=0.01)
