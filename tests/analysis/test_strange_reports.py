"""Reports of few, equal, perfect and hopeless models say nothing odd: no NaN, no certainty from nothing."""

import re
from collections.abc import Iterable

import pytest

from evalshift.analysis.page import render_page
from evalshift.analysis.report import Report, report
from evalshift.analysis.tables.read import WRITERS

OLD, NEW = 40, 30
# Which images of the old and of the new set each model misses.
TESTBEDS = {
    "one": {"a": (range(5), range(8))},
    "one perfect": {"a": ((), ())},
    "one hopeless": {"a": (range(OLD), range(NEW))},
    "two": {"a": (range(5), range(8)), "b": (range(10), range(12))},
    "two of equal old accuracy": {"a": (range(5), range(8)), "b": (range(2, 7), range(12))},
    "three": {"a": (range(5), range(8)), "b": (range(10), range(12)), "c": (range(20), range(22))},
    "three identical": {name: (range(5), range(8)) for name in "abc"},
    "three perfect": dict.fromkeys("abc", ((), ())),
    "three that tie": {name: (range(start, start + 5), range(start, start + 7)) for start, name in enumerate("abc")},
    "six identical": {name: (range(5), range(8)) for name in "abcdef"},
    "six on a line": {name: (range(4 * step), range(3 * step)) for step, name in enumerate("abcdef", 1)},
    "six perfect on the new set": {name: (range(4 * step), ()) for step, name in enumerate("abcdef", 1)},
    "six that tie on the new set": {
        name: (range(4 * step), range(step, step + 6)) for step, name in enumerate("abcdef", 1)
    },
}  # fmt: skip
NEVER = (
    r"\bnan\b",
    r"\binf\b",
    r"(?<!of )\bNone\b",
    r"(?i)\bnone of \d",
    r"\b0\.0+ \[0\.0+, 0\.0+\]",
    r"Classes: None",
    r"No non overlapping boxes",
    r"No line is fitted: no line",
    r"\bthere is \d",
    # Not in a table whose words stand one after the other on the page.
    r"(?<![\d.,])(?<!\d )(?<!: )1 (models|images(?! that)|classes|pairs|labels|rows|columns|families|groups|sets)\b",
)


def top(labels: Iterable[int], missed: Iterable[int]) -> list[list[int]]:
    missed, rows = set(missed), []
    for image, label in enumerate(labels):
        first = (label + 1) % 6 if image in missed else label
        rows.append([first, *(other for other in range(6) if other != first)][:5])
    return rows


def report_on(store, testbed: str) -> Report:
    labels = [image % 6 for image in range(OLD)]
    store.dataset("old", labels)
    store.dataset("new", labels[:NEW])
    for model, (old, new) in TESTBEDS[testbed].items():
        store.predictions("old", model, top(labels, old))
        store.predictions("new", model, top(labels[:NEW], new))
    store.results.add_pairs(["old:new"])
    return report(store.results, resamples=50)


def written(found: Report) -> dict[str, str]:
    """All that a report says, by where."""
    (pair,) = found.summary.pairs
    page = re.sub(r"<script.*?</script>|<style.*?</style>", " ", render_page(found.summary), flags=re.DOTALL)
    texts = {"page": re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)), "notes": " ".join(pair.notes)}
    for name, metric in pair.metrics.items():
        texts[f"{name} sentences"] = " ".join((*metric.headline(), *metric.findings(), *metric.details()))
        texts[f"{name} missing"] = " ".join(metric.missing.values())
        for table in (metric.accuracies, *metric.tables.values()):
            if table.columns:
                texts[f"{name} {table.name}"] = WRITERS["md"](table)
    return texts


@pytest.mark.parametrize("testbed", TESTBEDS)
def test_nothing_odd_is_said(store, testbed):
    odd = {
        (place, match.group(), text[max(0, match.start() - 50) : match.end() + 50])
        for place, text in written(report_on(store, testbed)).items()
        for pattern in NEVER
        for match in re.finditer(pattern, text)
    }
    assert odd == set()


@pytest.mark.parametrize(
    "testbed, has, has_not",
    [
        ("two", "A line through only 2 models", "R² ="),
        ("three identical", "No line is fitted: 1 model with 1 distinct original accuracy.", "Slope"),
        ("three identical", "All drops are 14.2 points when rounded.", "The smallest drop"),
        ("six perfect on the new set", "No line is fitted: 6 models with 1 distinct new accuracy.", "Slope 0.00"),
        ("three that tie", "All models keep their rank.", "largest change is"),
    ],
)
def test_what_is_said_instead(store, testbed, has, has_not):
    found = report_on(store, testbed).summary.pairs[0]
    said = " ".join((*found.metrics["top1"].headline(), *found.notes))
    assert has in said
    assert has_not not in said
