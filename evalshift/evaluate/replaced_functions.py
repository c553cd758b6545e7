"""Functions of torch, NumPy, Pillow and Python that a model's code replaced, put back after it.

Scripts often do so: `torch.load` that takes any pickle, `print` that says nothing. The models after it ran with theirs.
"""

import builtins
import hashlib
import io
import json
import math
import os
import pickle
import random
import shutil
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import product
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from PIL import Image

_PLACES: tuple[Any, ...] = (
    builtins, hashlib, io, json, math, os, Path, pickle, random, shutil, socket, ssl, tempfile, time, np, np.random,
    Image, Image.Image, torch, torch.Tensor, torch.nn, torch.nn.functional, torch.nn.init, torch.nn.Module,
    torch.serialization, torch.cuda, torch.jit, torch.hub,
)  # fmt: skip
# torch's layers, of which scripts replace how they are made or what they compute.
_LAYERS = [one for one in vars(torch.nn).values() if isinstance(one, type) and issubclass(one, torch.nn.Module)]
_METHODS = ("forward", "__init__", "__call__")


def functions_kept(say: Callable[[str], object] = lambda _: None) -> Callable[[], None]:
    """A function that puts back what was replaced since.

    What an installed package replaced when it was imported stays, as that is imported once; `say` is told of it.
    """
    before = [dict(vars(place)) for place in _PLACES]
    methods = _methods()

    def undo() -> None:
        _put_methods_back(methods)
        for place, known in zip(_PLACES, before, strict=True):
            if _is_same(vars(place), known):
                continue
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


def _methods() -> list[Any]:
    """The methods that torch's layers have of their own, None for one that is inherited."""
    return [vars(layer).get(name) for layer in _LAYERS for name in _METHODS]


def _put_methods_back(before: list[Any]) -> None:
    now = _methods()
    if all(map(is_, now, before)):
        return
    for (layer, name), known, found in zip(product(_LAYERS, _METHODS), before, now, strict=True):
        if found is known:
            continue
        if known is None:
            delattr(layer, name)
        else:
            setattr(layer, name, known)


def _is_same(now: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether nothing was set, deleted or replaced: compared in order, as quickly as Python does that."""
    return (
        len(now) == len(known)
        and all(map(is_, now.values(), known.values()))
        and all(map(is_, now, known))  # their names, of which there is one object each
    )


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
