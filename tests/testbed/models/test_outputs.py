"""Which of a network's outputs are the classes."""

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import TEN, Load, Refused
from messages import says
from pydantic import ValidationError
from torch import nn

from evalshift.errors import ModelError
from evalshift.evaluate.fusion import fuse
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.outputs import are_probabilities, settle
from evalshift.testbed.preprocessing import Preprocess

PYTHON: dict[str, Any] = {"source": "python", "function": "torch.nn:Linear", "classes": "ten", "preprocess": {}}
SCORES = torch.linspace(-1, 1, 30).reshape(3, 10)
OTHER = torch.zeros(3, 10)
FEATURES = torch.zeros(3, 64)
TWO = ClassSpace("two", ("cat", "dog"))


def linear(outputs: int) -> dict[str, Any]:
    return {**PYTHON, "arguments": {"in_features": 4, "out_features": outputs}}


def scores_of(classifier: Classifier) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network as it comes and the one whose outputs are settled give for the same four pixels."""
    pixels = torch.linspace(-1, 1, 4)[None]
    plain = classifier.module(pixels)
    return plain, settle(classifier, [plain], 1).module(pixels)


class Returns(nn.Module):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> Any:
        return self.value


def settled(value: Any, space: ClassSpace = TEN, **rule: Any) -> Classifier:
    """A classifier of a network that returns `value` for three images, with its outputs settled."""
    return settle(Classifier("m", Returns(value), Preprocess(), space, **rule), [value], 3)


def taken(value: Any, space: ClassSpace = TEN, **rule: Any) -> tuple[str | None, torch.Tensor]:
    """The name of the output that is taken, and the logits."""
    found = settled(value, space, **rule)
    assert found.settled is not None
    return found.settled.output, found.module(torch.zeros(3, 1))


@pytest.fixture
def complaint_of(complaint: Callable[..., str]) -> Callable[..., str]:
    return lambda *value, **rule: complaint(ModelError, lambda: settled(*value, **rule))


def test_trap_15_a_background_class_put_first_is_dropped(load: Load) -> None:
    """Networks from TensorFlow have 1,001 outputs; left as they are, every prediction is one class too high."""
    plain, chosen = scores_of(load(**linear(11), logits={"drop": 0}))
    assert torch.equal(chosen, plain[:, 1:])


def test_outputs_anywhere_are_dropped(load: Load) -> None:
    plain, chosen = scores_of(load(**linear(12), logits={"drop": [11, 3]}))
    assert torch.equal(chosen, plain[:, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]])


def test_trap_16_outputs_in_another_order_are_put_into_that_of_the_classes(load: Load) -> None:
    """Devkit numbers and the order of 2015 are not that of sorted wnids."""
    order = [4, 1, 0, 9, 8, 30, 22, 7, 3, 2]
    plain, chosen = scores_of(load(**linear(40), logits={"subset": order}))
    assert torch.equal(chosen, plain[:, order])


def test_a_network_with_another_number_of_outputs_is_not_cut_to_fit(complaint_of: Callable[..., str]) -> None:
    """1,500 outputs less the first, and then the first 1,000 of those, would look right and be wrong."""
    says(complaint_of(torch.zeros(3, 15), logits=Logits(drop=(0,))), where="model m", found="15 outputs")
    says(complaint_of(torch.zeros(3, 15), logits=Logits(subset=(*range(9), 20))), where="model m", found="15 outputs")


class Several(nn.Module):
    """A convolutional network that returns its logits beside its features."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * 36, 11)

    def forward(self, x: torch.Tensor) -> Any:
        features = self.body(x)
        return {"logits": self.head(features), "features": features}


def test_a_network_whose_outputs_are_chosen_is_still_fused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    pixels = torch.rand(2, 3, 8, 8)
    network = Several().eval()
    classifier = Classifier("m", network, Preprocess(), TEN, logits=Logits(drop=(0,)))
    plain = settle(classifier, [network(pixels)], 2)
    fused = fuse(plain, images)
    assert fused is not None
    torch.testing.assert_close(plain.module(pixels), network(pixels)["logits"][:, 1:])
    torch.testing.assert_close(fused.module(pixels), plain.module(pixels))


@dataclass
class Output:
    scores: torch.Tensor
    hidden: Any = None


Named = namedtuple("Named", "main aux")  # as torchvision's


@pytest.mark.parametrize(
    "value, name",
    [
        ((SCORES, FEATURES), "0"),
        ([FEATURES, SCORES], "1"),
        ((SCORES,), "0"),
        ({"features": FEATURES, "out": SCORES}, "out"),
        ({"logits": SCORES, "loss": torch.tensor(0.5), "labels": None}, "logits"),
        (((SCORES, [FEATURES]), None), "0.0"),
        ({"head": {"scores": SCORES}, "tokens": torch.zeros(3, 10, 10)}, "head.scores"),
        (Named(SCORES, FEATURES), "main"),
        (Output(SCORES, (FEATURES, FEATURES)), "scores"),
        (SimpleNamespace(logits=SCORES), "logits"),
        # Of several that would do, the one that is called logits: DeiT's teacher, Inception's auxiliary head.
        ({"logits": SCORES, "cls_logits": OTHER, "distillation_logits": OTHER}, "logits"),
        (SCORES[:, :, None, None], None),
        ((SCORES[:, :, None, None], FEATURES), "0"),
    ],
)
def test_the_only_output_with_a_number_per_class_is_taken(value: Any, name: str | None) -> None:
    found, scores = taken(value)
    assert found == name
    assert torch.equal(scores, SCORES)


@pytest.mark.parametrize(
    "value, output, name",
    [
        ((SCORES, OTHER), 0, "0"),
        ((OTHER, SCORES), 1, "1"),
        ((OTHER, SCORES), "1", "1"),
        ({"cls": SCORES, "dist": OTHER}, "cls", "cls"),
        ({"cls": OTHER, "dist": SCORES}, 1, "dist"),
        ({"logits": OTHER, "dist": SCORES}, "dist", "dist"),
        (Named(OTHER, SCORES), "aux", "aux"),
        (Named(OTHER, SCORES), 1, "aux"),
        ((OTHER, (SCORES, FEATURES)), 1, "1.0"),
        ((OTHER, (OTHER, SCORES)), "1.1", "1.1"),
        ({"a.b": SCORES, "c": OTHER}, "a.b", "a.b"),
    ],
)
def test_an_output_by_number_or_name(value: Any, output: int | str, name: str) -> None:
    found, scores = taken(value, output=output)
    assert found == name
    assert torch.equal(scores, SCORES)


def test_of_several_that_would_do_one_must_be_chosen(complaint_of: Callable[..., str]) -> None:
    """DeiT's two heads while it is distilled: their mean is the network's, either alone is another model."""
    says(complaint_of((SCORES, OTHER, FEATURES)), where="model m", found="0: (3, 10), 1: (3, 10)")
    assert complaint_of({"logits_a": SCORES, "b": (OTHER, OTHER)}, output="b").splitlines()[2] == (
        "  found:    b.0: (3, 10), b.1: (3, 10)"
    )


def test_an_output_that_is_not_there(complaint_of: Callable[..., str]) -> None:
    says(
        complaint_of({"scores": SCORES, "features": FEATURES}, output="score"),
        where="model m",
        found="scores: (3, 10), features: (3, 64)",
    )
    says(complaint_of(SCORES, output=0), where="model m", found="a single tensor (3, 10)")
    assert complaint_of((SCORES, FEATURES), output=1).startswith("unexpected number of outputs\n")


def test_segmentation_is_not_classification(complaint_of: Callable[..., str]) -> None:
    maps = torch.zeros(3, 10, 7, 7)
    pooled = "a number per class and pixel, as in segmentation, is none per image; the network needs a pooled head"
    says(
        complaint_of({"out": maps, "aux": maps}),
        where="model m",
        found="out: (3, 10, 7, 7), aux: (3, 10, 7, 7)",
        fix=pooled,
    )
    says(complaint_of(maps), where="model m", found="(3, 10, 7, 7)", fix=pooled)


@pytest.mark.parametrize("value", [torch.zeros(3, 1), torch.zeros(3)])
def test_one_output_names_the_rule_for_two_classes(complaint_of: Callable[..., str], value: torch.Tensor) -> None:
    assert complaint_of(value, TWO).endswith(
        "\n  fix:      one output for two classes is read with logits: {sigmoid: true}, as the score of the second "
        "class"
    )


class TestSigmoid:
    RULE = Logits(sigmoid=True)

    @pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1, 1)])
    def test_a_logit_is_that_of_the_second_class(self, shape: tuple[int, ...]) -> None:
        logits = torch.tensor([-2.0, 0.5, 3.0])
        found = settled(logits.reshape(shape), TWO, logits=self.RULE)
        assert found.settled is not None
        assert not found.settled.probabilities
        probabilities = found.module(torch.zeros(3, 1)).softmax(dim=1)
        torch.testing.assert_close(probabilities[:, 1], logits.sigmoid())

    def test_a_sigmoid_is_the_probability_of_the_second_class(self) -> None:
        found = settled(torch.tensor([[0.0], [0.25], [1.0]]), TWO, logits=self.RULE)
        assert found.settled is not None
        assert found.settled.probabilities
        assert found.module(torch.zeros(3, 1)).tolist() == [[1.0, 0.0], [0.75, 0.25], [0.0, 1.0]]

    def test_the_entry_says_which_where_logits_happen_to_lie_from_0_to_1(self) -> None:
        rule = Logits(sigmoid=True, probabilities=False)
        scores = taken(torch.tensor([[0.1], [0.25], [1.0]]), TWO, logits=rule)[1]
        assert scores.argmax(dim=1).tolist() == [1, 1, 1]

    def test_an_output_for_the_first_class(self) -> None:
        rule = Logits(sigmoid=True, subset=(1, 0))
        scores = taken(torch.tensor([[-2.0], [2.0], [3.0]]), TWO, logits=rule)[1]
        assert scores.argmax(dim=1).tolist() == [1, 0, 0]

    def test_one_of_several_outputs(self) -> None:
        name, scores = taken((torch.tensor([[-2.0], [2.0], [3.0]]), FEATURES), TWO, logits=self.RULE)
        assert (name, scores.argmax(dim=1).tolist()) == ("0", [0, 1, 1])

    def test_two_outputs_are_none(self, complaint_of: Callable[..., str]) -> None:
        says(complaint_of(torch.zeros(3, 2), TWO, logits=self.RULE), where="model m", found="2 outputs")

    def test_of_more_classes(self, refused: Refused) -> None:
        says(refused(**linear(1), logits={"sigmoid": True}), where="model m", found="10 classes of ten")


class TestProbabilities:
    """Outputs are taken as probabilities where all rows are, but for rounding, and for nothing else."""

    def rows(self, classes: int, images: int = 64, scale: float = 4.0) -> torch.Tensor:
        return scale * torch.randn(images, classes, generator=torch.Generator().manual_seed(classes))

    @pytest.mark.parametrize("classes", [2, 10, 1_000])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("scale", [0.0, 0.5, 4.0, 50.0])
    def test_a_softmax_in_any_precision(self, classes: int, dtype: torch.dtype, scale: float) -> None:
        assert are_probabilities(self.rows(classes, scale=scale).softmax(dim=1).to(dtype))
        assert are_probabilities(self.rows(classes, scale=scale).to(dtype).softmax(dim=1))

    @pytest.mark.parametrize("classes", [2, 10, 1_000])
    def test_other_outputs(self, classes: int) -> None:
        rows = self.rows(classes)
        others = [
            rows,
            rows.relu(),  # logits that happen to be non-negative
            rows.log_softmax(dim=1),
            rows.sigmoid(),  # of each class by itself
            rows.softmax(dim=1) - 1e-4,
            2 * rows.softmax(dim=1),
            torch.nn.functional.normalize(rows.relu(), dim=1),
            torch.zeros(64, classes),
            torch.full((64, classes), torch.nan),
            torch.cat([rows.softmax(dim=1), rows[:1]]),
        ]
        assert [are_probabilities(one) for one in others] == [False] * len(others)

    def test_least_squares_on_one_hot_labels(self) -> None:
        """Its rows sum to 1 too, but some numbers fall below 0."""
        rng = np.random.default_rng(0)
        features, labels = rng.normal(size=(200, 20)), np.eye(4)[rng.integers(0, 4, 200)]
        design = np.c_[np.ones(200), features]
        rows = torch.from_numpy(design @ np.linalg.lstsq(design, labels, rcond=None)[0])
        torch.testing.assert_close(rows.sum(dim=1), torch.ones(200, dtype=torch.float64))
        assert not are_probabilities(rows)

    def test_all_batches_must_look_so(self) -> None:
        classifier = Classifier("m", Returns(None), Preprocess(), TEN)
        one_hot = torch.eye(10)[:3]
        for later, expected in ((one_hot, True), (SCORES, False)):
            found = settle(classifier, [one_hot, later], 3).settled
            assert found is not None
            assert found.probabilities is expected

    @pytest.mark.parametrize("said", [True, False])
    def test_the_entry_wins(self, said: bool) -> None:
        for value in (SCORES.abs(), SCORES.softmax(dim=1)):
            found = settled(value, logits=Logits(probabilities=said)).settled
            assert found is not None
            assert found.probabilities is said

    def test_a_background_class_counts_before_it_is_dropped(self) -> None:
        value = torch.cat([SCORES, SCORES[:, :1]], dim=1).softmax(dim=1)
        found = settled(value, logits=Logits(drop=(0,)))
        assert dataclasses.astuple(found.settled) == (None, True, False)  # pyright: ignore[reportArgumentType]
        assert torch.equal(found.module(torch.zeros(3, 1)), value[:, 1:])


def test_outputs_that_cannot_be_the_classes(refused: Refused) -> None:
    says(refused(**linear(11), logits={"drop": 11}), where="model m", found="11")
    says(refused(**linear(11), logits={"subset": [3, 1]}), where="model m", found="2 outputs")


@pytest.mark.parametrize(
    "content, message",
    [
        ({"drop": 0, "subset": [1]}, "give either drop or subset"),
        ({"drop": [0, 0]}, "duplicate output in drop"),
        ({"subset": [1, 2, 1]}, "duplicate output in subset"),
        ({"drop": -1}, "greater than or equal to 0"),
        ({"drop": True}, "valid tuple"),
        ({"sigmoid": True, "drop": 0}, r"give subset: \[1, 0\] to exchange them, or neither"),
        ({"sigmoid": True, "subset": [0, 2]}, r"give subset: \[1, 0\] to exchange them, or neither"),
        ({"sigmoid": 1}, "valid boolean"),
        ({"probabilities": "yes"}, "valid boolean"),
    ],
)
def test_a_rule_that_cannot_be(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Logits(**content)


@pytest.mark.parametrize("output", [True, -1, "", 1.5, [0]])
def test_a_name_that_no_output_has(model_of: Callable[..., Any], output: Any) -> None:
    with pytest.raises(ValidationError, match="output"):
        model_of(**linear(10), output=output)


def test_which_outputs_count_belongs_to_what_can_change_a_prediction(model_of: Callable[..., Any]) -> None:
    plain = model_of(**linear(11))
    for rule in ({"logits": {"drop": [0]}}, {"logits": {"probabilities": True}}, {"output": 0}, {"output": "logits"}):
        assert model_of(**linear(11), **rule).identity() == {**plain.identity(), **rule}
