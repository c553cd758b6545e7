"""Faults on purpose (`make faults`): kills, crashing networks, damaged files, full disks, lying servers; what is lost.

Writes the table of docs/reliability.md. Every fault is real: processes are killed, bits flipped, folders deleted.
Numbers of losses count stored predictions that vanished, cannot be read, or differ in a byte of `top` from those of an
undisturbed run: after each fault, the same command is repeated to the end, and all predictions are compared.

    python benchmarks/faults.py [--tries 20]
"""

import argparse
import hashlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

from evalshift.errors import StoreError
from evalshift.evaluate.store import Results

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # for the server that lies
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table of faults: made by `make faults` -->\n", "<!-- end of the table -->\n"
MODELS = "digits-*"
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


def finished(results: Path, reference: Stored, *options: object) -> int:
    """Run the same command to its end; how much is missing then, or is not what an undisturbed run stores."""
    start(results, *options).wait()
    now, lost = losses(results, {}, reference)
    return lost + len(reference.keys() - now.keys())


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
        held += code in (0, -how, 128 + how)
        if len(before) == len(reference):
            shutil.rmtree(results)
            before = {}
    lost += finished(results, reference)
    return Row(
        f"{how.name} at a random moment", tries, "stored predictions are kept; the same command resumes", held, lost
    )


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
    return Row(
        f"a model that ends with: {kind}", 1, "the model is named; the others run; exit code 1", int(code == 1), lost
    )


def writers(tries: int, work: Path) -> Row:
    """Four processes that each add five pairs, with a slow disk."""
    lost = 0
    for number in range(tries):
        results = work / f"writers-{number}"
        together = [subprocess.Popen([sys.executable, "-c", WRITER, results, str(one)]) for one in range(4)]
        for process in together:
            process.wait()
        lost += 20 - len(Results(results).pairs())
    return Row("four processes write at the same time", tries, "all 20 entries are stored", tries, lost)


def flipped(tries: int, reference: Stored, undisturbed: Path, work: Path) -> Row:
    """One bit of a stored file at a time: the file is refused, or what is read is unchanged; `run` makes it again."""
    rng = random.Random("flipped bits")
    results = Path(shutil.copytree(undisturbed, work / "flipped"))
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
    for dataset, model in jobs:  # all of them damaged in their middle, for good
        path = store.predictions_file(dataset, model)
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
    return Row(
        "one flipped bit of a stored file",
        tries,
        "the file is refused by name, or nothing changes",
        tries - wrong,
        wrong + finished(results, reference),
    )


def exchanged(reference: Stored, undisturbed: Path, work: Path) -> Row:
    """Each stored file copied over another model's; `run` makes these predictions again."""
    results = Path(shutil.copytree(undisturbed, work / "exchanged"))
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
            if not tries % 2:
                path.write_bytes(whole)
    lost = wrong + finished(results, reference)
    return Row("another model's file under a model's name", tries, "the file is refused by name", tries - wrong, lost)


def deleted(reference: Stored, seconds: float, work: Path) -> Row:
    """The results folder deleted in the midst of a run."""
    results = work / "deleted"
    process = start(results)
    deadline = time.monotonic() + 60 * seconds
    while not Results(results).models("digits") and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(results, ignore_errors=True)
    code = process.wait()
    return Row(
        "the results folder deleted during a run",
        1,
        "an error; exit code not 0",
        int(code != 0),
        int(code == 0) + finished(results, reference),
    )


FULL = """
mount -t tmpfs -o size={size}k none "$1" || exit 99
{python} -m evalshift run --models '{models}' --results "$1/results" --device cpu > "$1.full" 2>&1
echo $? > "$1.code"
mount -o remount,size=100M "$1"
{python} -m evalshift run --models '{models}' --results "$1/results" --device cpu > /dev/null 2>&1
cp -r "$1/results" "$1.kept"
"""


def full_disk(tries: int, reference: Stored, work: Path) -> Row:
    """A disk that is full at some point of a run, and the same command once it is not (a tmpfs; Linux)."""
    rng, held, lost, made = random.Random("full disks"), 0, 0, 0
    for number in range(tries):
        disk = work / f"disk-{number}"
        disk.mkdir()
        script = FULL.format(size=rng.randrange(40, 400), python=shlex.quote(sys.executable), models=MODELS)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", disk], env=environment
        )
        if done.returncode == 99:  # this system has no namespaces for users
            continue
        made += 1
        said = disk.with_suffix(".full").read_text()
        held += disk.with_suffix(".code").read_text().strip() == "2" and "No space left on device" in said
        now, now_lost = losses(disk.with_suffix(".kept"), {}, reference)
        lost += now_lost + len(reference.keys() - now.keys())
    return Row("a full disk during a run", made, "an error, exit code 2; the same command resumes later", held, lost)


BODY = random.Random("a download").randbytes(300_000)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# What a server may do, the requests that it does it on being the first ones, and whether it gives the file in the end.
LIES: dict[str, tuple[dict[str, Any], bool]] = {
    "the connection is cut once": ({"faults": [("cut", 100_000)]}, True),
    "the connection is cut repeatedly": ({"faults": [("cut", size) for size in (10_000, 0, 50_000, 1)]}, True),
    "the server stalls": ({"faults": [("stall", 100_000)]}, True),
    "ranges are ignored": ({"faults": [("cut", 100_000)], "ranges": False}, True),
    "another range than requested": ({"faults": [("cut", 100_000)], "shift": 7}, False),
    "no Content-Length": ({"length": False}, True),
    "no Content-Length, and cut": ({"length": False, "faults": [("cut", 100_000)]}, False),
    "a length that is too large": ({"claim": 400_000}, False),
    "a length that is too small": ({"claim": 200_000}, False),
    "a length beyond any disk": ({"claim": 1 << 50}, False),
    "503, temporarily": ({"faults": [("status", 503)]}, True),
    "503, permanently": ({"faults": [("status", 503)] * 9}, False),
    "redirects in a circle": ({"location": "/data.bin"}, False),
    "a header that never ends": ({"raw": chain([b"HTTP/1.1 200 OK\r\nX: "], repeat(b"0")), "pause": 0.02}, False),
    "a chunk whose length never ends": ({"raw": chain([_CHUNKED], repeat(b"0")), "pause": 0.02}, False),
    "a response that is not HTTP": ({"raw": [b"SSH-2.0-OpenSSH_9.6\r\n"]}, False),
    "404": ({"status": 404}, False),
    "one byte at a time": ({"pause": 0.05, "piece": 1}, False),
    "a web page instead of the file": ({"body": b"<!DOCTYPE html><html>sign in", "content_type": "text/html"}, False),
    "other bytes of the same length": ({"body": BODY[::-1]}, False),
}


def lying_server(kind: str, work: Path) -> Row:
    """A file downloaded from a server on this machine that lies: it is the right one, or there is none."""
    from fileserver import Fault, FileServer

    from evalshift.errors import DownloadError
    from evalshift.testbed.download import RemoteFile, fetch
    from evalshift.testbed.transfer import Patience

    behaviour, obtainable = LIES[kind]
    faults = [Fault(*fault) for fault in behaviour.get("faults", ())]
    folder = work / "downloads" / kind.replace(" ", "-")
    with FileServer() as server:
        served: dict[str, Any] = {"body": BODY} | behaviour | {"faults": faults}
        url = server.put("data.bin", **served)
        file = RemoteFile("data.bin", (url,), hashlib.sha256(BODY).hexdigest())
        try:
            got = fetch(file, folder, patience=Patience(read=0.5, attempts=3, backoff=0.01)).read_bytes() == BODY
            held, lost = int(got), int(not got)
        except DownloadError:
            held, lost = int(not obtainable), int((folder / "data.bin").exists())
    return Row(f"download: {kind}", 1, "the file is downloaded" if obtainable else "an error, and no file", held, lost)


def killed_worker(tries: int, reference: Stored, seconds: float, work: Path) -> Row:
    """A ray worker killed at a random moment: what it had not stored is run again, in the same run."""
    import psutil

    rng, held, lost = random.Random("killed workers"), 0, 0
    for number in range(tries):
        results = work / f"ray-{number}"
        process = start(results, "--executor", "ray")
        killed, deadline = False, time.monotonic() + 120
        while not killed and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            with suppress(psutil.Error):
                workers = [
                    one
                    for one in psutil.Process(process.pid).children(recursive=True)
                    if "run_unit" in " ".join(one.cmdline())
                ]
                if workers and rng.random() < 0.02 / max(seconds / 4, 0.1):
                    rng.choice(workers).kill()
                    killed = True
        held += process.wait() == 0
        now, now_lost = losses(results, {}, reference)
        lost += now_lost + len(reference.keys() - now.keys())
    return Row("a ray worker killed at a random moment", tries, "its work is repeated; exit code 0", held, lost)


def killed_process_of_ray(name: str, reference: Stored, work: Path) -> Row:
    """A process of ray's own killed in the midst of a run: ray is started again, and the run goes on."""
    import psutil

    results = work / f"ray-{name}"
    process = start(results, "--executor", "ray")
    while process.poll() is None and not any(results.glob("predictions/*/*.parquet")):
        time.sleep(0.02)
    killed = [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == name]
    for one in killed:
        one.kill()
    held = process.wait() == 0 and bool(killed)
    now, lost = losses(results, {}, reference)
    lost += len(reference.keys() - now.keys())
    return Row(f"ray's {name} killed during a run", 1, "ray is started again; exit code 0", int(held), lost)


def taken_over(first: str, second: str, reference: Stored, work: Path) -> Row:
    """A run that one executor began and was killed in, finished by the other."""
    results = work / f"{first}-{second}"
    process = start(results, "--executor", first)
    while process.poll() is None and len(list(results.glob("predictions/*/*.parquet"))) < len(reference) // 4:
        time.sleep(0.02)
    process.kill()
    process.wait()
    begun = len(stored(results))
    lost = finished(results, reference, "--executor", second)
    fault = f"SIGKILL, begun with {first}, finished with {second}"
    return Row(
        fault, 1, "stored predictions are kept; the other executor resumes", int(0 < begun < len(reference)), lost
    )


def table(rows: list[Row]) -> str:
    lines = ["| fault | tries | expected | as expected | losses |", "|---|---|---|---|---|"]
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
            lambda: flipped(50 * tries, reference, work / "reference", work),
            lambda: exchanged(reference, work / "reference", work),
            lambda: deleted(reference, seconds, work),
            lambda: full_disk(max(2, tries // 4), reference, work),
            lambda: killed_worker(max(1, tries // 4), reference, seconds, work),
            lambda: killed_process_of_ray("gcs_server", reference, work),
            lambda: killed_process_of_ray("raylet", reference, work),
            lambda: taken_over("local", "ray", reference, work),
            lambda: taken_over("ray", "local", reference, work),
            *(lambda kind=kind: lying_server(kind, work) for kind in LIES),
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
