"""1,000 models × 20 test sets on a cluster, simulated: how long, how busy, what binds, and what faults cost.

The scheduler is the real one (`evalshift.evaluate.units`): it cuts the run into units, orders them, and decides what is
run again where a machine is lost or a worker dies. Only workers are pretended, with the costs below; docs/scale.md says
where they come from and what the result means.

    python benchmarks/simulate_cluster.py [--models 1000] [--sets 20] [--machines 1 2 4 8] [--gpus 8]
"""

import argparse
import heapq
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evalshift.evaluate.model_run import Work
from evalshift.evaluate.units import Images, Queue, Unit, make_units
from evalshift.formatting import duration
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.own_model_entries import PythonModel
from evalshift.testbed.preprocessing import Preprocess

# Test sets of image files: a few large ones, as ImageNet's, and many of the size of ImageNetV2.
SIZES = (50_000, 50_000, 30_000, 10_000, 10_000)
# How many of all models take their worker down, and how long a machine that was lost is away.
CRASHING, DOWN_SECONDS = 0.005, 600.0
# Side of the images that models want, and how many models of a hundred want it.
SIDES = {224: 62, 256: 10, 288: 10, 336: 5, 384: 10, 448: 3}

# Seconds by kind of work.
Spent = defaultdict[str, float]
CLASSES = ClassSpace("c", ("a", "b"))


@dataclass(frozen=True)
class Costs:
    """What a worker's work costs.

    rate       images per second of a network of median size on one GPU, at 224 pixels; log-normal over models
    decode     JPEG files per second that one core decodes and shrinks
    cached     decoded bytes per second that a machine reads back, from memory
    load       seconds to build a network and read its weights
    prepare    seconds to find out how a network runs quickest, once per unit and model
    start      seconds of a worker's first unit: torch, CUDA
    receive    seconds of the main process per stored file: it is read, checked and printed
    """

    rate: float = 3_000.0
    spread: float = 0.8
    decode: float = 350.0
    cached: float = 10e9
    load: float = 3.0
    prepare: float = 4.0
    start: float = 15.0
    receive: float = 0.01


@dataclass
class Machine:
    """A machine with GPUs: which images it has decoded, whose workers have begun, and when it is lost next."""

    number: int
    cores: int
    fails_at: float
    decoded: set[tuple[str, int]] = field(default_factory=set)
    started: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Running:
    """A unit on a GPU. `crash` is the position of the model that takes the worker down; None where none does."""

    unit: Unit
    machine: Machine
    gpu: int
    spent: Spent
    lost: bool
    crash: int | None


@dataclass
class Outcome:
    """What a simulated run came to, in seconds of all GPUs together where it is time."""

    hours: float
    busy: Spent
    units: int
    moved: int
    repeated: int
    failures: int
    stored: int
    driver: float


def make_works(models: int, sets: int, rng: random.Random) -> tuple[list[Work], dict[str, Images], dict[str, float]]:
    """Models with their geometry and pace, and test sets with their sizes."""
    datasets = {f"set-{number:02}": Images(SIZES[number % len(SIZES)], encoded=True) for number in range(sets)}
    works, costs, paces = [], Costs(), {}
    for number in range(models):
        side = rng.choices(list(SIDES), list(SIDES.values()))[0]
        entry = PythonModel(
            source="python", function="m:f", classes="c", preprocess=Preprocess(resize=side, crop=side), trust=True
        )
        name = f"model-{number:04}"
        works.append(Work(name, entry, tuple(datasets), CLASSES, {}, None))
        paces[name] = costs.rate * rng.lognormvariate(0.0, costs.spread) * (224 / side) ** 2
    return works, datasets, paces


def seconds_of(
    works: Sequence[Work], unit: Unit, machine: Machine, gpu: int, datasets: dict[str, Images], paces: dict[str, float],
    gpus: int,
) -> Spent:  # fmt: skip
    """What these models of a unit cost on a GPU of a machine, by kind of work; a network waits for its images."""
    costs, spent = Costs(), Spent(float)
    if gpu not in machine.started:
        machine.started.add(gpu)
        spent["start"] += costs.start
    for work in works:
        side = side_of(work)
        spent["load and prepare"] += costs.load + costs.prepare
        for name in work.datasets:
            images = unit.shard.stop - unit.shard.start if unit.shard else datasets[name].count
            forward = images / paces[work.name]
            if (name, side) in machine.decoded:
                fetch = images * side**2 * 3 / (costs.cached / gpus)
            else:
                fetch = images / (costs.decode * machine.cores / gpus)
                if unit.shard is None:
                    machine.decoded.add((name, side))
            spent["networks"] += forward
            spent["waiting for images"] += max(0.0, fetch - forward)
    return spent


def side_of(work: Work) -> int:
    """The side of the images that a model wants."""
    assert work.entry.preprocess is not None
    assert isinstance(work.entry.preprocess.resize, int)
    return work.entry.preprocess.resize


class Simulation:
    """One run, event by event; `lost_every` are hours after which a machine is lost on average, for ten minutes."""

    def __init__(self, models: int, sets: int, machines: int, gpus: int, cores: int, lost_every: float, seed: int):
        self.rng, self.gpus, self.lost_every = random.Random(seed), gpus, lost_every
        works, self.datasets, self.paces = make_works(models, sets, self.rng)
        self.crashing = {work.name for work in works if self.rng.random() < CRASHING}
        units = make_units(works, self.datasets, machines * gpus)
        self.queue = Queue(units)
        self.cluster = [Machine(number, cores, self.next_loss(0.0)) for number in range(machines)]
        self.idle = [(0.0, number, gpu) for number in range(machines) for gpu in range(gpus)]
        self.running: list[tuple[float, int, Running]] = []
        self.out = Outcome(0.0, Spent(float), len(units), 0, 0, 0, 0, 0.0)
        self.events = 0

    def next_loss(self, now: float) -> float:
        return now + self.rng.expovariate(1 / (3600 * self.lost_every)) if self.lost_every else float("inf")

    def run(self) -> Outcome:
        """The outcome once all units are done or given up."""
        now = receiving_until = 0.0
        while self.queue or self.running:
            while self.idle and self.queue and (not self.running or self.idle[0][0] <= self.running[0][0]):
                since, number, gpu = heapq.heappop(self.idle)
                self.give(max(since, now), self.cluster[number], gpu)
            now, _, done = heapq.heappop(self.running)
            files = self.take(now, done)
            receiving_until = max(receiving_until, now) + files * Costs().receive
            back = now + DOWN_SECONDS if done.lost else now
            heapq.heappush(self.idle, (back, done.machine.number, done.gpu))
        self.out.hours = max(now, receiving_until) / 3600
        self.out.driver = self.out.stored * Costs().receive
        return self.out

    def give(self, now: float, machine: Machine, gpu: int) -> None:
        """Give the next unit to a GPU: it ends when it is done, or a model takes it down, or its machine is lost."""
        if machine.fails_at <= now:  # it was lost while this GPU had nothing to do
            back = machine.fails_at + DOWN_SECONDS
            machine.fails_at = self.next_loss(back)
            heapq.heappush(self.idle, (max(now, back), machine.number, gpu))
            return
        unit = self.queue.take()
        assert unit is not None
        crash = next((place for place, work in enumerate(unit.works) if work.name in self.crashing), None)
        works = unit.works if crash is None else unit.works[:crash]
        spent = seconds_of(works, unit, machine, gpu, self.datasets, self.paces, self.gpus)
        if crash is not None:
            spent["lost"] += Costs().load + Costs().prepare
        end = now + sum(spent.values())
        lost = machine.fails_at < end
        if lost:
            end = max(now, machine.fails_at)
            spent = Spent(float, lost=end - now)
        self.events += 1
        heapq.heappush(self.running, (end, self.events, Running(unit, machine, gpu, spent, lost, crash)))

    def take(self, now: float, done: Running) -> int:
        """What comes of a unit; how many files were stored."""
        for kind, seconds in done.spent.items():
            self.out.busy[kind] += seconds
        unit, machine = done.unit, done.machine
        if done.lost:
            self.out.moved += 1
            self.out.failures += len(self.queue.lost(unit, "its machine was lost", machine_gone=True))
            machine.started.clear()
            if machine.fails_at <= now:  # the first of its GPUs to hear of it
                machine.fails_at = self.next_loss(now + DOWN_SECONDS)
            return 0
        works = unit.works
        if done.crash is not None:
            works = unit.works[: done.crash]
            left = replace(unit, works=unit.works[done.crash :])
            self.out.repeated += 1
            self.out.failures += len(self.queue.lost(left, "the worker died", machine_gone=False))
            machine.started.discard(done.gpu)
        files = 0 if unit.shard and unit.shard.number else sum(len(work.datasets) for work in works)
        self.out.stored += files
        return files


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--gpus", type=int, default=8, help="GPUs per machine")
    parser.add_argument("--cores", type=int, default=64, help="cores per machine")
    chosen = parser.parse_args()
    print(f"{chosen.models:,} models × {chosen.sets} sets, machines of {chosen.gpus} GPUs and {chosen.cores} cores")
    print(
        "| machines | lost every | units | time | networks | waiting for images | load, prepare | lost | idle | ",
        end="",
    )
    print("main process |\n|---|---|---|---|---|---|---|---|---|---|")
    for machines in chosen.machines:
        for lost_every in (0.0, 8.0):
            out = Simulation(chosen.models, chosen.sets, machines, chosen.gpus, chosen.cores, lost_every, seed=0).run()
            total = out.hours * 3600 * machines * chosen.gpus
            share = {name: f"{100 * seconds / total:.1f} %" for name, seconds in out.busy.items()}
            idle = f"{100 * (1 - sum(out.busy.values()) / total):.1f} %"
            every = f"{lost_every:g} h" if lost_every else "never"
            print(
                f"| {machines} | {every} | {out.units:,} | {duration(3600 * out.hours)} | {share['networks']} "
                f"| {share['waiting for images']} | {share['load and prepare']} | {share.get('lost', '0 %')} | {idle} "
                f"| {100 * out.driver / (3600 * out.hours):.1f} % |"
            )


if __name__ == "__main__":
    main()
