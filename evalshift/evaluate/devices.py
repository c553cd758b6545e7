"""Where and how a network runs: device, precision, memory layout, and the batch size that suits them."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from evalshift.errors import UsageError, did_you_mean

# Tried in this order; the search stops climbing where a larger batch no longer helps.
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCH_SIZES_GPU = (16, 32, 64, 128, 256, 512, 1024)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Execution:
    """How batches are run."""

    device: torch.device
    precision: str
    batch_size: int
    memory_format: str

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs: half precision where that was asked for."""
        if self.precision in ("bf16", "fp16"):
            dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
            return torch.autocast(self.device.type, dtype=dtype)
        return nullcontext()


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; auto takes CUDA, then MPS, then the CPU. Raises UsageError where it is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        known = ("auto", "cpu", "cuda", "mps")
        raise UsageError(
            f'"{name}" is not a device', expected="auto, cpu, cuda, cuda:1 or mps", remedy=did_you_mean(name, known)
        ) from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False) or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UsageError(
            f"there is no device {name} here",
            found=f"{torch.cuda.device_count()} CUDA devices, torch {torch.__version__}",
            remedy="leave --device out to use what is there",
        )
    return device


def set_precision(precision: str, device: torch.device) -> None:
    """Prepare torch for a precision. fp32 means all 23 bits of it: TF32 stays off unless it is asked for.

    Raises UsageError for a precision that the device cannot do.
    """
    if precision in ("tf32", "fp16") and device.type == "cpu":
        raise UsageError(f"{precision} needs a GPU", found="the CPU", expected="fp32 or bf16")
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def describe(device: torch.device) -> str:
    """The device in words, for people and for provenance."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return str(device)


def search(
    run: Callable[[int, str], object], device: torch.device, images: int, seconds: float = 1.5
) -> tuple[int, str]:
    """The batch size and memory layout at which `run(batch_size, layout)` gets through most images a second.

    images   how many are to be run in all: the search may take a tenth of the time that they would, and `seconds`
             at most. Where that leaves no time, a middling batch is taken unmeasured.
    Climbs through the batch sizes in each layout until two in a row bring nothing, time is up or memory is full.
    A layout in which the network fails is left out; when it fails in all, its own exception comes through.
    """
    sizes = [size for size in (BATCH_SIZES if device.type == "cpu" else BATCH_SIZES_GPU) if size <= images] or [images]
    usual = min(sizes, key=lambda size: abs(size - (32 if device.type == "cpu" else 256)))
    probe = min(8, usual)
    run(probe, "contiguous")  # the first call allocates and chooses kernels; its time says nothing
    budget = min(seconds, 0.1 * _seconds(run, probe, "contiguous", device) / probe * images)
    if budget < 0.02:
        return usual, "contiguous"
    best, best_rate = (probe, "contiguous"), 0.0
    for layout in LAYOUTS:
        deadline = time.perf_counter() + budget / len(LAYOUTS)
        rate_here, without_gain, pace = 0.0, 0, 0.0
        for size in sizes:
            # What this size will take, going by the last one: two timed calls and one to warm up.
            if pace and time.perf_counter() + 3 * pace * size > deadline:
                break
            try:
                run(size, layout)
                taken = min(_seconds(run, size, layout, device) for _ in range(2))
            except torch.OutOfMemoryError:
                break
            except RuntimeError:
                if layout == "contiguous":
                    raise
                break
            pace = taken / size
            if 1 / pace > best_rate:
                best, best_rate = (size, layout), 1 / pace
            # Two per cent is less than the clock's own noise: not a reason to use twice the memory.
            without_gain = without_gain + 1 if 1 / pace < 1.02 * rate_here else 0
            rate_here = max(rate_here, 1 / pace)
            if without_gain == 2:
                break
    return best


def _seconds(run: Callable[[int, str], object], size: int, layout: str, device: torch.device) -> float:
    start = time.perf_counter()
    run(size, layout)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - start
