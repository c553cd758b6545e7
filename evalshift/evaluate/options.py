"""How models are run, as a person asks for it; checked when it is made, without importing torch."""

import re
from dataclasses import dataclass

from evalshift.errors import UsageError, did_you_mean

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Options:
    """How models are run. None of it changes predictions, except by rounding and by precision below fp32.

    device       auto, cpu, cuda, cuda:1, mps
    batch_size   "auto" searches for the batch and the memory layout that suit each network
    workers      threads that decode image files; None means one per core
    executor     local: one model after the other in this process; ray: as many at once as there are GPUs or cores
    compile      try each network as a CUDA graph and compiled by torch, where the time saved repays that

    Raises UsageError when made with an invalid value.
    """

    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | str = "auto"
    workers: int | None = None
    save_logits: bool = False
    executor: str = "local"
    compile: bool = False

    def __post_init__(self) -> None:
        check_device_name(self.device)
        size = self.batch_size
        if size != "auto" and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise UsageError(f'"{size}" is not a batch size', expected="auto, or a whole number of images from 1 up")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"invalid number of workers: {self.workers}", expected="a whole number from 1 up")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f'"{self.precision}" is not a precision',
                expected=", ".join(PRECISIONS),
                fix=did_you_mean(self.precision, PRECISIONS),
            )
        if self.executor not in EXECUTORS:
            raise UsageError(
                f'"{self.executor}" is not an executor',
                expected=", ".join(EXECUTORS),
                fix=did_you_mean(self.executor, EXECUTORS),
            )
        if self.executor == "ray" and ":" in self.device:
            raise UsageError(
                "ray assigns devices to its workers",
                found=f"`device` {self.device}",
                expected="auto, cpu, cuda or mps",
            )


def check_device_name(name: str) -> None:
    """Raise UsageError for an invalid device name; whether the device is available, only torch can tell."""
    if not re.fullmatch(r"auto|(cpu|cuda|mps)(:\d+)?", name):
        raise UsageError(
            f'"{name}" is not a device',
            expected="auto, cpu, cuda, cuda:1 or mps",
            fix=did_you_mean(name, ("auto", "cpu", "cuda", "mps")),
        )
