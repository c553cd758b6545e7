"""What a run would do and what failed, as `evalshift run` and `check` print them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stderr, stdout

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.evaluate.choice import Choice
    from evalshift.evaluate.plan import Job, Plan
    from evalshift.evaluate.predictions import Failure
    from evalshift.testbed.registry import Registry


def print_choice(chosen: "Choice", registry: "Registry") -> None:
    """What was chosen from a registry."""
    from evalshift.evaluate.choice import choice_lines

    stdout().print("\n".join(choice_lines(chosen, registry)))


def print_plan(plan: "Plan", registry: "Registry", results: Path, downloads: str | None = None) -> None:
    """What a run would do, and why; `downloads` is what it would download first, in a line."""
    print_choice(plan.chosen, registry)
    if downloads:
        stdout().print(f"plan      {downloads}")
    if plan.done:
        stdout().print(f"skipped   {len(plan.done)}, stored and still valid")
    if plan.jobs:
        stdout().print(f"to run    {len(plan.jobs)}\n")
        print_table(("model", "on", "why"), _by_model(plan.jobs))
    else:
        stdout().print(f"nothing to do: everything is in {results}")


def _by_model(jobs: Sequence["Job"]) -> list[tuple[str, str, str]]:
    """One row per model and reason: usually, one reason holds for all datasets of a model."""
    datasets: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        datasets.setdefault((job.model, job.reason), []).append(job.dataset)
    return [(model, ", ".join(names), reason) for (model, reason), names in datasets.items()]


def print_failures(failures: Sequence["Failure"], results: Path) -> None:
    """Repeat the models that failed at the end of the output."""
    others = any((results / "predictions").rglob("*.parquet"))
    where = f"the other predictions are in {results}" if others else "no predictions are stored"
    stderr().print(f"\n{len(failures)} failed; {where}:", style="bold red")
    for failure in failures:
        on = f" on {failure.dataset}" if failure.dataset else ""
        stderr().print(f"  {failure.model}{on}: {failure.error.splitlines()[0]}")
