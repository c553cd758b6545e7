from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from classifiers import TEN, Load, Refused
from pydantic import ValidationError
from torch import nn

from evalshift.evaluate.fusion import fuse
from evalshift.testbed.model_entries import Logits
from evalshift.testbed.models import Classifier
from evalshift.testbed.models.outputs import ChosenOutputs
from evalshift.testbed.preprocessing import Preprocess

PYTHON: dict[str, Any] = {"source": "python", "function": "torch.nn:Linear", "classes": "ten", "preprocess": {}}


def linear(outputs: int) -> dict[str, Any]:
    return {**PYTHON, "arguments": {"in_features": 4, "out_features": outputs}}


def answers(classifier: Classifier) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network as it comes and the one with its outputs chosen say of the same four pixels."""
    pixels = torch.linspace(-1, 1, 4)[None]
    assert isinstance(classifier.module, ChosenOutputs)
    return classifier.module.module(pixels), classifier.module(pixels)


def test_trap_15_a_background_class_put_first_is_dropped(load: Load) -> None:
    """Networks from TensorFlow have 1,001 outputs; left as they are, every answer is one class too high."""
    plain, chosen = answers(load(**linear(11), logits={"drop": 0}))
    assert torch.equal(chosen, plain[:, 1:])


def test_outputs_anywhere_are_dropped(load: Load) -> None:
    plain, chosen = answers(load(**linear(12), logits={"drop": [11, 3]}))
    assert torch.equal(chosen, plain[:, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]])


def test_trap_16_outputs_in_another_order_are_put_into_that_of_the_classes(load: Load) -> None:
    """Devkit numbers and the order of 2015 are not that of sorted wnids."""
    order = [4, 1, 0, 9, 8, 30, 22, 7, 3, 2]
    plain, chosen = answers(load(**linear(40), logits={"subset": order}))
    assert torch.equal(chosen, plain[:, order])


class Wrapped(nn.Module):
    """Gives its logits as Hugging Face's networks do."""

    def forward(self, x: torch.Tensor) -> Any:
        return type("Output", (), {"logits": x})


def test_outputs_that_are_wrapped() -> None:
    pixels = torch.arange(11.0)[None]
    assert torch.equal(ChosenOutputs(Wrapped(), list(range(1, 11)), 11)(pixels), pixels[:, 1:])


def test_a_network_with_another_number_of_outputs_is_not_cut_to_fit(load: Load) -> None:
    """1,500 outputs less the first, and then the first 1,000 of those, would look right and be wrong."""
    with pytest.raises(AssertionError, match=r"^logits\.drop is for a network with 11 outputs$"):
        load(**linear(15), logits={"drop": 0}).module(torch.zeros(1, 4))


def test_a_network_whose_outputs_are_chosen_is_still_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 11))
    plain = Classifier("m", ChosenOutputs(network, list(range(1, 11)), 11).eval(), Preprocess(), TEN)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    fused = fuse(plain, images)
    assert fused is not None
    pixels = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(fused.module(pixels), plain.module(pixels))


def test_outputs_that_cannot_be_the_classes(refused: Refused) -> None:
    assert refused(**linear(11), logits={"drop": 11}) == (
        "logits.drop names an output that is not there\n"
        "  where:    model m\n"
        "  found:    11\n"
        "  expected: 0 to 10: 10 classes of ten and 1 to drop"
    )
    assert refused(**linear(11), logits={"subset": [3, 1]}) == (
        "logits.subset does not name an output for each class\n"
        "  where:    model m\n"
        "  found:    2 outputs\n"
        "  expected: 10, one a class of ten, in its order"
    )


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "give either drop or subset"),
        ({"drop": 0, "subset": [1]}, "give either drop or subset"),
        ({"drop": [0, 0]}, "an output stands twice in drop"),
        ({"subset": [1, 2, 1]}, "an output stands twice in subset"),
        ({"drop": -1}, "greater than or equal to 0"),
        ({"drop": True}, "valid tuple"),
    ],
)
def test_a_rule_that_cannot_be(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Logits(**content)


def test_which_outputs_count_belongs_to_what_can_change_an_answer(model_of: Callable[..., Any]) -> None:
    plain, dropped = model_of(**linear(11)), model_of(**linear(11), logits={"drop": 0})
    assert dropped.identity() == {**plain.identity(), "logits": {"drop": [0]}}
