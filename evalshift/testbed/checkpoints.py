"""Checkpoints: state dicts out of files, without running anything in them, into networks that they fit exactly."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from evalshift.errors import ModelError, first_line


def read_state(path: Path, key: str | None, where: str) -> dict[str, torch.Tensor]:
    """The state dict in a file: .safetensors, or a torch file read with weights_only, so that nothing in it can run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for damaged files
        raise ModelError(
            "the checkpoint cannot be read",
            where=f"{where}, {path}",
            found=first_line(error),
            expected="a state dict: .safetensors, or a torch file that holds tensors only",
            remedy="download it again; or load it where it comes from, and save model.state_dict() with safetensors",
        ) from error
    state = _state_in(content, key)
    if state is None:
        raise ModelError(
            "there is no state dict in the checkpoint",
            where=f"{where}, {path}",
            found=f"keys {', '.join(map(str, list(content)[:6]))}"
            if isinstance(content, dict)
            else type(content).__name__,
            expected=f'a mapping from names to tensors under "{key}"' if key else "a mapping from names to tensors",
            remedy="name the place with key:",
        )
    return _without_prefix(state)


def _state_in(content: Any, key: str | None) -> dict[str, torch.Tensor] | None:
    places = [content.get(key)] if key and isinstance(content, dict) else [content]
    if key is None and isinstance(content, dict):
        places += [content.get(name) for name in ("state_dict", "model", "model_state_dict", "net", "state_dict_ema")]
    for state in places:
        if isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
    return None


def _without_prefix(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names as the bare network has them: wrappers for several GPUs and for compilation put theirs before each."""
    for prefix in ("module.", "_orig_mod."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def load_state(module: nn.Module, path: Path, key: str | None, where: str) -> None:
    """Fill a network from a checkpoint. ModelError lists the names and shapes that differ; none is let pass."""
    state = read_state(path, key, where)
    own = module.state_dict()
    # Batch counters came with PyTorch 0.4.1 and steer training alone: torch itself fills them in for older checkpoints.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    surplus = [name for name in state if name not in own]
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    differences = [
        f"{len(names)} {kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for kind, names in (("missing", missing), ("not in the network", surplus), ("of another shape", reshaped))
        if names
    ]
    if differences:
        raise ModelError(
            "the checkpoint does not fit the network",
            where=f"{where}, {path}",
            found="; ".join(differences),
            expected=f"the {len(own)} tensors of {type(module).__name__}",
            remedy="check builder: and arguments: (depth, width, number of classes), or key:",
        )
    module.load_state_dict(state, strict=True)
