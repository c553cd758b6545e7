"""Where and how a network runs: device, precision, memory layout, and the batch size that suits them."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch

from evalshift.errors import UsageError, message_of
from evalshift.evaluate.fp32_precision import put_back, read_switches, set_tf32
from evalshift.evaluate.options import check_device_name
from evalshift.formatting import counted

# What the search may choose from.
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCH_SIZES_GPU = (16, 32, 64, 128, 256, 512, 1024)
# Where it begins. On a CPU with so many pixels in a batch: then what a layer gives is about as large as a core's cache
# (ResNets on 32 × 32 were quickest at 64 to 128 images, EfficientNets on 224 × 224 at 2 to 8).
_USUAL_PIXELS, _USUAL_ON_CPU, _USUAL_ON_GPU = 65_536, (4, 64), 256
# A layout that is this much slower than the other on a few images is not searched.
_CLOSE = 1.15
# Timed calls with a few images in each layout; one alone may meet a busy moment, and the better layout would be lost.
_PROBES = 3
# Three per cent is less than the clock's own noise on a few batches: not a reason to leave the usual size.
_NOISE = 1.03
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Images on which layouts are compared first: on a GPU a few take as long as one.
_FEW_ON_CPU, _FEW_ON_GPU = 8, 64
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Execution:
    """How batches are run.

    streams   batches at once, each on its share of the cores
    threads   of torch on a CPU, for each stream; None for its share of the cores
    fused     whether the network's operations were joined; see evalshift.evaluate.fusion
    half_weights  whether weights were cast to half precision rather than each operation's inputs (autocast)
    compiled  "cuda graph" or "torch.compile" where the network runs so
    """

    device: torch.device
    precision: str
    batch_size: int
    memory_format: str
    streams: int = 1
    fused: bool = False
    half_weights: bool = False
    compiled: str | None = None
    threads: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the images that the network is given."""
        return HALF.get(self.precision, torch.float32) if self.half_weights else torch.float32

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs: half precision if requested."""
        if self.precision in HALF and not self.half_weights:
            return torch.autocast(self.device.type, dtype=HALF[self.precision])
        # Left on by a network, or around a call from Python: threads of other streams would not have it.
        kind = self.device.type
        on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        return torch.autocast(self.device.type, enabled=False) if on else nullcontext()


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; auto takes CUDA, then MPS, then the CPU. Raises UsageError where it is not available."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    check_device_name(name)
    device = torch.device(name)
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False) or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UsageError(
            f"device {name} is not available",
            found=f"{torch.cuda.device_count()} CUDA devices, torch {torch.__version__}",
            fix="leave `device` out to use an available one",
        )
    return device


@contextmanager
def set_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Let torch work in a precision. fp32 means all 23 bits of it: neither TF32 nor bfloat16 stand in for it.

    Afterwards torch's own settings are as they were. Raises UsageError for a precision that the device cannot do.
    """
    if precision in ("tf32", "fp16") and device.type == "cpu":
        raise UsageError(f"{precision} needs a GPU", found="the CPU", expected="fp32 or bf16")
    before = read_switches()
    try:
        set_tf32(precision == "tf32")
        yield
    finally:
        put_back(before)


def describe(device: torch.device) -> str:
    """The device in words, for people and for provenance."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({counted(torch.get_num_threads(), 'thread')})"
    return str(device)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was full, on the device or on the host."""
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in message_of(error)


def release_memory(device: torch.device) -> None:
    """Give back the memory of a GPU that torch keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def usual_batch(device: torch.device, pixels: int) -> int:
    """The batch size that is seldom far from the quickest, for images of so many pixels (height times width)."""
    if device.type != "cpu":
        return _USUAL_ON_GPU
    low, high = _USUAL_ON_CPU
    return next(size for size in BATCH_SIZES if size >= low and (2 * size * pixels > _USUAL_PIXELS or size == high))


def search(
    run: Callable[[int, str], Any],
    device: torch.device,
    images: int,
    usual: int,
    seconds: float = 1.5,
    check: Callable[[Any], None] = lambda _: None,
) -> tuple[int, str]:
    """The batch size and memory layout with the most images per second of `run(batch_size, layout)`.

    images   how many are to be run in all: the search may take 3 % of the time that they would, but not more
             than `seconds`, or a hundredth where that is longer; without time, the usual batch goes unmeasured
    usual    where the search begins, and where it stays unless another size is quicker by more than noise
    check    is given what each `run` gives back, off the clock; what it raises counts as a failure of the network
    The layout that is quicker on a few images is searched first, the other one where time is left and it was not much
    slower. The search goes down from the usual batch until a size brings nothing, and then up from it until two sizes
    in a row bring nothing, time is up, or the network fails, as it does when memory is full. Sizes and layouts in
    which it fails are left out; when it fails from the start in all layouts, its first exception comes through.
    """
    known = BATCH_SIZES if device.type == "cpu" else BATCH_SIZES_GPU
    sizes = [size for size in known if size <= images] or [images]
    usual = min(usual, sizes[-1])
    few = min(_FEW_ON_CPU if device.type == "cpu" else _FEW_ON_GPU, usual)

    def timed(size: int, layout: str) -> float:
        return _seconds(run, check, size, layout, device)

    layout, pace = _first_that_works(timed, few)
    total = pace * images
    budget = min(0.03 * total, max(seconds, 0.01 * total))
    if budget < 0.02:
        return usual, layout
    deadline = time.perf_counter() + budget
    first_paces = {layout: pace} | _paces_of_others(timed, few, layout)
    best = min(first_paces.values())
    in_order = sorted(first_paces, key=lambda candidate: first_paces[candidate] > _NOISE * best)
    paces: dict[tuple[int, str], float] = {}
    for candidate in in_order:
        if first_paces[candidate] <= _CLOSE * best:
            paces |= _climb(timed, sizes, usual, candidate, first_paces[candidate], deadline)
    good = [choice for choice, taken in paces.items() if taken <= _NOISE * min(paces.values())]
    return min(good, default=(usual, in_order[0]), key=lambda choice: abs(math.log(choice[0] / usual)))


Timed = Callable[[int, str], float]


def _first_that_works(timed: Timed, size: int) -> tuple[str, float]:
    """The first layout in which the network runs at all, and its seconds per image."""
    failures = []
    for layout in LAYOUTS:
        try:
            return layout, _warm_seconds(timed, size, layout) / size
        except Exception as error:
            failures.append(error)
    raise failures[0]


def _paces_of_others(timed: Timed, size: int, layout: str) -> dict[str, float]:
    """Seconds per image in the layouts other than `layout`, without those in which the network fails."""
    paces = {}
    for other in LAYOUTS:
        if other != layout:
            with suppress(Exception):
                paces[other] = _warm_seconds(timed, size, other) / size
    return paces


def _warm_seconds(timed: Timed, size: int, layout: str) -> float:
    timed(size, layout)  # the first call allocates and chooses kernels; its time says nothing
    return min(timed(size, layout) for _ in range(_PROBES))


def _climb(
    timed: Timed,
    sizes: Sequence[int],
    usual: int,
    layout: str,
    pace: float,
    deadline: float,
) -> dict[tuple[int, str], float]:
    """Seconds per image at the batch sizes that were tried in one layout before the deadline."""
    paces: dict[tuple[int, str], float] = {}
    # Downwards first: it takes less than the first step upwards.
    down, up = [size for size in sizes if size <= usual][::-1], [size for size in sizes if size > usual]
    for direction in (down, up):
        without_gain = 0
        for size in direction:
            # One step down that brings nothing is enough: it is upwards that the quick sizes of small images lie.
            if without_gain == (1 if direction is down else 2):
                break
            # What this size will take, going by the last one: two timed calls and one to warm up. The usual size is
            # timed to compare another with it, so half as much again must be left.
            calls = 3 if paces else 4.5
            if time.perf_counter() + calls * pace * size > deadline:
                break
            try:
                timed(size, layout)
                pace = min(timed(size, layout) for _ in range(2)) / size
            except Exception:  # memory is full, or the network cannot do this size
                if direction is up:
                    break
                continue
            gained = pace < 0.98 * min(paces.values(), default=math.inf)
            without_gain = 0 if gained else without_gain + 1
            paces[size, layout] = pace
        if (usual, layout) not in paces:
            break
        pace = paces[usual, layout]
    return paces


def _seconds(
    run: Callable[[int, str], Any], check: Callable[[Any], None], size: int, layout: str, device: torch.device
) -> float:
    start = time.perf_counter()
    given = run(size, layout)
    synchronize(device)
    taken = time.perf_counter() - start
    check(given)
    return taken
