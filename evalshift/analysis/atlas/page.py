"""The atlas: all published testbeds on one static page."""

import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from evalshift._version import __version__
from evalshift.analysis.atlas.pair_lines import PairLines, pair_lines
from evalshift.analysis.atlas.sentences import pair_findings
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.page.chart import SERIES, SYMBOLS, script_json
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.files import write_atomic
from evalshift.testbed.published import PublishedModel, PublishedTestbed, load_published, published_names
from evalshift.testbed.timm_names import TRAINING_DATA


def write_atlas(path: str | Path, testbeds: Sequence[str] | None = None) -> Path:
    """Write the page of all published testbeds, or of those named, as one HTML file that needs no network.

    Raises UsageError for an unknown testbed, StoreError where the file cannot be written.
    """
    page = render_atlas(testbeds or published_names())
    write_atomic(Path(path), page.encode())
    return Path(path)


def render_atlas(testbeds: Sequence[str]) -> str:
    """The page as HTML; raises UsageError for an unknown testbed."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    loaded = [load_published(name) for name in testbeds]
    return environment.from_string(_part("atlas.html")).render(
        testbeds=loaded,
        version=__version__,
        data=script_json({"testbeds": [_testbed(one) for one in loaded], "series": SERIES, "symbols": SYMBOLS}),
        # Part of evalshift: they contain no names of models.
        style=Markup(_shared("page.css") + _part("atlas.css")),
        script=Markup(_part("atlas.js")),
        plotly=Markup(resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")),
    )


def _part(name: str) -> str:
    return resources.files("evalshift.analysis.atlas").joinpath(name).read_text("utf-8")


@cache
def _shared(name: str) -> str:
    return resources.files("evalshift.analysis.page").joinpath(name).read_text("utf-8")


def _testbed(testbed: PublishedTestbed) -> dict[str, Any]:
    models = [model for counts in testbed.counts for model in counts.models]
    families = sorted({model.family for model in models if model.family})
    data = [name for name in TRAINING_DATA if any(model.training_data == name for model in models)]
    return {
        "name": testbed.name,
        "title": testbed.title,
        "reference": testbed.reference,
        "paper": testbed.paper,
        "source": testbed.source,
        "licence": testbed.licence,
        "sets": [
            {"name": name, "title": testbed.datasets.get(name, name), "images": images}
            for name, images in testbed.images.items()
        ],
        "families": [testbed.families.get(name, name) for name in families],
        "data": [TRAINING_DATA[name] for name in data],
        "models": [_model(model, families, data) for model in models],
        "counts": _counts(testbed),
        "pairs": [_pair(pair_lines(testbed.name, pair), len(models), testbed) for pair in testbed.pairs],
    }


def _model(model: PublishedModel, families: list[str], data: list[str]) -> list[Any]:
    """Name, family, training data, year, parameters in millions, image size; numbers of the lists, null if unknown."""
    return [
        model.name,
        families.index(model.family) if model.family else None,
        data.index(model.training_data) if model.training_data in data else None,
        model.year,
        None if model.parameters is None else round(model.parameters / 1e6, 3),
        model.image_size,
    ]


def _counts(testbed: PublishedTestbed) -> dict[str, dict[str, list]]:
    """By dataset and metric: correct predictions of each model, and both bounds of its accuracy in percent."""
    found = {}
    for dataset, images in testbed.images.items():
        for metric in METRICS:
            parts = [
                counts.correct.get((dataset, metric), np.full(len(counts.models), -1)) for counts in testbed.counts
            ]
            correct = np.concatenate(parts)
            if (correct < 0).all():
                continue
            bounds = clopper_pearson(np.maximum(correct, 0), np.full(len(correct), images))
            found[f"{dataset} {metric}"] = {
                "correct": [None if count < 0 else int(count) for count in correct],
                "low": [
                    None if count < 0 else round(100 * low, 1) for count, low in zip(correct, bounds.low, strict=True)
                ],
                "high": [
                    None if count < 0 else round(100 * high, 1)
                    for count, high in zip(correct, bounds.high, strict=True)
                ],
            }
    return found


def _pair(lines: PairLines, models: int, testbed: PublishedTestbed) -> dict[str, Any]:
    place = _places(testbed)
    distance: list[float | None] = [None] * models
    p_holm: list[float | None] = [None] * models
    for row, name in enumerate(lines.outcomes.models):
        at = place[name, lines.outcomes.original]
        distance[at], p_holm[at] = _rounded(100 * lines.distance[row], 2), _rounded(lines.p_holm[row], 4)
    inside = lines.x[lines.in_line]
    return {
        "original": lines.outcomes.original,
        "new": lines.outcomes.new,
        "findings": pair_findings(lines),
        "line": None if math.isnan(lines.slope) else [lines.slope, lines.offset, inside.min(), inside.max()],
        "groups": [
            {
                "name": TRAINING_DATA.get(line.name, line.name),
                "line": [line.slope, line.offset, lines.x[line.models].min(), lines.x[line.models].max()],
            }
            for line in lines.groups.lines
        ],
        "distance": distance,
        "p_holm": p_holm,
    }


def _places(testbed: PublishedTestbed) -> dict[tuple[str, str], int]:
    """(model, dataset) -> its position in the list of all models: a name may be in several files."""
    place, first = {}, 0
    for counts in testbed.counts:
        for dataset in {dataset for dataset, _ in counts.correct}:
            place |= {(model.name, dataset): first + row for row, model in enumerate(counts.models)}
        first += len(counts.models)
    return place


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)
