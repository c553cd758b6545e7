"""Models by what the registry says of them: the groups that figures colour them by."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evalshift.analysis.outcomes.records import Outcomes
from evalshift.testbed.timm_names import TRAINING_DATA, data_of_entry

COLOR_BY = ("family", "parameters", "training_data", "year")
TITLES = {
    "family": "Family",
    "parameters": "Parameters",
    "training_data": "Training data",
    "year": "Year",
}
# Upper ends of ranges of parameters, each about twice to three times the one before.
_SIZES = (1e6, 3e6, 10e6, 30e6, 100e6, 300e6, 1e9)
# More years than these share a colour per range of years.
_MOST_YEARS = 7
_YEARS = 3


@dataclass(frozen=True)
class ModelGroups:
    """The groups of m models by one of `COLOR_BY`.

    by     what they are grouped by
    names  title of each model's group, None where the registry does not say, shape (m,)
    order  the groups: by size, the largest first; years and parameters ascending
    """

    by: str
    names: tuple[str | None, ...]
    order: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the groups are, as "Training data"."""
        return TITLES[self.by]


def model_groups(outcomes: Outcomes, by: str) -> ModelGroups:
    """The groups of the models by "family", "training_data", "parameters" in ranges, or "year", many in ranges."""
    facts = [outcomes.attributes.get(model, {}) for model in outcomes.models]
    if by == "family":
        return _by_name(by, [_text(one, "family") for one in facts], outcomes.titles.family)
    if by == "training_data":
        return _by_name(by, [_training_data(one) for one in facts], str)
    values = [_count(one.get(by)) for one in facts]
    known = sorted({value for value in values if value is not None})
    title = _size_range if by == "parameters" else _year_range(known)
    titles = dict.fromkeys(title(value) for value in known)
    return ModelGroups(by, tuple(None if value is None else title(value) for value in values), tuple(titles))


def _by_name(by: str, values: list[str | None], title: Callable[[str], str]) -> ModelGroups:
    """Groups by title. Titles that differ in case or in spaces alone are one group, under the most frequent of them."""
    titles = [None if value is None else title(value) for value in values]
    spelled = Counter(one for one in titles if one is not None)
    shown: dict[str, str] = {}
    for one, _ in spelled.most_common():
        shown.setdefault(_folded(one), one)
    names = tuple(None if one is None else shown[_folded(one)] for one in titles)
    counts = Counter(name for name in names if name is not None)
    return ModelGroups(by, names, tuple(sorted(counts, key=lambda name: (-counts[name], name))))


def _folded(title: str) -> str:
    return " ".join(title.casefold().split())


def _training_data(facts: Mapping[str, Any]) -> str | None:
    """Its title; what the entry says, where that is none of the known datasets."""
    name = data_of_entry(facts)
    return name and TRAINING_DATA.get(name, _text(facts, "training_data") or name)


def _text(facts: Mapping[str, Any], key: str) -> str | None:
    value = facts.get(key)
    return value if isinstance(value, str) and value.strip() else None


def _count(value: object) -> int | None:
    """A whole number; None for anything else, such as a year that was imported as text of no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _size_range(parameters: int) -> str:
    high = next((end for end in _SIZES if parameters < end), None)
    if high is None:
        return f"{_size(_SIZES[-1])} and more"
    place = _SIZES.index(high)
    return f"under {_size(high)}" if place == 0 else f"{_size(_SIZES[place - 1])} to {_size(high)}"


def _size(count: float) -> str:
    return f"{count / 1e9:g} B" if count >= 1e9 else f"{count / 1e6:g} M"


def _year_range(known: list[int]) -> Callable[[int], str]:
    """Each year by itself, or ranges of three years, the last of which ends with the latest."""
    if len(known) <= _MOST_YEARS:
        return str
    first, last = known[0], known[-1]
    width = max(_YEARS, -(-(last - first + 1) // _MOST_YEARS))

    def title(year: int) -> str:
        high = last - (last - year) // width * width
        low = max(high - width + 1, first)
        return str(high) if low == high else f"{low}–{high}"

    return title
