"""torch's global settings, of which many scripts change some, as they are and as they are put back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from evalshift.evaluate.fp32_precision import put_back, read_switches

_torch: Any = torch
_modules: Any = torch.nn.modules.module


def torch_state() -> Callable[[], None]:
    """A function that puts torch's settings back as they are now."""
    undo = [keep() for keep in _KEPT]

    def put_all_back() -> None:
        for one in undo:
            with suppress(Exception):
                one()

    return put_all_back


def _switch(holder: Any, read: str, write: str) -> None:
    """Add a pair of functions to the switches, or an attribute where both names are one; older torch may lack it."""
    if holder is None or not hasattr(holder, read) or not hasattr(holder, write):
        return
    if read == write:
        _SWITCHES.append((lambda: getattr(holder, read), lambda value: setattr(holder, read, value)))
    else:
        _SWITCHES.append((getattr(holder, read), getattr(holder, write)))


# Settings on which results depend in their last digits: how attention and products are computed. (read, set)
_SWITCHES: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = []
_CUDA: Any = torch.backends.cuda
for _kind in ("flash", "mem_efficient", "math", "cudnn"):
    _switch(_CUDA, f"{_kind}_sdp_enabled", f"enable_{_kind}_sdp")
_switch(_CUDA, "fp16_bf16_reduction_math_sdp_allowed", "allow_fp16_bf16_reduction_math_sdp")
for _name in ("fp16_reduced_precision_reduction", "bf16_reduced_precision_reduction", "fp16_accumulation"):
    _switch(_CUDA.matmul, f"allow_{_name}", f"allow_{_name}")
_switch(getattr(torch.backends, "mha", None), "get_fastpath_enabled", "set_fastpath_enabled")
_switch(getattr(torch.backends, "opt_einsum", None), "enabled", "enabled")
_switch(_torch._C, "_get_nnpack_enabled", "_set_nnpack_enabled")


def _switches() -> Callable[[], None]:
    before = [_read(read) for read, _ in _SWITCHES]

    def undo() -> None:
        for (read, write), value in zip(_SWITCHES, before, strict=True):
            if _read(read) != value:
                with suppress(Exception):
                    write(value)

    return undo


def _read(read: Callable[[], Any]) -> Any:
    with suppress(Exception):  # of a device that is not there
        return read()
    return None


def _dispatch_modes() -> Callable[[], None]:
    """Modes through which all operations pass; scripts enter some and never leave."""
    entered = _torch._C._len_torch_dispatch_stack()

    def undo() -> None:
        while _torch._C._len_torch_dispatch_stack() > entered:
            _torch._C._pop_torch_dispatch_stack(None)

    return undo


def _defaults() -> Callable[[], None]:
    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    stacked = _torch._C._len_torch_function_stack()

    def undo() -> None:
        while _torch._C._len_torch_function_stack() > stacked:  # first, as they may refuse all that follows
            _torch._C._pop_torch_function_stack()
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_num_threads(threads)

    return undo


def _modes() -> Callable[[], None]:
    """Whether gradients are computed, and whether all is inference."""
    gradients, anomalies, checks = (
        torch.is_grad_enabled(),
        torch.is_anomaly_enabled(),
        torch.is_anomaly_check_nan_enabled(),
    )
    inference = torch.inference_mode(torch.is_inference_mode_enabled())
    inference.__enter__()

    def undo() -> None:
        inference.__exit__(None, None, None)
        torch.set_grad_enabled(gradients)
        torch.autograd.set_detect_anomaly(anomalies, checks)

    return undo


def _determinism() -> Callable[[], None]:
    on, only_warned = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    return lambda: torch.use_deterministic_algorithms(on, warn_only=only_warned)


def _precision() -> Callable[[], None]:
    switches, denormal = read_switches(), _denormal()

    def undo() -> None:
        put_back(switches)
        if _denormal() != denormal:
            torch.set_flush_denormal(not denormal)

    return undo


def _denormal() -> bool:
    """Whether numbers too small for an exponent are kept."""
    return bool(torch.tensor(1e-310, dtype=torch.float64, device="cpu") * 0.5 != 0)


def _autocast() -> Callable[[], None]:
    kinds = [kind for kind in ("cpu", "cuda") if torch.amp.is_autocast_available(kind)]
    before = {kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds}
    cached = torch.is_autocast_cache_enabled()

    def undo() -> None:
        for kind, (on, dtype) in before.items():
            torch.set_autocast_enabled(kind, on)
            torch.set_autocast_dtype(kind, dtype)
        torch.set_autocast_cache_enabled(cached)

    return undo


def _backends() -> Callable[[], None]:
    backends: Any = torch.backends
    cudnn = {name: getattr(backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    mkldnn, quantized = backends.mkldnn.enabled, backends.quantized.engine

    def undo() -> None:
        for name, value in cudnn.items():
            setattr(backends.cudnn, name, value)
        if backends.mkldnn.enabled != mkldnn:
            _torch._C._set_mkldnn_enabled(mkldnn)
        if backends.quantized.engine != quantized:
            backends.quantized.engine = quantized

    return undo


def _hooks() -> Callable[[], None]:
    """Hooks that are called for every module there is."""
    before = {
        name: (hooks, dict(hooks))
        for name, hooks in vars(_modules).items()
        if name.startswith("_global_") and isinstance(hooks, dict)
    }

    def undo() -> None:
        for hooks, kept in before.values():
            if hooks != kept:
                hooks.clear()
                hooks.update(kept)

    return undo


def _random() -> Callable[[], None]:
    before = torch.get_rng_state()
    return lambda: torch.set_rng_state(before)


# Modes first, as they may refuse all that follows.
_KEPT = (
    _dispatch_modes, _defaults, _modes, _determinism, _precision, _autocast, _backends, _switches, _hooks, _random,
)  # fmt: skip
