"""What `evalshift check` prints: whether datasets and models can be run, are built and are intact."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout
from evalshift.errors import EvalshiftError

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.evaluate.choice import Choice
    from evalshift.testbed.building import BuildResult
    from evalshift.testbed.registry import Registry
    from evalshift.testbed.state import State
    from evalshift.testbed.verification import Verified


def print_states(states: Sequence[tuple[str, str, "State"]]) -> None:
    """Whether each dataset and model can be run, and what is missing."""
    rows = [(kind, name, state.words, _nearer(state.source)) for kind, name, state in states]
    print_table(("", "name", "state", "from"), rows)
    missing = [name for _, name, state in states if not state.can_run]
    if missing:
        stdout().print(f"\nmissing: {', '.join(missing)}", style="red")
    else:
        stdout().print("\nall can run")


def states_json(registry: "Registry", chosen: "Choice", device: str, states: Sequence[tuple[str, str, "State"]]) -> str:
    """What `print_choice` and `print_states` say, as JSON: the registry, the pairs, and each dataset and model."""
    content = {
        "registry": str(registry.path),
        "pairs": [str(pair) for pair in chosen.pairs],
        "device": device,
        "can_run": all(state.can_run for _, _, state in states),
        **{
            f"{wanted}s": [
                {"name": name, "can_run": state.can_run, "state": state.words, "from": _nearer(state.source)}
                for kind, name, state in states
                if kind == wanted
            ]
            for wanted in ("dataset", "model")
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def print_built(built: Sequence["BuildResult"], errors: Sequence[EvalshiftError]) -> None:
    """Every error of a registry and of building its models, the models that were not built, and how many were."""
    console = stdout()
    found = [*errors, *(one.error for one in built if one.error is not None)]
    for error in found:
        console.print(f"{error}\n", soft_wrap=True)
    for reason in dict.fromkeys(one.missing for one in built if one.missing is not None):
        names = ", ".join(one.model for one in built if one.missing == reason)
        console.print(f"not built: {names}: {reason}", soft_wrap=True)
    models = sum(one.error is None and one.missing is None for one in built)
    words = f"{models:,} {'model builds' if models == 1 else 'models build'}"
    console.print(words if not found else f"{words}; {len(found):,} error{'s' if len(found) > 1 else ''}")


def print_verified(found: Mapping[str, "Verified"]) -> None:
    """Whether the files of each dataset are intact."""
    rows = []
    for name, one in found.items():
        files = f"{one.files} files, " if one.files else ""
        words = "; ".join(one.faults or (f"{files}{one.images:,} images", *one.warnings))
        rows.append((name, "damaged" if one.faults else "intact", words))
    if rows:
        print_table(("dataset", "state", "verified"), rows)
    else:
        stdout().print("no dataset is on disk; download one with evalshift fetch NAME")


def _nearer(place: str) -> str:
    """A path as seen from the working folder, where it lies in there."""
    here = Path.cwd()
    return str(Path(place).relative_to(here)) if Path(place).is_relative_to(here) else place
