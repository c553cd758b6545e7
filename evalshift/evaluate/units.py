"""The pieces in which workers are given a run: which models on which images, in which order, and what is tried again.

Nothing here knows of ray: `cluster` carries the pieces out, and `benchmarks/simulate_cluster.py` pretends to.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evalshift.evaluate.groups import geometry_of
from evalshift.evaluate.model_run import Work
from evalshift.evaluate.predictions import Failure

# A piece with more models would say too late that it is done, and have too much to repeat when its worker dies.
MOST_MODELS = 32
# Pieces per worker: models differ in speed, and with so many the last worker ends not much later than the others.
_PIECES_PER_WORKER = 4
# Shards begin at multiples of this, which every batch size that a search may choose divides or is a multiple of.
_SHARD_STEP = 1_024
_SMALLEST_SHARD = 4_096
# Datasets of files are bundled up to so many images: to build a network again for each small one takes longer than it
# runs, and with more at once the first worker would decode for long before the next has use of it.
_BUNDLE_IMAGES = 100_000
# Seconds that a model takes besides its images, to be built and prepared, and for an image where nothing is known.
_LOAD_SECONDS, _USUAL_SECONDS = 0.2, 1e-3
# How often a piece moves to another machine when its own is lost, and how often a model may take a worker down.
MOST_MOVES, MOST_CRASHES = 3, 2
# A network that asks for so much of a GPU has it to itself; and the smallest part that is given away.
_WHOLE_GPU, _SMALLEST_PART = 0.9, 0.05
# Memory that torch and CUDA take for themselves on a GPU, per worker.
_CONTEXT_BYTES = 600_000_000


@dataclass(frozen=True)
class Images:
    """What a dataset costs: how many images, and whether they are files that must be decoded."""

    count: int
    encoded: bool


@dataclass(frozen=True)
class Shard:
    """The images `start` to `stop` of a dataset, the `number`-th (from 0) of `of` shards that hold each image once."""

    number: int
    of: int
    start: int
    stop: int


@dataclass(frozen=True)
class Unit:
    """Models with the same geometry and the datasets that they are run on, for one worker.

    works    each with the datasets of this unit
    images   to be run, over all models and datasets
    shard    of a single model on a single dataset, which images; None for all
    gpus     GPUs that it needs, where there are any: one, or the part of one that its models' `memory` comes to
    moves    how often the machine was lost that it ran on
    """

    works: tuple[Work, ...]
    images: int
    shard: Shard | None = None
    gpus: float = 1.0
    moves: int = 0

    @property
    def name(self) -> str:
        """What it is, for people."""
        first = self.works[0]
        on = f" on {first.datasets[0]}" if len(first.datasets) == 1 else ""
        more = f" and {len(self.works) - 1:,} more" if len(self.works) > 1 else ""
        part = "" if self.shard is None else f", part {self.shard.number + 1} of {self.shard.of}"
        return f"{first.name}{more}{on}{part}"


def make_units(
    works: Sequence[Work],
    datasets: Mapping[str, Images],
    workers: int,
    gpu_bytes: int | None = None,
    seconds_per_image: Mapping[str, float] | None = None,
) -> list[Unit]:
    """Cut a run into units, in the order in which they are given out.

    A unit has models of one geometry. Image files are decoded once per machine and geometry: a large dataset of them,
    or several small ones, go into a unit. Arrays need no decoding, and loading a model would be most of the work: it
    runs on all of them at once, many small models in one unit. Workers begin with different images, so that none
    decodes what another is at; then come further models on the same. Of these, the slow ones come first, so that no
    worker begins one when the others are nearly done. Where models are fewer than workers, large datasets are cut into
    shards.

    workers     how many units can run at once
    gpu_bytes   memory of the smallest GPU; None where it is unknown or there is none: each unit then has a GPU
    seconds_per_image   of a model, as far as it can be told; see evalshift.evaluate.relative_speeds
    """
    paces = seconds_per_image or {}

    def cost_of(work: Work) -> float:
        return _LOAD_SECONDS + _images(work, datasets) * paces.get(work.name, _USUAL_SECONDS)

    groups: dict[tuple, list[Work]] = {}
    for work in works:
        for names in _bundles(work, datasets):
            key = (names, geometry_of(work), _gpus(work, gpu_bytes))
            groups.setdefault(key, []).append(replace(work, datasets=names))
    costs = {key: sum(map(cost_of, group)) for key, group in groups.items()}
    share = sum(costs.values()) / max(1, workers)
    pieces: list[tuple[int, int, Unit]] = []
    for place, key in enumerate(sorted(groups, key=lambda one: -costs[one])):
        chunks = _chunks(groups[key], cost_of, share / _PIECES_PER_WORKER)
        pieces += [(number, place, _unit(chunk, datasets, key[2])) for number, chunk in enumerate(chunks)]
    units = [unit for *_, unit in sorted(pieces, key=lambda piece: piece[:2])]
    return _sharded(units, datasets, workers)


def _bundles(work: Work, datasets: Mapping[str, Images]) -> list[tuple[str, ...]]:
    """The datasets of a model that go into one unit each: all arrays, and files up to so many images."""
    arrays = tuple(name for name in work.datasets if not datasets[name].encoded)
    bundles, images = [arrays] if arrays else [], _BUNDLE_IMAGES
    for name in work.datasets:
        if not datasets[name].encoded:
            continue
        if images + datasets[name].count > _BUNDLE_IMAGES:
            bundles.append(())
            images = 0
        bundles[-1] += (name,)
        images += datasets[name].count
    return bundles


def _images(work: Work, datasets: Mapping[str, Images]) -> int:
    return sum(datasets[name].count for name in work.datasets)


def _unit(works: Sequence[Work], datasets: Mapping[str, Images], gpus: float) -> Unit:
    return Unit(tuple(works), sum(_images(work, datasets) for work in works), gpus=gpus)


def _chunks(group: Sequence[Work], cost_of: Callable[[Work], float], room: float) -> list[list[Work]]:
    """The models of a group, the slow ones first, in parts that cost about as much as each other, `room` at most.

    A single model may cost more; no part has more than MOST_MODELS.
    """
    costs = {work.name: cost_of(work) for work in group}
    total, before = sum(costs.values()), 0.0
    count = max(round(total / room), -(-len(group) // MOST_MODELS), 1)
    parts: list[list[Work]] = [[] for _ in range(count)]
    for work in sorted(group, key=lambda one: -costs[one.name]):
        parts[min(count - 1, int(count * (before + costs[work.name] / 2) / total))].append(work)
        before += costs[work.name]
    return [piece for part in parts for piece in _evenly(part)]


def _evenly(part: Sequence[Work]) -> list[list[Work]]:
    count = -(-len(part) // MOST_MODELS)
    return [list(part[len(part) * one // count : len(part) * (one + 1) // count]) for one in range(count)]


def _sharded(units: list[Unit], datasets: Mapping[str, Images], workers: int) -> list[Unit]:
    """Large units of a single model in shards, where units are fewer than workers."""
    if not units or len(units) >= workers:
        return units
    share = sum(unit.images for unit in units) / workers
    shards = []
    for unit in units:
        [work, *others] = unit.works
        parts = min(round(unit.images / share), unit.images // _SMALLEST_SHARD)
        if others or parts < 2:
            shards.append(unit)
            continue
        for name in work.datasets:
            shards += _shards_of(replace(work, datasets=(name,)), datasets[name].count, unit, parts, share)
    return shards


def _shards_of(work: Work, images: int, unit: Unit, parts: int, share: float) -> list[Unit]:
    count = max(1, min(parts, round(images / share), images // _SMALLEST_SHARD))
    if count == 1:
        return [replace(unit, works=(work,), images=images)]
    step = -(-images // count // _SHARD_STEP) * _SHARD_STEP
    starts = range(0, images, step)
    ends = [*starts[1:], images]
    return [
        replace(unit, works=(work,), images=stop - start, shard=Shard(number, len(starts), start, stop))
        for number, (start, stop) in enumerate(zip(starts, ends, strict=True))
    ]


def _gpus(work: Work, gpu_bytes: int | None) -> float:
    """The part of a GPU that a model is given, in twentieths."""
    if work.entry.memory is None or not gpu_bytes:
        return 1.0
    share = (work.entry.memory + _CONTEXT_BYTES) / gpu_bytes
    return 1.0 if share > _WHOLE_GPU else max(_SMALLEST_PART, -(-share // 0.05) * 0.05)


class Queue:
    """The units that are still to be run, and what becomes of those whose worker was lost."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._waiting = deque(units)
        self._given_up: set[tuple[str, str]] = set()
        self._crashes: Counter[str] = Counter()
        self._to_blame: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, free: float | None = None) -> Unit | None:
        """The next unit, or the first that needs no more than `free` GPUs; None where there is none."""
        for place, unit in enumerate(self._waiting):
            if free is None or unit.gpus <= free + 1e-9:
                del self._waiting[place]
                return unit
        return None

    def lost(self, unit: Unit, reason: str, machine_gone: bool) -> list[Failure]:
        """A unit came to nothing: it is tried again where that may help, else these are its failures.

        A model that takes its worker down more than once is given up on all datasets, so that it does not take down
        those that it would run beside elsewhere.

        unit          what of it is not done
        machine_gone  whether its machine was lost, which none of its models is to blame for
        """
        if machine_gone:
            if unit.moves == MOST_MOVES:
                return [failure for work in unit.works for failure in self.give_up(work, reason)]
            self._waiting.appendleft(replace(unit, moves=unit.moves + 1))
            return []
        innocent = [work for work in unit.works if work.name not in self._to_blame]
        if len(innocent) < len(unit.works):
            self._waiting.extend(_part(unit, innocent) for _ in innocent[:1])
            return []
        if len(unit.works) > 1:  # one of them is to blame
            self._waiting.extend(_part(unit, [work]) for work in unit.works)
            return []
        name = next(iter(unit.works)).name
        self._crashes[name] += 1
        if self._crashes[name] < MOST_CRASHES:
            self._waiting.append(unit)
            return []
        self._to_blame.add(name)
        self._keep(lambda work: work if work.name != name else None)
        return [Failure(name, None, reason)]

    def give_up(self, work: Work, reason: str) -> list[Failure]:
        """The failure of a model on the datasets of its unit, once, although several shards of it may fail."""
        names = [name for name in work.datasets if (work.name, name) not in self._given_up]
        self._given_up |= {(work.name, name) for name in names}
        dropped = [unit for unit in self._waiting if unit.shard and self._is_given_up(unit.works[0])]
        for unit in dropped:
            self._waiting.remove(unit)
        if not names:
            return []
        return [Failure(work.name, names[0] if len(names) == 1 else None, reason)]

    def without(self, dataset: str) -> None:
        """Run nothing more on a dataset: it is damaged."""

        def others(work: Work) -> Work | None:
            names = tuple(name for name in work.datasets if name != dataset)
            return replace(work, datasets=names) if names else None

        self._keep(others)

    def _keep(self, what: Callable[[Work], Work | None]) -> None:
        """Keep of the waiting units what a function leaves of each model's work."""
        units, self._waiting = list(self._waiting), deque()
        for unit in units:
            works = [kept for work in unit.works if (kept := what(work))]
            if works:
                self._waiting.append(_part(unit, works))

    def _is_given_up(self, work: Work) -> bool:
        return any((work.name, name) in self._given_up for name in work.datasets)


def _part(unit: Unit, works: Sequence[Work]) -> Unit:
    """A unit of some of its models."""
    return replace(unit, works=tuple(works), images=unit.images * len(works) // len(unit.works))
