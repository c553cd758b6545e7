"""Faults on purpose (`make faults`): kills, crashing networks, several writers, damaged files; what is lost.

Writes the table of docs/reliability.md. Every fault is real: processes are killed, bits flipped, folders deleted.
Numbers of losses count stored predictions that vanished, cannot be read, or differ from those of an undisturbed run.

    python benchmarks/faults.py [--tries 20]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from evalshift.errors import StoreError
from evalshift.evaluate.store import Results

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table of faults: made by `make faults` -->\n", "<!-- end of the table -->\n"
MODELS = "digits-*"
ENDS = ("segfault", "exit", "abort", "kill", "hang")
Stored = dict[tuple[str, str], bytes]

CRASHING = """
import ctypes, os, signal, time
def fault(kind):
    {"segfault": lambda: ctypes.string_at(0), "exit": lambda: os._exit(0), "abort": os.abort,
     "kill": lambda: os.kill(os.getpid(), signal.SIGKILL), "hang": lambda: ctypes.PyDLL(None).sleep(1000)}[kind]()
"""
WRITER = """
import os, sys, time
from evalshift.evaluate.store import Results
fsync = os.fsync
os.fsync = lambda number: (time.sleep(0.05), fsync(number))
for step in range(5):
    Results(sys.argv[1]).add_pairs([f"a:b-{sys.argv[2]}-{step}"])
"""


@dataclass
class Row:
    """One kind of fault: how often it was tried, how often the program noticed or outlived it, and what was lost."""

    fault: str
    tries: int
    expected: str
    held: int
    lost: int


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "evalshift", *map(str, arguments)]


def start(results: Path, *options: object) -> subprocess.Popen[bytes]:
    arguments = command("run", "--models", MODELS, "--results", results, "--device", "cpu", *options)
    quiet = subprocess.DEVNULL
    return subprocess.Popen(arguments, stdout=quiet, stderr=quiet, env=os.environ | {"OMP_NUM_THREADS": "1"})


def stored(results: Path) -> Stored:
    """The classes that each stored model predicted, as bytes; StoreError where a file cannot be read."""
    store = Results(results)
    found: Stored = {}
    for dataset in store.datasets():
        store.load_dataset(dataset)
        for model in store.models(dataset):
            found[dataset, model] = store.load_predictions(dataset, model).top.tobytes()
    return found


def losses(results: Path, before: Stored, reference: Stored) -> tuple[Stored, int]:
    """What is stored now, and how much of it is missing or is not what an undisturbed run stores."""
    try:
        now = stored(results)
    except StoreError as error:
        print(f"  {error}", file=sys.stderr)
        return before, 1
    return now, len(before.keys() - now.keys()) + sum(reference[key] != top for key, top in now.items())


def interrupted(how: signal.Signals, tries: int, reference: Stored, seconds: float, work: Path) -> Row:
    """Kill a run at random moments, and let the same command go on from there each time."""
    rng = random.Random(f"interrupted by {how.name}")
    results, before, lost, held = work / how.name, {}, 0, 0
    for _ in range(tries):
        process = start(results)
        time.sleep(rng.uniform(0.2, 1.0) * seconds)
        process.send_signal(how)
        code = process.wait(60)
        before, now_lost = losses(results, before, reference)
        lost += now_lost
        held += code in (0, -how, 130)
        if len(before) == len(reference):
            shutil.rmtree(results)
            before = {}
    start(results).wait()
    _, now_lost = losses(results, before, reference)
    lost += now_lost + (len(stored(results)) != len(reference))
    return Row(f"{how.name} at a random moment", tries, "what was stored stays; the same command finishes", held, lost)


def crashing(kind: str, reference: Stored, work: Path) -> Row:
    """A model that ends the process, in the midst of others."""
    folder = work / f"crash-{kind}"
    folder.mkdir()
    (folder / "networks.py").write_text(CRASHING)
    (folder / "registry.yaml").write_text(
        "extends: default\nmodels:\n  digits-aaa:\n    {source: python, trust: true, function: 'networks.py:fault', "
        f"classes: digits, preprocess: {{}}, arguments: {{kind: {kind}}}}}\npairs: [digits:digits-new-writers]\n"
    )
    timeout = ("--model-timeout", 20) if kind == "hang" else ()
    code = start(folder / "results", "--registry", folder / "registry.yaml", *timeout).wait()
    now, lost = losses(folder / "results", {}, reference)
    lost += len(reference.keys() - now.keys())
    return Row(f"a model that ends in: {kind}", 1, "named; the others run; exit code 1", int(code == 1), lost)


def writers(tries: int, work: Path) -> Row:
    """Four processes that each add five pairs, with a slow disk."""
    lost = 0
    for number in range(tries):
        results = work / f"writers-{number}"
        together = [subprocess.Popen([sys.executable, "-c", WRITER, results, str(one)]) for one in range(4)]
        for process in together:
            process.wait()
        lost += 20 - len(Results(results).pairs())
    return Row("four processes that write at once", tries, "all 20 entries", tries, lost)


def flipped(tries: int, results: Path) -> Row:
    """One bit of a stored file at a time: the file is refused, or what is read is unchanged."""
    rng = random.Random("flipped bits")
    store = Results(results)
    jobs = [(dataset, model) for dataset in store.datasets() for model in store.models(dataset)]
    wrong = found = 0
    for _ in range(tries):
        dataset, model = rng.choice(jobs)
        path = store.predictions_file(dataset, model)
        whole, expected = path.read_bytes(), store.load_predictions(dataset, model)
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read = store.load_predictions(dataset, model)
            wrong += read.top.tobytes() != expected.top.tobytes() or read.provenance != expected.provenance
        except StoreError:
            found += 1
        path.write_bytes(whole)
    return Row("one flipped bit of a stored file", tries, "refused by name, or without effect", tries - wrong, wrong)


def exchanged(results: Path) -> Row:
    """Each stored file copied over another model's."""
    store, wrong, tries = Results(results), 0, 0
    for dataset in store.datasets():
        models = store.models(dataset)
        for model, other in pairwise(models):
            path = store.predictions_file(dataset, model)
            whole = path.read_bytes()
            path.write_bytes(store.predictions_file(dataset, other).read_bytes())
            tries += 1
            try:
                store.load_predictions(dataset, model)
                wrong += 1
            except StoreError:
                pass
            path.write_bytes(whole)
    return Row("another model's file under a model's name", tries, "refused by name", tries - wrong, wrong)


def deleted(seconds: float, work: Path) -> Row:
    """The results folder deleted in the midst of a run."""
    results = work / "deleted"
    process = start(results)
    deadline = time.monotonic() + 60 * seconds
    while not Results(results).models("digits") and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(results, ignore_errors=True)
    code = process.wait()
    return Row("the results folder deleted during a run", 1, "said; exit code not 0", int(code != 0), int(code == 0))


def table(rows: list[Row]) -> str:
    lines = ["| fault | tries | what must happen | happened | losses |", "|---|---|---|---|---|"]
    lines += [f"| {row.fault} | {row.tries:,} | {row.expected} | {row.held:,} | {row.lost:,} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tries", type=int, default=20, help="kills of each kind; fifty times as many flipped bits")
    tries = parser.parse_args().tries
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        begin = time.monotonic()
        assert start(work / "reference").wait() == 0
        seconds = time.monotonic() - begin
        reference = stored(work / "reference")
        makers: list[Callable[[], Row]] = [
            *(
                lambda how=how: interrupted(how, tries, reference, seconds, work)
                for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
            ),
            *(
                lambda kind=kind: crashing(kind, reference, work)
                for kind in ("segfault", "exit", "abort", "kill", "hang")
            ),
            lambda: writers(max(1, tries // 4), work),
            lambda: flipped(50 * tries, work / "reference"),
            lambda: exchanged(work / "reference"),
            lambda: deleted(seconds, work),
        ]
        rows = []
        for make in makers:
            rows.append(make())
            print(rows[-1], flush=True)
    text = PAGE.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + "\n" + table(rows) + "\n" + END + rest.partition(END)[2], "utf-8")
    if any(row.lost or row.held < row.tries for row in rows):
        sys.exit("a fault was not dealt with: see the table")


if __name__ == "__main__":
    main()
