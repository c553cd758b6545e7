"""How quickly commands start: --help, an idle run and lists beside imports, a report beside an earlier revision's.

python benchmarks/bench_start.py [REVISION]

REVISION (615d7e5 without it, when figures were still drawn one after the other) is checked out of this repository's
history into a temporary folder. Both reports are timed in turn, each on results of its own code.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
EVALSHIFT = (sys.executable, "-m", "evalshift")
LIBRARIES = (sys.executable, "-c", "import pyarrow, pydantic, typer")
TARGETS = {"idle run": 1.5, "report": 0.4}
# Recht et al. 2019: 67 ImageNet and 34 CIFAR-10 models; seconds that pass, at most.
PUBLISHED = ("--published", "recht2019")
COMMANDS = {
    ("figure", "scatter", *PUBLISHED, "--out", "scatter.png"): 3.0,
    ("compare", "resnet18", "resnet50", *PUBLISHED): 2.0,
}


@dataclass(frozen=True)
class Spent:
    """Seconds that passed, and seconds of all processors together."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:6.2f} s ({self.cpu:5.2f} s of processors)"


@dataclass(frozen=True)
class Work:
    command: Sequence[str]
    folder: Path
    code: Path = ROOT

    def spend(self) -> Spent:
        # Byte code is kept, as it is where a user has installed evalshift.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"COLUMNS": "100", "PYTHONPATH": str(self.code)}
        before, start = _processors(), time.perf_counter()
        subprocess.run(self.command, cwd=self.folder, check=True, capture_output=True, env=environment)
        return Spent(time.perf_counter() - start, _processors() - before)


def _processors() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def side_by_side(*works: Work, repeats: int) -> list[Spent]:
    """Medians of each, run in turn after one run that does not count."""
    for work in works:
        work.spend()
    times = [[work.spend() for work in works] for _ in range(repeats)]
    return [
        Spent(median(one.wall for one in column), median(one.cpu for one in column))
        for column in zip(*times, strict=True)
    ]


def say(what: str, ours: Spent, beside: str, theirs: Spent, target: float | None = None) -> None:
    ratio = ours.wall / theirs.wall
    met = "" if target is None else f", target {target:g}: {'met' if ratio <= target else 'missed'}"
    print(f"{what:<28} {ours}   {beside} {theirs}   ratio {ratio:.2f}, of processors {ours.cpu / theirs.cpu:.2f}{met}")


def bench_commands(folder: Path) -> None:
    libraries = Work(LIBRARIES, folder)
    beside = "its libraries"
    say("evalshift --help", *_with(Work((*EVALSHIFT, "--help"), folder), libraries, beside))
    Work((*EVALSHIFT, "run"), folder).spend()
    say("evalshift run, nothing new", *_with(Work((*EVALSHIFT, "run"), folder), libraries, beside), TARGETS["idle run"])
    for kind in ("models", "datasets"):
        say(f"evalshift list {kind}", *_with(Work((*EVALSHIFT, "list", kind), folder), libraries, beside))


def bench_published(folder: Path) -> None:
    works = [Work((*EVALSHIFT, *command), folder) for command in COMMANDS]
    for (command, most), spent in zip(COMMANDS.items(), side_by_side(*works, repeats=5), strict=True):
        met = "met" if spent.wall <= most else "missed"
        print(f"{f'evalshift {command[0]}, 67 models':<28} {spent}, target {most:g} s: {met}")


def _with(work: Work, other: Work, beside: str) -> tuple[Spent, str, Spent]:
    ours, theirs = side_by_side(work, other, repeats=9)
    return ours, beside, theirs


def bench_report(folder: Path, revision: str) -> None:
    before, old = folder / "before", folder / "of-before"
    git = ("git", "-C", str(ROOT))
    added = subprocess.run((*git, "worktree", "add", "--detach", before, revision), capture_output=True, check=False)
    if added.returncode:
        print(f"the report of {revision} is not measured: it is not in this repository's history")
        return
    try:
        old.mkdir()
        Work((*EVALSHIFT, "run"), old, before).spend()
        report = (*EVALSHIFT, "report", "--probit")
        ours, theirs = side_by_side(Work(report, folder), Work(report, old, before), repeats=3)
        say("evalshift report --probit", ours, revision, theirs, TARGETS["report"])
        figures = [len(list((where / "report" / "figures").iterdir())) for where in (folder, old)]
        print(f"{'':<28} {figures[0]} files of figures beside {figures[1]}")
    finally:
        subprocess.run((*git, "worktree", "remove", "--force", before), capture_output=True, check=False)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        bench_commands(Path(name))
        bench_published(Path(name))
        bench_report(Path(name), sys.argv[1] if len(sys.argv) > 1 else "615d7e5")


if __name__ == "__main__":
    main()
