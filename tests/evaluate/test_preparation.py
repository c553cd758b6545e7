"""The quickest form of a network runs where it gives what the plain one gives; else the plain one, with a reason."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import evalshift as es
from evalshift.evaluate import preparation
from evalshift.evaluate.devices import search
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.repeatability import CHANGES_FROM_CALL_TO_CALL, DEPENDS_ON_THE_BATCH
from evalshift.testbed.datasets import Dataset

# Images are grey squares of 16 × 16; each network says which of four shades a picture has.
SHADES = np.array([10, 90, 170, 250])
Body = Callable[["Net", torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """Logits by how near the mean of the picture is to each shade; `body` sees the features first."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        nn.init.constant_(self.first.weight, 1 / 9)
        self.second = nn.Conv2d(8, 8, 1)
        nn.init.constant_(self.second.weight, 1 / 8)
        nn.init.zeros_(self.second.bias)  # pyright: ignore[reportArgumentType]
        self.norm = nn.BatchNorm2d(8, eps=0)
        self.shades: torch.Tensor
        self.register_buffer("shades", torch.from_numpy(SHADES / 255).float())
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.second(F.relu(self.norm(self.first(x)))))
        return -(self.body(self, features)[:, :, 4:12, 4:12].mean(dim=(1, 2, 3))[:, None] - self.shades).abs()


@pytest.fixture
def pictures(make_dataset: Callable[..., Dataset]) -> Dataset:
    labels = [0, 1, 2, 3, 3, 1, 0, 2] * 12
    images = np.broadcast_to(SHADES[labels][:, None, None, None], (len(labels), 16, 16, 1)).astype(np.uint8)
    return make_dataset(images, labels)


@pytest.fixture(autouse=True)
def as_in_a_long_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything is tried, however quick the network is."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    monkeypatch.setattr(preparation, "_WORTH_FUSING_SECONDS", 0.0)
    monkeypatch.setattr("evalshift.evaluate.streams.WORTHWHILE_SECONDS", 0.0)

    def longer(run: Any, device: Any, images: int, *rest: Any, **named: Any) -> tuple[int, str]:
        return search(run, device, 10**6, *rest, seconds=0.1, **named)

    monkeypatch.setattr("evalshift.evaluate.trial.search", longer)
    yield
    torch.set_num_threads(before)


def run(module: nn.Module, pictures: Dataset, **options: object) -> Predictions:
    predictions = es.predict(module, pictures, preprocess={}, device="cpu", **options)  # pyright: ignore
    assert predictions.hits(pictures.labels).all()
    return predictions


@pytest.mark.parametrize("batch_size", ["auto", 5])
def test_a_plain_network_is_fused_and_runs_side_by_side(pictures: Dataset, batch_size: object) -> None:
    provenance = run(Net(lambda net, x: x), pictures, batch_size=batch_size).provenance
    assert (provenance.fused, provenance.streams, provenance.skipped_optimizations) == (True, 3, {})


def _not_when_fused(net: Net, x: torch.Tensor) -> torch.Tensor:
    return x if isinstance(net.norm, nn.BatchNorm2d) and not isinstance(x, torch.fx.Proxy) else x * 2


def _branches(net: Net, x: torch.Tensor) -> torch.Tensor:
    return x if x.mean() >= 0 else -x


@pytest.mark.parametrize(
    "body, why",
    [
        (_not_when_fused, r"its logits differ from the plain network's by up to 0\.\d+"),
        (_branches, r"the network cannot be fused: TraceError: symbolically traced variables .*"),
    ],
)
def test_a_network_that_fusing_would_change_runs_as_it_is(pictures: Dataset, body: Body, why: str) -> None:
    provenance = run(Net(body), pictures).provenance
    assert not provenance.fused
    assert re.fullmatch(why, provenance.skipped_optimizations["fusion"])


def _contiguous_only(net: Net, x: torch.Tensor) -> torch.Tensor:
    return x.view(len(x), -1).view(x.shape)


def _reads_memory(net: Net, x: torch.Tensor) -> torch.Tensor:
    # As code does that takes the numbers as they lie, in a layout that it does not ask for.
    lying = x.as_strided((x.numel(),), (1,)).view(x.shape)
    return x + (lying - x).abs()[:, :1] + (0 if x.is_contiguous() else 0.5)


@pytest.mark.parametrize(
    "body, why", [(_contiguous_only, "RuntimeError: view size"), (_reads_memory, "its logits differ")]
)
def test_a_layout_that_a_network_does_not_take_is_left_out(pictures: Dataset, body: Body, why: str) -> None:
    provenance = run(Net(body), pictures).provenance
    assert provenance.memory_format == "contiguous"
    reasons = {key: text for key, text in provenance.skipped_optimizations.items() if key.startswith("channels_last")}
    assert reasons
    assert all(text.startswith(why) for text in reasons.values())


SHARED: dict[str, torch.Tensor] = {}
MEETING = threading.Event()


def _through_a_global(net: Net, x: torch.Tensor) -> torch.Tensor:
    assert x.min() >= 0  # which cannot be traced
    SHARED["x"] = x
    MEETING.wait(0.004)  # long enough for another thread to put its own there
    return SHARED["x"]


def _one_at_a_time(net: Net, x: torch.Tensor) -> torch.Tensor:
    assert x.min() >= 0
    if "busy" in SHARED:
        raise RuntimeError("already at work")
    SHARED["busy"] = x
    MEETING.wait(0.004)
    del SHARED["busy"]
    return x


def test_a_network_with_global_state_runs_a_batch_at_a_time(pictures: Dataset) -> None:
    provenance = run(Net(_through_a_global), pictures).provenance
    assert provenance.streams == 1
    assert provenance.skipped_optimizations["streams"].startswith("its logits ")


def test_a_network_that_refuses_company_runs_a_batch_at_a_time(pictures: Dataset) -> None:
    SHARED.clear()
    provenance = run(Net(_one_at_a_time), pictures).provenance
    assert provenance.streams == 1
    assert provenance.skipped_optimizations["streams"] == "RuntimeError: already at work"


@pytest.mark.parametrize("batch_size", ["auto", 5])
def test_a_form_that_fails_in_the_run_gives_way_to_the_plain_one(pictures: Dataset, batch_size: object) -> None:
    class Later(Net):
        """Fails on the last pictures wherever it is not on its own, as memory does that others take."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            last = bool((x[:, 0, 0, 0] == 1).any())
            if last and threading.current_thread() is not threading.main_thread():
                raise MemoryError("no more")
            return super().forward(x)

    pictures.images[-1, 0, 0, 0] = 255  # pyright: ignore
    module = Later(lambda net, x: x)
    provenance = run(module, pictures, batch_size=batch_size).provenance
    assert (provenance.streams, provenance.fused) == (1, False)
    assert provenance.batch_size == (5 if batch_size == 5 else 8)
    assert provenance.skipped_optimizations["all, in the run"] == "MemoryError: no more"


def test_a_network_for_one_image_at_a_time_runs_so(pictures: Dataset) -> None:
    class Single(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.view(1, 1, 16, 16))

    assert run(Single(lambda net, x: x), pictures).provenance.batch_size == 1


def test_a_network_that_does_not_repeat_runs_plainly_and_warns(pictures: Dataset) -> None:
    provenance = run(Net(lambda net, x: x + 1e-3 * torch.randn(len(x), 1, 1, 1)), pictures).provenance
    assert provenance.warnings == [CHANGES_FROM_CALL_TO_CALL]
    assert (provenance.streams, provenance.fused, provenance.memory_format) == (1, False, "contiguous")
    assert provenance.skipped_optimizations.keys() == {"all"}


@pytest.mark.parametrize("batch_size", [1, 2, 4, 25, 96, "auto"])
def test_a_network_that_normalises_over_its_batch_warns_at_each_batch_size(
    pictures: Dataset, batch_size: object
) -> None:
    module = Net(lambda net, x: x + 1e-3 * F.batch_norm(x, None, None, training=True))
    provenance = run(module, pictures, batch_size=batch_size).provenance
    assert provenance.warnings == [DEPENDS_ON_THE_BATCH]
    assert provenance.batch_size == (batch_size if isinstance(batch_size, int) else 64)


def test_half_precision_around_a_call_changes_nothing(pictures: Dataset) -> None:
    seen: set[torch.dtype] = set()

    def look(net: Net, x: torch.Tensor) -> torch.Tensor:
        if isinstance(x, torch.Tensor):
            seen.add(x.dtype)
        return x

    with torch.autocast("cpu", dtype=torch.bfloat16):
        run(Net(look), pictures)
    assert seen == {torch.float32}


def test_what_tracing_leaves_in_a_network_is_never_seen(pictures: Dataset) -> None:
    def caches(net: Net, x: torch.Tensor) -> torch.Tensor:
        if getattr(net, "of_shape", None) != tuple(x.shape[2:]):
            net.of_shape, net.added = tuple(x.shape[2:]), x.new_zeros(x.shape[1:])  # pyright: ignore
        return x + net.added  # pyright: ignore

    module = Net(caches)
    run(module, pictures)
    assert isinstance(module.added, torch.Tensor)  # pyright: ignore
