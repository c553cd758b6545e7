import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.evaluate import compilation
from evalshift.evaluate.compilation import compile_if_quicker
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import forward
from evalshift.evaluate.options import Options
from evalshift.evaluate.preparation import prepare
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier

CPU = torch.device("cpu")
PLAIN = Execution(CPU, "fp32", 4, "contiguous", streams=2, fused=True)


def test_short_work_is_not_compiled(make_classifier: Callable[..., Classifier]) -> None:
    classifier = make_classifier([[1.0, 0.0]], 2)
    chosen = compile_if_quicker(classifier, PLAIN, classifier, 10_000, lambda *_: 0.001)
    assert chosen == (classifier, PLAIN, {"torch.compile": "10.0 s of work do not justify it"})


@pytest.mark.parametrize("compiled_pace, taken", [(0.5, True), (0.98, False), (2.0, False)])
def test_the_compiled_form_is_kept_where_it_is_quicker_by_more_than_noise(
    make_classifier: Callable[..., Classifier], compiled_pace: float, taken: bool
) -> None:
    classifier = make_classifier([[1.0, 0.0]], 2)
    plain = make_classifier([[1.0, 0.0]], 2)

    def pace(form: Classifier, execution: Execution) -> float:
        return compiled_pace if execution.compiled else 1.0

    chosen, execution, skipped = compile_if_quicker(classifier, PLAIN, plain, 1_000, pace)
    assert (chosen is not classifier) == (execution.compiled == "torch.compile") == (not skipped) == taken
    assert (execution.streams, execution.fused) == ((1, False) if taken else (2, True))


def test_a_form_that_fails_or_differs_is_left_out_with_its_reason(make_classifier: Callable[..., Classifier]) -> None:
    classifier = make_classifier([[1.0, 0.0]], 2)

    def pace(form: Classifier, execution: Execution) -> float:
        if execution.compiled:
            raise RuntimeError("no C++ compiler")
        return 1.0

    chosen, _, skipped = compile_if_quicker(classifier, PLAIN, classifier, 1_000, pace)
    assert chosen is classifier
    assert skipped == {"torch.compile": "RuntimeError: no C++ compiler"}


def test_other_shapes_than_the_first_run_plainly_and_moves_do_not_reach_it() -> None:
    class Doubled(compilation._OfOneShape):
        def make(self, x: torch.Tensor) -> None:
            pass

        def run(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self._plain[0](x)

    form = Doubled(nn.Linear(3, 3))
    batch = torch.ones(4, 3)
    assert torch.equal(form(batch), 2 * form(batch[:3])[[0]].expand(4, 3))
    assert list(form.parameters()) == []


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++ on a CPU")
def test_a_network_compiled_by_torch_gives_the_same_predictions(
    make_classifier: Callable[..., Classifier],
    make_dataset: Callable[..., Dataset],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(compilation._WORTHWHILE_SECONDS, "torch.compile", 0.0)
    monkeypatch.setattr(compilation, "_NOISE", 0.0)  # whatever the time
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))
    classifier = make_classifier(network, mean=(0.5, 0.5, 0.5))
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    prepared = prepare(classifier, ImageReader(make_dataset(images)), CPU, Options(batch_size=16, compile=True), 50)
    assert prepared.execution.compiled == "torch.compile", prepared.skipped
    expected = forward(*prepared.plain[:1], images, prepared.plain[1])
    for part in (slice(0, 16), slice(48, 50)):
        found = forward(prepared.classifier, images[part], prepared.execution)
        torch.testing.assert_close(found, expected[part], rtol=1e-4, atol=1e-5)
