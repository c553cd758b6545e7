"""Functions of torch, NumPy, Pillow and Python that a model's code replaced, put back after it.

Scripts often do so: `torch.load` that takes any pickle, `print` that says nothing. The models after it ran with theirs.
"""

import builtins
import io
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from PIL import Image

_PLACES: tuple[Any, ...] = (
    builtins, io, json, os, pickle, time, np, np.random, Image, Image.Image, torch, torch.Tensor, torch.nn,
    torch.nn.functional, torch.nn.init, torch.nn.Module, torch.serialization, torch.cuda, torch.jit, torch.hub,
)  # fmt: skip


def functions_kept(say: Callable[[str], object] = lambda _: None) -> Callable[[], None]:
    """A function that puts back what was replaced since.

    What an installed package replaced when it was imported stays, as that is imported once; `say` is told of it.
    """
    before = [dict(vars(place)) for place in _PLACES]

    def undo() -> None:
        for place, known in zip(_PLACES, before, strict=True):
            now = dict(vars(place))
            for name in [name for name in known if name not in now or now[name] is not known[name]]:
                if callable(known[name]) and _is_of_a_file(place, name, now.get(name), say):
                    setattr(place, name, known[name])
            for name in now.keys() - known.keys():  # a method may be inherited, and is hidden by another
                if any(hasattr(base, name) for base in getattr(place, "__bases__", ())) and _is_of_a_file(
                    place, name, now[name], say
                ):
                    delattr(place, name)

    return undo


def _is_of_a_file(place: Any, name: str, replacement: Any, say: Callable[[str], object]) -> bool:
    """Whether a replacement is from a file of the user's, which is imported anew each time; else it is told of."""
    package = _package(replacement)
    if package not in (None, "torch"):  # torch replaces some of its own when it is first asked for them
        say(f"{package} replaced {place.__name__}.{name} for all models after this one")
    return package is None


def _package(replacement: Any) -> str | None:
    """The package whose function this is; None for one of a file of the user's, which is imported anew each time."""
    module = getattr(getattr(replacement, "func", replacement), "__module__", None)
    if not isinstance(module, str) or module not in sys.modules or module == "__main__":
        return None
    return None if module.startswith("evalshift_user_") else module.partition(".")[0]
