"""Which known names may be meant by an unknown one: those that a reader would agree with, or none."""

import re
from collections.abc import Iterable
from itertools import accumulate

# Of many names that are equally near, none is meant.
_MOST = 3
_LOOK_ALIKE = str.maketrans("oil", "011")


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """The known names that `name` most likely stands for, at most three of equal merit; empty where none is near.

    In this order: names that differ in case and separators alone; names that begin with it, as whole words or half of
    all letters, the shortest first; names within one slip of the keyboard for every four letters, three at most; names
    that begin with such a slip of it; and the only name that has it as whole words elsewhere. Another number is two
    slips.

    >>> near_names("imagenet-v2", ["imagenet", "imagenetv2-topimages", "imagenetv2-threshold0.7"])
    ['imagenetv2-topimages', 'imagenetv2-threshold0.7']
    >>> near_names("mine", ["domainnet", "mnist"])
    []
    """
    candidates = {one: _words(one) for one in dict.fromkeys(known)}
    words = _words(name)
    letters = "".join(words)
    if not letters:
        return []
    whole = {one: "".join(parts) for one, parts in candidates.items()}
    if same := [one for one, other in whole.items() if other == letters]:
        return same[:_MOST]
    if len(letters) >= 3 and (longer := [one for one, parts in candidates.items() if _begins(parts, letters)]):
        return _shortest(longer)
    if slips := {one: count for one, other in whole.items() if (count := _slips(letters, other)) is not None}:
        nearest = [one for one, count in slips.items() if count == min(slips.values())]
        return nearest if len(nearest) <= _MOST else []
    if len(letters) >= 5 and (longer := [one for one, parts in candidates.items() if _begins_almost(parts, letters)]):
        return _shortest(longer)
    return _only_one_with(words, candidates)


def near_match(name: str, known: Iterable[str]) -> str | None:
    """The known name that a reader most likely meant by `name`; None when none is near.

    >>> near_match("cifar10.1-v66", ["cifar10", "cifar10.1-v4", "cifar10.1-v6"])
    'cifar10.1-v6'
    """
    return next(iter(near_names(name, known)), None)


def _words(name: str) -> list[str]:
    """Runs of letters and runs of digits, in small letters: "ViT-B/16" → vit, b, 16."""
    return re.findall(r"[^\W\d_]+|\d+", name.lower())


def _shortest(names: list[str]) -> list[str]:
    """The names of the fewest words first, at most three."""
    return sorted(names, key=lambda one: len(_words(one)))[:_MOST]


def _begins(words: list[str], letters: str) -> bool:
    """Whether the letters are the first of the words, or at least half of all letters: "lin" begins "linear"."""
    whole = "".join(words)
    return whole.startswith(letters) and (2 * len(letters) >= len(whole) or letters in accumulate(words))


def _begins_almost(words: list[str], letters: str) -> bool:
    return any(_slips(letters, beginning) is not None for beginning in accumulate(words))


def _slips(name: str, other: str) -> float | None:
    """How many slips lead from one to the other, a half less where the letters are the same or look alike.

    None for more than one in four letters; names of three letters may have one.
    """
    longer = max(len(name), len(other))
    most = max(min(3, longer // 4), longer == 3)
    if abs(len(name) - len(other)) > most or (count := _edits(name, other)) > most:
        return None
    if sorted(name) == sorted(other) or name.translate(_LOOK_ALIKE) == other.translate(_LOOK_ALIKE):
        return count - 0.5
    count += re.findall(r"\d+", name) != re.findall(r"\d+", other)
    return count if count <= most else None


def _edits(a: str, b: str) -> int:
    """Letters inserted, left out, replaced, or exchanged with the next one (optimal string alignment distance)."""
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, a[i - 2]) == (b[j - 2], other):
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _only_one_with(words: list[str], candidates: dict[str, list[str]]) -> list[str]:
    """The candidate that alone has these words side by side, where they are more than a few letters."""
    if len("".join(words)) < 4:
        return []
    spaced = f" {' '.join(words)} "
    found = [one for one, parts in candidates.items() if spaced in f" {' '.join(parts)} "]
    return found if len(found) == 1 else []
