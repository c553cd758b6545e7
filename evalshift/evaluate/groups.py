"""The models of a run in an order, and in groups, in which no image is decoded more often than it must be."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from evalshift.evaluate.model_run import Bench, Loaded, Work, is_streamed, load, run_group
from evalshift.evaluate.predictions import Failure
from evalshift.evaluate.process_state import process_state_kept

# Models that are held at once. More than these take turns too often to be worth it on any machine.
MOST_MODELS = 16
# Of the memory that is free, for the models of a group; the rest is for what their layers compute.
_SHARE_OF_MEMORY = 4
_MOST_BYTES_ON_CPU = 1 << 30


def run_all(works: Sequence[Work], bench: Bench) -> list[Failure]:
    """Run all models; predictions are stored, failures are returned.

    One after the other where decoded images are kept. Where those of a dataset fit neither into memory nor into the
    cache, models with the same geometry are loaded together, as many as memory holds, and share one pass.
    """
    queue, set_aside = deque(in_order(works)), deque[Loaded]()
    failures: list[Failure] = []
    while queue or set_aside:
        with process_state_kept(bench.progress.note):
            failures += _run_next(queue, set_aside, bench)
    return failures


def _run_next(queue: deque[Work], set_aside: deque[Loaded], bench: Bench) -> list[Failure]:
    """Run the next model, with those that share a pass over the images with it."""
    first = set_aside.popleft() if set_aside else _load(queue.popleft(), bench)
    if isinstance(first, Failure):
        return [first]
    group, failures = [first], []
    with ExitStack() as stack:
        stack.enter_context(bench.at_work(first.work))
        if is_streamed(first, bench):
            failures += _gather(group, queue, set_aside, bench)
        for other in group[1:]:
            stack.enter_context(bench.at_work(other.work))
        failures += run_group(group, bench)
        # Here, as what their code does when they are given up is theirs, too.
        first = other = None
        group.clear()
    return failures


def _load(work: Work, bench: Bench) -> Loaded | Failure:
    with bench.at_work(work):
        return load(work, bench)


def in_order(works: Sequence[Work]) -> list[Work]:
    """Models whose entries ask for the same geometry next to each other, else in the order of the registry.

    What a library knows of its own models is known only once they are built, so their groups may be wrong; this costs
    time where the cache is small, and nothing else.
    """
    groups: dict[object, list[Work]] = {}
    for work in works:
        groups.setdefault(geometry_of(work), []).append(work)
    return [work for group in groups.values() for work in group]


def geometry_of(work: Work) -> tuple:
    """What the entry of a model says of its geometry, or its source where it leaves that to its library."""
    preprocess = work.entry.preprocess
    said = preprocess.model_fields_set if preprocess is not None else set()
    own = preprocess.geometry if preprocess is not None and said & {"resize", "crop", "letterbox"} else None
    return (work.entry.source if own is None else None, own)


def _gather(group: list[Loaded], queue: deque[Work], set_aside: deque[Loaded], bench: Bench) -> list[Failure]:
    """Load models until memory is full or none is left: those with the geometry of the first join the group."""
    geometry = group[0].classifier.preprocess.geometry
    for loaded in list(set_aside):
        if loaded.classifier.preprocess.geometry == geometry:
            set_aside.remove(loaded)
            group.append(loaded)
    room = _memory_for_models(bench) - sum(loaded.memory for loaded in (*group, *set_aside))
    failures = []
    while queue and room > 0 and len(group) + len(set_aside) < MOST_MODELS:
        loaded = _load(queue.popleft(), bench)
        if isinstance(loaded, Failure):
            failures.append(loaded)
            continue
        room -= loaded.memory
        (group if loaded.classifier.preprocess.geometry == geometry else set_aside).append(loaded)
    return failures


def _memory_for_models(bench: Bench) -> int:
    """Bytes that the models of a group may take together."""
    if bench.device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(bench.device)[0] // _SHARE_OF_MEMORY
    import psutil

    return min(_MOST_BYTES_ON_CPU, psutil.virtual_memory().available // _SHARE_OF_MEMORY)
