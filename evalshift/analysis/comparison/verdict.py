"""What a comparison says in two sentences, claiming no more than its numbers."""

from itertools import combinations
from typing import TYPE_CHECKING

from evalshift.analysis.pair_statistics.missing import computed, either, require
from evalshift.formatting import points, points_ci

if TYPE_CHECKING:
    from evalshift.analysis.comparison.records import Differences, PairComparison


def verdict(found: "PairComparison", first: int, second: int) -> str:
    """Which of two models is more accurate, and which more robust, with the intervals of their differences."""
    return f"{_of_accuracy(found, first, second)} {_of_robustness(found, first, second)}"


def matrix_verdict(found: "PairComparison") -> str:
    """How many pairs of models differ significantly in accuracy on either set, and in effective robustness."""
    two = list(combinations(range(len(found.models)), 2))
    counts = {
        quantity: sum(differences.is_significant(i, j, found.level) for i, j in two)
        for quantity, differences in computed(found.differences).items()
    }
    original, new = map(found.titles.dataset, (found.original, found.new))
    accuracy = (
        f"Of the {len(two)} pairs of {len(found.models)} models, {counts['original']} differ significantly in "
        f"accuracy on {original} and {counts['new']} on {new}."
    )
    robustness = either(
        found.differences["robustness"],
        lambda differences: f"In effective robustness, {_pairs_differ(counts['robustness'])} significantly.",
        lambda reason: f"Effective robustness is not compared: {reason}.",
    )
    return f"{accuracy} {robustness}"


def _pairs_differ(count: int) -> str:
    return "1 pair differs" if count == 1 else f"{count or 'no'} pairs differ"


def _of_accuracy(found: "PairComparison", first: int, second: int) -> str:
    known = [require(found.differences[side]) for side in ("original", "new")]
    names = [found.titles.dataset(found.original), found.titles.dataset(found.new)]
    significant = [side.is_significant(first, second, found.level) for side in known]
    models = (found.titles.model(found.models[first]), found.titles.model(found.models[second]))
    if not any(significant):
        parts = (f"{_signed(side, first, second, found)} on {name}" for side, name in zip(known, names, strict=True))
        return (
            f"The accuracies of {models[0]} and {models[1]} do not differ significantly: the difference is "
            f"{' and '.join(parts)}."
        )
    ahead = [float(side.difference[first, second]) > 0 for side in known]
    winner = [models[0] if one else models[1] for one in ahead]
    loser = [models[1] if one else models[0] for one in ahead]
    amounts = [_amount(side, first, second, found) for side in known]
    if all(significant) and ahead[0] == ahead[1]:
        return (
            f"{winner[0]} is more accurate than {loser[0]} on both sets: by {amounts[0]} on {names[0]} and by "
            f"{amounts[1]} on {names[1]}."
        )
    if all(significant):
        return (
            f"{winner[0]} is more accurate than {loser[0]} on {names[0]}, by {amounts[0]}, but less accurate on "
            f"{names[1]}, by {amounts[1]}."
        )
    sure, unsure = (0, 1) if significant[0] else (1, 0)
    return (
        f"{winner[sure]} is more accurate than {loser[sure]} on {names[sure]}, by {amounts[sure]}; on {names[unsure]} "
        f"the difference is not significant ({winner[unsure]} ahead by "
        f"{_amount(known[unsure], first, second, found, inside=True)})."
    )


def _of_robustness(found: "PairComparison", first: int, second: int) -> str:
    return either(
        found.differences["robustness"],
        lambda robustness: _of_distances(robustness, found, first, second),
        lambda reason: f"Effective robustness is not compared: {reason}{_of_drops(found, first, second)}.",
    )


def _of_distances(robustness: "Differences", found: "PairComparison", first: int, second: int) -> str:
    models = (found.titles.model(found.models[first]), found.titles.model(found.models[second]))
    if not robustness.is_significant(first, second, found.level):
        return (
            f"Their effective robustness does not differ significantly: {models[0]} minus {models[1]} is "
            f"{_signed(robustness, first, second, found)}."
        )
    ahead = robustness.difference[first, second] > 0
    return (
        f"{models[0] if ahead else models[1]} is more robust: its effective robustness is "
        f"{_amount(robustness, first, second, found)} higher."
    )


def _of_drops(found: "PairComparison", first: int, second: int) -> str:
    drop = require(found.differences["drop"])
    sure = "" if drop.is_significant(first, second, found.level) else ", which is not significant"
    return f"; the difference of their drops is {_signed(drop, first, second, found)}{sure}"


def _amount(found: "Differences", first: int, second: int, pair: "PairComparison", *, inside: bool = False) -> str:
    """The size of a difference with its interval, such as "1.7 points (95 % CI 1.2 to 2.1)".

    `inside` parentheses there is a comma before the interval.
    """
    value = float(found.difference[first, second])
    sign = 1 if value >= 0 else -1
    low, high = (sign * float(bound[first, second]) for bound in (found.interval.low, found.interval.high))
    size, interval = f"{points(abs(value))} points", points_ci(low, high, pair.level)
    return f"{size}, {interval}" if inside else f"{size} ({interval})"


def _signed(found: "Differences", first: int, second: int, pair: "PairComparison") -> str:
    low, high = (float(bound[first, second]) for bound in (found.interval.low, found.interval.high))
    return f"{points(float(found.difference[first, second]))} points ({points_ci(low, high, pair.level)})"
