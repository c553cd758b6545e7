from collections.abc import Callable

import pytest
import torch
from messages import says

from evalshift.errors import ModelError, UsageError
from evalshift.evaluate import devices
from evalshift.evaluate.devices import (
    BATCH_SIZES,
    BATCH_SIZES_GPU,
    LAYOUTS,
    Execution,
    choose_device,
    describe,
    search,
    set_precision,
    usual_batch,
)
from evalshift.evaluate.options import Options

CPU = torch.device("cpu")
GPU = torch.device("meta")  # any device that is not the CPU, where none is needed
USUAL = 32

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
no_accelerator = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is an accelerator here"
)


@no_accelerator
def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_device() == choose_device("cpu") == CPU


def test_auto_takes_cuda_before_mps_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"cuda": True, "mps": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: present["mps"])
    chosen = []
    for cuda, mps in ((True, True), (False, True), (False, False)):
        present.update(cuda=cuda, mps=mps)
        chosen.append(choose_device("auto").type)
    assert chosen == ["cuda", "mps", "cpu"]


@pytest.mark.parametrize("take", [choose_device, lambda name: Options(device=name)])
def test_a_misspelt_device_is_told_its_nearest(take: Callable[[str], object]) -> None:
    with pytest.raises(UsageError) as caught:
        take("cudo")
    says(caught.value)


@no_gpu
@pytest.mark.parametrize("name", ["cuda", "cuda:3", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(name)
    says(caught.value, found=f"0 CUDA devices, torch {torch.__version__}")


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_the_cpu_cannot_do_what_only_gpus_do(precision: str) -> None:
    with pytest.raises(UsageError) as caught, set_precision(precision, CPU):
        pass
    says(caught.value, found="the CPU")


def allowed() -> tuple[object, object]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("precision, within", [("fp32", False), ("tf32", True), ("bf16", False), ("fp16", False)])
def test_trap_33_tf32_is_on_only_where_asked_for_and_only_so_long(precision: str, within: bool) -> None:
    def fail_within() -> None:
        with set_precision(precision, GPU):
            assert allowed() == (within, within)
            raise ZeroDivisionError

    before = allowed()
    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert allowed() == before


@pytest.mark.parametrize(
    "precision, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_computes_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    with Execution(CPU, precision, 1, "contiguous").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_the_cpu_is_described_with_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        for count, words in ((1, "1 thread"), (2, "2 threads")):
            torch.set_num_threads(count)
            assert describe(CPU) == f"cpu ({words})"
    finally:
        torch.set_num_threads(before)


class FakeRun:
    """A network whose cost is known, on a clock that only it moves. Keeps what it was asked to do."""

    def __init__(self, cost: Callable[[int, str], float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.cost, self.now = cost, 0.0
        self.calls: list[tuple[int, str]] = []
        monkeypatch.setattr(devices.time, "perf_counter", lambda: self.now)

    def __call__(self, size: int, layout: str) -> None:
        self.calls.append((size, layout))
        self.now += self.cost(size, layout)


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, str], float]], FakeRun]:
    return lambda cost: FakeRun(cost, monkeypatch)


MakeRun = Callable[[Callable[[int, str], float]], FakeRun]


@pytest.mark.parametrize("best", BATCH_SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_search_finds_the_cheapest_batch_and_layout(fake_run: MakeRun, best: int, layout: str) -> None:
    def cost(size: int, at: str) -> float:  # cheapest an image at `best`, dearer the further away
        further = max(size / best, best / size)
        return size * 0.0001 * further**0.5 * (1.0 if at == layout else 1.5)

    assert search(fake_run(cost), CPU, 1_000_000, USUAL) == (best, layout)


@pytest.mark.parametrize("best", BATCH_SIZES_GPU)
def test_the_search_on_a_gpu_has_larger_batches_to_choose_from(fake_run: MakeRun, best: int) -> None:
    run = fake_run(lambda size, _: size * 0.0001 * max(size / best, best / size) ** 0.5)
    assert search(run, GPU, 1_000_000, 256) == (best, "contiguous")


@pytest.mark.parametrize("usual", [8, 32, 64])
def test_the_usual_size_is_left_only_for_one_that_is_quicker_beyond_noise(fake_run: MakeRun, usual: int) -> None:
    # From 8 images up, all sizes are within two per cent of each other, the largest and the smallest of them the best.
    run = fake_run(lambda size, _: size * (0.001 if size >= 8 else 0.01) * (1 - 0.02 * (size != usual)))
    assert search(run, CPU, 100_000, usual) == (usual, "contiguous")


def test_of_quicker_sizes_that_take_the_same_the_nearest_to_the_usual_is_taken(fake_run: MakeRun) -> None:
    run = fake_run(lambda size, _: size * (0.001 if size > 32 else 0.0012))
    assert search(run, CPU, 100_000, USUAL) == (64, "contiguous")


@pytest.mark.parametrize("side, size", [(1, 64), (28, 64), (32, 64), (33, 32), (64, 16), (96, 4), (224, 4), (512, 4)])
def test_on_a_cpu_the_usual_batch_has_as_many_pixels_whatever_their_pictures_size(side: int, size: int) -> None:
    assert usual_batch(CPU, side * side) == size


def test_on_a_gpu_the_usual_batch_is_a_large_one() -> None:
    assert usual_batch(GPU, 224 * 224) == 256


@pytest.mark.parametrize("images", [300, 1_000, 5_000, 10_000, 100_000, 1_000_000])
def test_the_search_takes_three_per_cent_of_the_work_and_not_much_more_than_its_seconds(
    fake_run: MakeRun, images: int
) -> None:
    run = fake_run(lambda size, _: 0.004 + 0.001 * size)
    search(run, CPU, images, USUAL, seconds=1.5)
    probing = 8 * run.cost(8, "contiguous")
    total = 0.0015 * images  # 8 images take 0.012 s, so this is what the search reckons with
    # A little more where an image costs more in a smaller batch than in the one before, from which it is foreseen.
    assert run.now - probing <= 1.25 * min(0.03 * total, max(1.5, 0.01 * total))


def test_tiny_work_is_not_searched(fake_run: MakeRun) -> None:
    run = fake_run(lambda size, _: 0.0001 * size)
    assert search(run, CPU, 453, USUAL) == (32, "contiguous")
    assert run.calls == [(8, "contiguous")] * 4


@pytest.mark.parametrize("images, size", [(1, 1), (5, 4), (20, 16), (40, 32)])
def test_no_batch_is_larger_than_the_dataset(fake_run: MakeRun, images: int, size: int) -> None:
    run = fake_run(lambda size, _: 1e-6 * size)
    assert search(run, CPU, images, USUAL) == (size, "contiguous")
    assert max(size for size, _ in run.calls) <= images


def test_slow_work_without_time_to_search_takes_a_middling_batch(fake_run: MakeRun) -> None:
    # 40 images of a second each: 3 % are 1.2 s, and three calls with 32 images would take 96.
    run = fake_run(lambda size, layout: float(size) * (1.1 if layout == "contiguous" else 1))
    assert search(run, CPU, 40, USUAL) == (32, "channels_last")
    assert run.calls == [(8, "contiguous")] * 4 + [(8, "channels_last")] * 4


@pytest.mark.parametrize("seconds, tried", [(1.8, {8}), (1.9, {8, 16, 32})])
def test_the_usual_size_is_timed_only_where_another_can_be_compared_with_it(
    fake_run: MakeRun, seconds: float, tried: set[int]
) -> None:
    # An image takes 0.01 s. Trying the other layout takes 0.38 s of the time, three calls with 32 images 0.96 s, and
    # three with 16 another 0.48 s: 1.82 s in all.
    run = fake_run(lambda size, layout: size * (0.01 if layout == "contiguous" else 0.012))
    assert search(run, CPU, 12_000, USUAL, seconds) == (32, "contiguous")
    assert {size for size, _ in run.calls} == tried


def limited(most: int, error: Exception, layouts: tuple[str, ...] = tuple(LAYOUTS)) -> Callable[[int, str], float]:
    def cost(size: int, layout: str) -> float:
        if layout in layouts and size > most:
            raise error
        return 0.001 + 0.0001 * size  # the larger the batch, the cheaper an image

    return cost


@pytest.mark.parametrize(
    "error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
@pytest.mark.parametrize("most", [8, 16, 32, 64])
def test_the_search_stays_below_the_size_at_which_memory_is_full(
    fake_run: MakeRun, error: Exception, most: int
) -> None:
    run = fake_run(limited(most, error))
    assert search(run, CPU, 1_000_000, USUAL) == (most, "contiguous")
    assert max(size for size, _ in run.calls) == max(32, 2 * most)  # nothing above what failed


def test_a_layout_in_which_the_network_fails_is_left_out(fake_run: MakeRun) -> None:
    for failing, working in (("contiguous", "channels_last"), ("channels_last", "contiguous")):
        run = fake_run(limited(0, RuntimeError("no kernel for this layout"), (failing,)))
        assert search(run, CPU, 1_000_000, USUAL) == (256, working)


def test_a_network_that_fails_at_one_size_only_is_searched_on(fake_run: MakeRun) -> None:
    # `squeeze()` in a network takes a batch of one image apart; that is no reason to give the model up.
    def cost(size: int, layout: str) -> float:
        if size == 1:
            raise ModelError("the network does not return logits")
        return 0.001 * size**1.2

    assert search(fake_run(cost), CPU, 100_000, USUAL) == (2, "contiguous")


def test_when_the_network_always_fails_its_first_exception_comes_through(fake_run: MakeRun) -> None:
    def cost(size: int, layout: str) -> float:
        raise RuntimeError(f"wrong in {layout}")

    with pytest.raises(RuntimeError, match=r"^wrong in contiguous$"):
        search(fake_run(cost), CPU, 1_000, USUAL)


def test_an_interruption_ends_the_search(fake_run: MakeRun) -> None:
    def cost(size: int, layout: str) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(fake_run(cost), CPU, 1_000, USUAL)
