"""How models are run, as a person asks for it; checked when it is made, without importing torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalshift.errors import UsageError, did_you_mean
from evalshift.formatting import bytes_in

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
EXECUTORS = ("local", "ray")
# As torch and others call them.
_PRECISION_ALIASES = {
    "half": "fp16",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float": "fp32",
    "amp": "bf16",
}
_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Options:
    """How models are run. None of it changes predictions, except by rounding and by precision below fp32.

    device       auto, cpu, cuda, cuda:1, mps
    batch_size   "auto" searches for the batch and the memory layout that suit each network
    workers      threads that decode image files; None means one per core
    executor     local: one model after the other in this process; ray: as many at once as there are GPUs or cores
    ray_address  of a ray cluster to join, "auto" for the one that RAY_ADDRESS or this machine names; None starts one
                 on this machine, for this run
    handover     a folder or an fsspec URL (s3://bucket/prefix) through which workers hand over what they predicted;
                 None: into the results folder where they see it, else through ray
    model_timeout  with ray, seconds that a model may take on the datasets of a unit of work; None for any
    limit        images of each dataset that models are run on, balanced over the classes; None for all
    compile      try each network as a CUDA graph and compiled by torch, where the time saved repays that
    cache_size   bytes that decoded images may take on disk, also as "20GB"; None for the default, 0 for none
    fast_decode  decode JPEG files at a reduced size where they are shrunk anyway, which changes pixels
    cache_dir    their folder; None for EVALSHIFT_CACHE, else a folder in the user's cache
    config       what of this, and of the choice of models and pairs, came from a file; for the provenance

    Raises UsageError when made with an invalid value.
    """

    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | str = "auto"
    workers: int | None = None
    save_logits: bool = False
    executor: str = "local"
    compile: bool = False
    cache_size: int | str | None = None
    cache_dir: str | None = None
    fast_decode: bool = False
    limit: int | None = None
    ray_address: str | None = None
    handover: str | None = None
    model_timeout: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cache_bytes(self) -> int | None:
        """`cache_size` in bytes."""
        return None if self.cache_size is None else size_in_bytes(self.cache_size)

    def __post_init__(self) -> None:
        if self.cache_size is not None:
            size_in_bytes(self.cache_size)
        check_device_name(self.device)
        size = self.batch_size
        if size != "auto" and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise UsageError(
                f'"{size}" is not a batch size',
                expected="auto, or a whole number of images from 1 up",
                fix=did_you_mean(str(size), ("auto",)),
            )
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"invalid number of workers: {self.workers}", expected="a whole number from 1 up")
        if self.limit is not None and (isinstance(self.limit, bool) or self.limit < 1):
            raise UsageError(f"invalid limit: {self.limit}", expected="a whole number of images from 1 up")
        if self.precision not in PRECISIONS:
            raise UsageError(
                f'"{self.precision}" is not a precision',
                expected=", ".join(PRECISIONS),
                fix=did_you_mean(_PRECISION_ALIASES.get(self.precision.lower(), self.precision), PRECISIONS),
            )
        if self.executor not in EXECUTORS:
            raise UsageError(
                f'"{self.executor}" is not an executor',
                expected=", ".join(EXECUTORS),
                fix=did_you_mean(self.executor, EXECUTORS),
            )
        given = [name for name in ("ray_address", "handover", "model_timeout") if getattr(self, name) is not None]
        if self.executor != "ray" and given:
            raise UsageError(
                f"`{given[0]}` is for the executor ray",
                found=f"executor {self.executor}",
                fix='choose the executor "ray", or leave it out',
            )
        if self.model_timeout is not None and not self.model_timeout > 0:
            raise UsageError(f"invalid timeout of models: {self.model_timeout}", expected="seconds, above 0")
        if self.executor == "ray" and ":" in self.device:
            raise UsageError(
                "ray assigns devices to its workers",
                found=f"`device` {self.device}",
                expected="auto, cpu, cuda or mps",
            )


_SMALLEST_CACHE = 1_000_000


def size_in_bytes(size: int | str) -> int:
    """Bytes of a size such as "20GB", "1.5 TB", "512MiB" or 0. Raises UsageError for anything else.

    >>> size_in_bytes("20GB"), size_in_bytes("512 MiB"), size_in_bytes(0)
    (20000000000, 536870912, 0)
    """
    count = bytes_in(size)
    if count is None or 0 < count < _SMALLEST_CACHE:
        raise UsageError(
            f'"{size}" is not a size of the cache',
            expected="0, or at least 1 MB, such as 20GB or 500MB",
            fix="add the unit" if count is not None else None,
        )
    return count


def check_device_name(name: str) -> None:
    """Raise UsageError for an invalid device name; whether the device is available, only torch can tell."""
    if not re.fullmatch(r"auto|(cpu|cuda|mps)(:\d+)?", name):
        raise UsageError(
            f'"{name}" is not a device',
            expected="auto, cpu, cuda, cuda:1 or mps",
            fix=did_you_mean({"gpu": "cuda", "nvidia": "cuda", "metal": "mps"}.get(name.lower(), name), _DEVICES),
        )
