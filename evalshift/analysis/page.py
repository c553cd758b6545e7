"""A Summary and its figures -> one self-contained HTML file, for light and dark, screen, phone and print."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from xml.etree import ElementTree as ET

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from evalshift.analysis.against import Against, p_text
from evalshift.analysis.average_changes import average_changes, readable_changes
from evalshift.analysis.gate_tables import readable_gate
from evalshift.analysis.outcomes import METRICS, name_some
from evalshift.analysis.review import gate_words
from evalshift.analysis.scales import SCALES
from evalshift.analysis.sentences import slope_words
from evalshift.analysis.statistic_tables import StatisticTable
from evalshift.analysis.statistic_tables.read import readable_statistic
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary
from evalshift.analysis.tables import has_real_changes, percent

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# The figures' colours become the page's own, so that they turn with it from light to dark.
_COLOURS = {
    "#222222": "var(--ink, #222222)",
    "#777777": "var(--quiet, #777777)",
    "#0072b2": "var(--mark, #0072b2)",
    "#d55e00": "var(--line, #d55e00)",
    "#009e73": "var(--aside, #009e73)",
    "#ffffff": "none",
}


def render_page(summary: Summary, figures: Mapping[tuple[str, str, str], str]) -> str:
    """The report as one HTML file.

    `figures` holds the text of an SVG for each (pair name, metric, scale) that is to be shown, with "_all" after the
    scale for the one with every family in it, and "decomposition" in its place for what the drop is made of; the
    summary's own scale comes first. Names are escaped wherever they
    stand.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"breakable": breakable, "percent": percent, "typeset": typeset}
    environment.globals["name_some"] = name_some
    template = environment.from_string(resources.files("evalshift.analysis").joinpath("page.html").read_text("utf-8"))
    pairs = [_pair_view(number, pair, summary, figures) for number, pair in enumerate(summary.pairs, 1)]
    changes = readable_changes(average_changes(summary.pairs)) if len(summary.pairs) > 1 else None
    return template.render(summary=summary, pairs=pairs, changes=changes, level=f"{100 * summary.level:g} %")


def typeset(text: str) -> str:
    """Prose whose intervals and percentages stay together at the end of a line."""
    together = re.sub(r"\[[^\[\]]*\]", lambda interval: interval[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return together.replace(" %", "\N{NO-BREAK SPACE}%").replace(" [", "\N{NO-BREAK SPACE}[")


def breakable(name: str) -> Markup:
    """A name that may be broken after an underscore, a slash or a full stop; escaped."""
    return Markup(re.sub(r"([_/.])", r"\1<wbr>", str(escape(name))))


def figure_result(metric: MetricSummary, scale: str, everything: bool = False) -> str:
    """What a scatter shows, in words: for readers who cannot see it."""
    below = int((metric.table["drop"] > 0).sum())
    count = len(metric.table)
    where = f"All {count}" if below == count > 1 else f"{below} of {count}"
    line = (metric.all_lines if everything else metric.lines).get(scale)
    fit = f" The fitted line has slope {slope_words(line)}, R² = {line.r2:.3f}." if line else " No line is fitted."
    return f"{where} models lie below the line y = x: they are less accurate on the new set.{fit}"


def inline_svg(
    svg: str, prefix: str, title: str, description: str, points: Sequence[str], rows: Sequence[int] | None = None
) -> str:
    """An SVG of ours as part of a page: ids of its own, the page's colours, a text for each point to show on hover.

    `points` are the texts of all rows of the table; `rows` those whose points the group "models" holds, by default all.
    A point apart, in a group "model-7", is that of row 7.
    """
    # The prolog would be invalid inside a page.
    root = ET.fromstring(svg[svg.index("<svg") :])
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    _name_points(root, points, range(len(points)) if rows is None else rows)
    for element in root.iter():
        _adapt(element, prefix)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}title {prefix}text")
    for name, text in (("desc", description), ("title", title)):
        label = ET.Element(f"{{{SVG}}}{name}", {"id": f"{prefix}{'title' if name == 'title' else 'text'}"})
        label.text = text
        root.insert(0, label)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    return ET.tostring(root, encoding="unicode")


def _name_points(root: ET.Element, points: Sequence[str], rows: Sequence[int]) -> None:
    for group in root.iter(f"{{{SVG}}}g"):
        apart = re.fullmatch(r"model-(\d+)", group.get("id", ""))
        if group.get("id") != "models" and not apart:
            continue
        parents = {child: parent for parent in group.iter() for child in parent}
        uses = list(group.iter(f"{{{SVG}}}use"))
        for use, row in zip(uses, [int(apart[1])] if apart else rows, strict=True):
            label = ET.SubElement(use, f"{{{SVG}}}title")
            label.text = points[row]
            use.set("data-model", str(row))
            parents[use].set("class", "models")


def _adapt(element: ET.Element, prefix: str) -> None:
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, prefix + value)
        elif key in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
            element.set(key, f"#{prefix}{value[1:]}")
        elif key in ("style", "clip-path"):
            value = value.replace("url(#", f"url(#{prefix}")
            element.set(key, re.sub(r"#[0-9a-f]{6}\b", lambda found: _COLOURS.get(found[0], found[0]), value))


def _pair_view(
    number: int, pair: PairSummary, summary: Summary, figures: Mapping[tuple[str, str, str], str]
) -> dict[str, Any]:
    metrics = sorted(pair.metrics, key=lambda name: (name != summary.metric, name))
    return {
        "id": f"pair-{number}",
        "summary": pair,
        "metrics": [_metric_view(f"p{number}-{name}-", pair, name, summary, figures) for name in metrics],
        "gate": _gate_view(pair),
        "datasets": pair.provenance.get("datasets", {}),
        "models": [_model_view(model, runs) for model, runs in pair.provenance.get("models", {}).items()],
        "versions": _versions(pair.provenance.get("models", {})),
    }


def _gate_view(pair: PairSummary) -> dict[str, Any] | None:
    """The gate in a sentence and a table; None where no accuracy was published."""
    words = None if pair.gate is None else gate_words(pair.gate)
    if words is None or pair.gate is None:
        return None
    table = readable_gate(pair.gate)
    table = table.loc[:, (table != "").any()]
    return {"words": words, "columns": list(table.columns), "rows": table.to_numpy().tolist()}


def _metric_view(
    prefix: str, pair: PairSummary, name: str, summary: Summary, figures: Mapping[tuple[str, str, str], str]
) -> dict[str, Any]:
    metric = pair.metrics[name]
    scales = sorted(SCALES, key=lambda scale: scale != summary.scale)
    kind = f"top-{METRICS[name]}"
    return {
        "kind": kind,
        "summary": metric,
        "headline": metric.headline(summary.scale),
        "findings": (*metric.findings(), *metric.details()),
        "statistics": [
            _table_view(table, _decomposition(prefix, pair, name, figures) if table.name == "decomposition" else None)
            for table in metric.tables.values()
            if table.columns
        ],
        "missing": [(name.replace("_", " "), reason) for name, reason in metric.missing.items()],
        "rows": metric.table.astype(object).where(metric.table.notna(), None).to_dict("records"),
        "against": metric.against and _against_view(metric.against),
        "has_family": bool(metric.table["family"].notna().any()),
        "has_real_changes": has_real_changes(metric),
        "has_year": bool(metric.table["year"].notna().any()),
        "figures": [
            _figure_view(prefix, pair, name, scale, everything, figures)
            for scale in scales
            for everything in (False, True)
            if (pair.name, name, _view(scale, everything)) in figures
        ],
    }


def _against_view(against: Against) -> dict[str, Any]:
    table = against.table.astype(object).where(against.table.notna(), None)
    return {
        "summary": against,
        "rows": [
            {**row, "holm": p_text(holm), "bh": p_text(bh)}
            for row, holm, bh in zip(
                table.to_dict("records"), against.distances.p_holm, against.distances.p_bh, strict=True
            )
        ],
    }


def _decomposition(
    prefix: str, pair: PairSummary, name: str, figures: Mapping[tuple[str, str, str], str]
) -> Markup | None:
    svg = figures.get((pair.name, name, "decomposition"))
    if svg is None:
        return None
    title = f"What the drop in top-{METRICS[name]} accuracy of {len(pair.metrics[name].table)} models is made of"
    description = "The terms of each model's drop with their intervals; the table below holds the numbers."
    return Markup(inline_svg(svg, f"{prefix}decomposition-", title, description, points=[]))  # names are escaped


def _table_view(table: StatisticTable, svg: Markup | None) -> dict[str, Any]:
    text = readable_statistic(table)
    return {
        "title": table.title,
        "note": table.words,
        "heads": [(column.title, "t" if column.kind == "text" else "n") for column in table.shown],
        "rows": text.to_numpy().tolist(),
        "svg": svg,
        "hidden": len(table.frame) - len(text),
    }


def _figure_view(
    prefix: str,
    pair: PairSummary,
    name: str,
    scale: str,
    everything: bool,
    figures: Mapping[tuple[str, str, str], str],
) -> dict[str, Any]:
    metric, view = pair.metrics[name], _view(scale, everything)
    shown = len(metric.table) if everything else int(metric.in_line.sum())
    return {
        "scale": scale,
        "line": (metric.all_lines if everything else metric.lines).get(scale),
        "left_out": () if everything else metric.left_out,
        "svg": Markup(  # ElementTree has escaped every name in it
            inline_svg(
                figures[pair.name, name, view],
                prefix=f"{prefix}{view}-",
                title=f"New against original top-{METRICS[name]} accuracy of {shown} models, {scale} scale",
                description=figure_result(metric, scale, everything),
                points=_point_texts(metric),
                rows=[int(row) for row in metric.in_line.nonzero()[0]],
            )
        ),
    }


def _view(scale: str, everything: bool) -> str:
    return f"{scale}_all" if everything else scale


def _point_texts(metric: MetricSummary) -> list[str]:
    return [
        f"{row['model']}: {percent(row['original_accuracy'])} → {percent(row['new_accuracy'])} "
        f"[{percent(row['new_low'])}, {percent(row['new_high'])}]"
        for row in metric.table.to_dict("records")
    ]


def _model_view(model: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How one model was run, a text a fact; where its two runs differ, both, in the order original → new."""

    def both(fact) -> str:
        return " → ".join(dict.fromkeys(fact(run) for run in runs.values()))

    return {
        "model": model,
        "source": both(_source_words),
        "checkpoint": both(lambda run: (run["checkpoint_sha256"] or "–")[:12]),
        "preprocess": both(lambda run: "–" if run["preprocess"] is None else _preprocess_words(run["preprocess"])),
        "hardware": both(
            lambda run: f"{run['device']}, {run['precision']}, batches of {run['batch_size']}" if run["device"] else "–"
        ),
        "start": both(lambda run: run["start"][:16].replace("T", " ")),
    }


def _source_words(run: Mapping[str, Any]) -> str:
    imported = run.get("imported")
    if imported:
        return f"{imported['source']}, imported from {name_some(list(imported['files']), limit=2)}"
    return str(run["entry"].get("source") or "–")


def _preprocess_words(facts: Mapping[str, Any]) -> str:
    """Preprocessing in a line: "resize 256 bilinear, crop 224 × 224, mean 0.5, std 0.25"; defaults are left out."""
    unsaid = {"antialias": True, "channels": "rgb", "scale": 1}
    said = {name: fact for name, fact in facts.items() if fact is not None and unsaid.get(name) != fact}
    interpolation = said.pop("interpolation", "")
    first = ("resize", "crop", "scale", "mean", "std", "channels")
    words = []
    for name in sorted(said, key=lambda name: first.index(name) if name in first else len(first)):
        fact = said[name] if isinstance(said[name], list | tuple) else [said[name]]
        text = (" × " if name in ("resize", "crop") else " ").join(map(str, fact))
        words.append(f"{name} {text} {interpolation if name == 'resize' else ''}".strip())
    return ", ".join(words) or "pixels in [0, 1]"


def _versions(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[tuple[str, list[str]]]:
    """The software that made the predictions: each combination, with the models that it made."""
    made: dict[str, dict[str, None]] = defaultdict(dict)
    for model, runs in models.items():
        for run in runs.values():
            versions = [f"{name} {version}" for name, version in sorted(run["versions"].items())]
            if run["git_revision"]:
                commit, changed, _ = run["git_revision"].partition("+")
                versions.append(f"git {commit[:12]}{' with changes' if changed else ''}")
            if versions:  # nothing is known of what made imported predictions
                made[", ".join(versions)][model] = None
    return [(text, list(names)) for text, names in made.items()]
