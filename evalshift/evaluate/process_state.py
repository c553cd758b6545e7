"""What somebody's code may change for the whole process, put back after each, so that later models run as before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def folder_kept() -> Iterator[None]:
    """Put the working folder back: files that are stored next may be named relative to it."""
    folder = Path.cwd()
    try:
        yield
    finally:
        with suppress(OSError):  # it is gone
            os.chdir(folder)


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Put back the working folder and torch's global settings as they were before the block.

    A builder that sets another default dtype would make the networks that are built after it compute in that one.
    """
    import torch

    dtype, device, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    gradients, deterministic = torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    try:
        with folder_kept():
            yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(gradients)
        torch.use_deterministic_algorithms(deterministic, warn_only=only_warned)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
