"""Models that are code of someone else's: what of it is run, and whether the user agreed to that.

Weights, ONNX files and exported programs are data. TorchScript, repositories of torch.hub, and functions outside
evalshift are programs: they may do whatever their author wants. They run where their entry says `trust: true`, and a
.py file also where it lies below the folder of a registry that the user named: whoever names that file means its code.
Imports no torch, and runs nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from evalshift.errors import ModelError
from evalshift.formatting import name_some
from evalshift.testbed.model_entries import AnyModel

# The modules of evalshift whose own functions build networks out of plain arguments. No other module of evalshift is
# for an entry to name: with a function that calls functions, an entry could run anything.
OWN_MODULES = frozenset(
    {
        "evalshift.testbed.architectures",
        "evalshift.testbed.digits.networks",
        "evalshift.testbed.mnist.networks",
        "evalshift.testbed.models.small_images",
    }
)
_Entry = TypeVar("_Entry", bound=AnyModel)


def code_of(entry: AnyModel) -> str | None:
    """What a model runs that is neither evalshift's nor one of its libraries', in words; None where it is data."""
    if entry.program is not None:
        return entry.program
    function = entry.function_named
    if function is None or is_own(function):
        return None
    module, _, name = function.rpartition(":")
    return f"{Path(module).name if module.endswith('.py') else module}:{name}"


def is_own(code: str) -> bool:
    """Whether "module:name" is a function of evalshift that builds networks."""
    module, _, name = code.rpartition(":")
    return module in OWN_MODULES and "." not in name and not name.startswith("_")


def needs_trust(entry: AnyModel) -> bool:
    """Whether a model runs someone else's code to which nobody has agreed."""
    return code_of(entry) is not None and not getattr(entry, "trust", False)


def refuse_untrusted(entry: AnyModel, where: str) -> None:
    """Raise ModelError before code runs to which nobody has agreed."""
    if needs_trust(entry):
        raise ModelError(
            "this model is code of someone else's, which is not run unasked",
            where=where,
            found=code_of(entry),
            expected="trust: true in its entry",
            fix="read the code; if you trust it, add trust: true to the entry",
        )


def trusting(models: Mapping[str, _Entry], folder: Path) -> dict[str, _Entry]:
    """The same entries, of which those whose .py file lies below `folder` are trusted."""
    return {name: _trusted(entry) if _lies_below(entry, folder) else entry for name, entry in models.items()}


def _trusted(entry: _Entry) -> _Entry:
    return entry.model_copy(update={"trust": True})


def _lies_below(entry: AnyModel, folder: Path) -> bool:
    module = (entry.function_named or "").rpartition(":")[0]
    # Links are followed: one beside the registry may lead anywhere.
    return module.endswith(".py") and Path(module).resolve().is_relative_to(folder.resolve())


def code_lines(models: Mapping[str, AnyModel]) -> list[str]:
    """What of these models is code, a line for each file, package or repository, with the models that run it."""
    running: dict[tuple[bool, str], list[str]] = {}
    for name, entry in models.items():
        if (code := code_of(entry)) is not None:
            running.setdefault((needs_trust(entry), code.partition(":")[0]), []).append(name)
    return [
        f"{'not run ' if untrusted else 'code    '}  {code}: {name_some(names)}"
        f"{', which lacks trust: true' if untrusted else ''}"
        for (untrusted, code), names in running.items()
    ]
