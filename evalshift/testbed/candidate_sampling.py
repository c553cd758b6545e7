"""Sampling a test set from candidates of known selection frequency: matched to a reference, by a threshold, the best.

The selection frequency of an image is the share of people who said that it shows its class.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError, UsageError
from evalshift.testbed.csv_records import csv_bytes, read_csv_records

STRATEGIES = ("matched", "threshold", "top")
# As released: upper edges of the first four of five bins; a frequency on an edge belongs to the higher bin.
EDGES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Candidate:
    """One image, its class, and its selection frequency from 0 to 1; of `shown` people, where that is known."""

    image: str
    class_name: str
    frequency: float
    shown: int | None = None


@dataclass(frozen=True)
class Sample:
    """The images chosen, class by class, and what could not be done as asked.

    chosen       in the order of classes, then of candidates
    raised       images taken from a higher bin than the reference has, since theirs had run out
    missing      class → images that no candidate was left for
    """

    chosen: tuple[Candidate, ...]
    raised: tuple[Candidate, ...]
    missing: Mapping[str, int]

    @property
    def mean_frequency(self) -> float:
        """The mean selection frequency of the chosen images; NaN where there are none."""
        return float(np.mean([one.frequency for one in self.chosen])) if self.chosen else float("nan")


def read_candidates(path: Path) -> tuple[Candidate, ...]:
    """Images with class and selection frequency: CSV with columns image, class, and frequency or selected and shown.

    Raises DataError naming file and line for a missing column, a frequency outside 0 to 1 and an image that is listed
    twice in one class.
    """
    columns, rows = read_csv_records(path, "candidates")
    if not {"image", "class"} <= {*columns} or not ("frequency" in columns or {"selected", "shown"} <= {*columns}):
        raise DataError(
            "these are not candidates",
            where=path,
            found=", ".join(columns) or "an empty file",
            expected="columns image, class, and frequency, or selected and shown",
        )
    found = [_candidate(row, f"{path}, line {line}") for line, row in enumerate(rows, 2)]
    seen: set[tuple[str, str]] = set()
    for line, one in enumerate(found, 2):
        key = (one.class_name, one.image)
        if key in seen:
            raise DataError("duplicate candidate", where=f"{path}, line {line}", found=one.image)
        seen.add(key)
    if not found:
        raise DataError("there are no candidates", where=path, expected="a row per image")
    return tuple(found)


def _candidate(row: Mapping[str, str], where: str) -> Candidate:
    try:
        shown = int(row["shown"]) if row.get("shown") else None
        frequency = float(row["frequency"]) if row.get("frequency") else int(row["selected"]) / int(row["shown"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        frequency, shown = float("nan"), None
    if not (0 <= frequency <= 1 and row["image"] and row["class"]):
        raise DataError(
            "this is not a candidate",
            where=where,
            found=", ".join(f"{name} {value}" for name, value in row.items() if name),
            expected="an image, a class, and a selection frequency from 0 to 1",
        )
    return Candidate(row["image"], row["class"], frequency, shown)


def sample(
    candidates: Sequence[Candidate],
    strategy: str,
    per_class: int = 10,
    *,
    reference: Sequence[Candidate] = (),
    threshold: float = 0.7,
    seed: int = 0,
) -> Sample:
    """Choose `per_class` images of each class of the candidates; classes in the order of their names.

    matched    as many of each of five bins of selection frequency as the class's `reference` images have, rounded by
               largest remainders, uniformly at random within a bin; where a bin runs out, of the next higher one that
               has candidates left
    threshold  uniformly at random among frequencies of at least `threshold`
    top        the highest frequencies, equal ones in random order
    The same seed chooses the same images of a class, whatever other classes there are.
    Raises UsageError for another strategy, and for a class without reference images where these are matched.
    Source: Recht et al. 2019, section 4 and appendix C.1.2 (MatchedFrequency, Threshold0.7, TopImages).
    """
    if strategy not in STRATEGIES:
        raise UsageError(f'there is no strategy "{strategy}"', expected=", ".join(STRATEGIES))
    if per_class < 1:
        raise UsageError("invalid number of images per class (`per_class`)", found=per_class, expected="at least 1")
    by_class, known = _by_class(candidates), _by_class(reference)
    if strategy == "matched" and (without := sorted(set(by_class) - set(known))):
        raise UsageError(
            "a class has no reference images to match (`reference`)",
            found=without[0] + (f" and {len(without) - 1:,} more" if len(without) > 1 else ""),
            expected="selection frequencies of reference images of every class",
        )
    chosen: list[Candidate] = []
    raised: list[Candidate] = []
    missing = {}
    for name in sorted(by_class):
        rng = np.random.default_rng([seed, *name.encode()])
        shuffled = [by_class[name][place] for place in rng.permutation(len(by_class[name]))]
        if strategy == "matched":
            taken, above = _matched(shuffled, bin_targets([one.frequency for one in known[name]], per_class))
            raised += above
        elif strategy == "threshold":
            taken = [one for one in shuffled if one.frequency >= threshold][:per_class]
        else:
            taken = sorted(shuffled, key=lambda one: -one.frequency)[:per_class]
        if len(taken) < per_class:
            missing[name] = per_class - len(taken)
        order = {one.image: place for place, one in enumerate(by_class[name])}
        chosen += sorted(taken, key=lambda one: order[one.image])
    return Sample(tuple(chosen), tuple(raised), missing)


def bin_targets(frequencies: Sequence[float], count: int) -> list[int]:
    """How many of `count` images each of the five bins is to have, as these frequencies are distributed.

    Fractions are rounded by largest remainders, equal ones in favour of the higher bin.

    >>> bin_targets([0.1, 0.5, 0.9, 1.0], 10)
    [2, 0, 3, 0, 5]
    """
    counts = np.bincount(bins(frequencies), minlength=len(EDGES) + 1)
    exact = count * counts / counts.sum()
    targets = np.floor(exact).astype(int)
    order = sorted(range(len(exact)), key=lambda place: (-(exact[place] - targets[place]), -place))
    for place in order[: count - int(targets.sum())]:
        targets[place] += 1
    return targets.tolist()


def bins(frequencies: Sequence[float]) -> np.ndarray:
    """The bin of each frequency, 0 to 4; one on an edge belongs to the higher bin, up to rounding of fractions."""
    return np.digitize(np.round(np.asarray(frequencies, dtype=float), 9), EDGES)


def _matched(shuffled: Sequence[Candidate], targets: Sequence[int]) -> tuple[list[Candidate], list[Candidate]]:
    """Those taken, and those of them that stand for an image of a lower bin."""
    left: dict[int, list[Candidate]] = defaultdict(list)
    for one, place in zip(shuffled, bins([one.frequency for one in shuffled]).tolist(), strict=True):
        left[place].append(one)
    taken: list[Candidate] = []
    short: list[int] = []
    for place, wanted in enumerate(targets):
        here = left[place][:wanted]
        del left[place][:wanted]
        taken += here
        short += [place] * (wanted - len(here))
    raised = []
    for place in short:
        higher = next((bin for bin in range(place + 1, len(targets)) if left[bin]), None)
        if higher is not None:
            raised.append(left[higher].pop(0))
    return [*taken, *raised], raised


def _by_class(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        found[one.class_name].append(one)
    return dict(found)


def sample_csv(chosen: Sequence[Candidate]) -> bytes:
    """The chosen images as CSV: image, class, frequency; a list that the registry's source `list` reads."""
    rows = ((one.image, one.class_name, f"{one.frequency:.6g}") for one in chosen)
    return csv_bytes(("image", "class", "frequency"), rows)
