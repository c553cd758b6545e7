"""How exactly torch multiplies numbers in fp32: its switches, old and new, set together and put back together.

Torch has two sets of them, `allow_tf32` with `set_float32_matmul_precision` and, since 2.9, `fp32_precision` of each
backend. Code of others uses either; torch raises where it is asked by the old ones what only the new ones can say.
"""

from dataclasses import dataclass
from typing import Any

import torch

_BACKENDS: Any = torch.backends
# All that have an `fp32_precision`; the ones above come before those below, which follow them where they say "none".
_HOLDERS = (
    "",
    "mkldnn",
    "mkldnn.matmul",
    "mkldnn.conv",
    "mkldnn.rnn",
    "cuda.matmul",
    "cudnn",
    "cudnn.conv",
    "cudnn.rnn",
)


@dataclass(frozen=True)
class Switches:
    """What the switches say.

    old   matmul precision, then `allow_tf32` of cuBLAS and of cuDNN; None for one that torch cannot tell
    new   `fp32_precision` by backend
    """

    old: tuple[str | bool | None, ...]
    new: dict[str, str]


def read_switches() -> Switches:
    """What the switches say now."""
    return Switches(
        tuple(map(_told, (_matmul, lambda: _BACKENDS.cuda.matmul.allow_tf32, lambda: _BACKENDS.cudnn.allow_tf32))),
        {name: holder.fp32_precision for name in _HOLDERS for holder in _holder(name)},
    )


def put_back(switches: Switches) -> None:
    """Set the switches to what they said before."""
    _set_old(*switches.old)
    for name, value in switches.new.items():
        for holder in _holder(name):
            if holder.fp32_precision != value:
                holder.fp32_precision = value


def set_tf32(on: bool) -> None:
    """Let all fp32 products be exact, or let GPUs round their factors to TF32."""
    for name in _HOLDERS:
        for holder in _holder(name):
            if not name.startswith(("cuda", "cudnn")):  # the old switches set these
                holder.fp32_precision = "none"
    _set_old("high" if on else "highest", on, on)


def _matmul() -> str:
    return torch.get_float32_matmul_precision()


def _told(ask: Any) -> Any:
    try:
        return ask()
    except RuntimeError:
        return None


def _set_old(matmul: Any, cublas: Any, cudnn: Any) -> None:
    if cublas is not None:
        _BACKENDS.cuda.matmul.allow_tf32 = cublas
    if cudnn is not None:
        _BACKENDS.cudnn.allow_tf32 = cudnn
    if matmul is not None:  # last: it also knows "medium", which the others turn into "high"
        torch.set_float32_matmul_precision(matmul)


def _holder(name: str) -> list[Any]:
    """The backend of that name, in a list; none where this torch has no such switch."""
    found: Any = _BACKENDS
    for part in filter(None, name.split(".")):
        found = getattr(found, part, None)
    return [found] if hasattr(found, "fp32_precision") else []
