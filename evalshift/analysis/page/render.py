"""Summary -> page: collects the content of each section and renders the template."""

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.page.agreement import agreement_chart
from evalshift.analysis.page.bump import bump_chart
from evalshift.analysis.page.chart import script_json
from evalshift.analysis.page.columns import model_columns
from evalshift.analysis.page.decomposition import cannot_be_told, decomposition_charts
from evalshift.analysis.page.families import Family, colours, grouped
from evalshift.analysis.page.first_screen import lead, tiles
from evalshift.analysis.page.gallery import Thumbnails, gallery_view
from evalshift.analysis.page.model_curves import reliability_chart, risk_coverage_chart
from evalshift.analysis.page.overview import matrices
from evalshift.analysis.page.pairwise import pairwise_view
from evalshift.analysis.page.per_class import class_chart
from evalshift.analysis.page.provenance import provenance_view
from evalshift.analysis.page.robustness import robustness_chart, year_chart
from evalshift.analysis.page.scatter import scatter_chart, small_multiples
from evalshift.analysis.page.section_titles import section_titles
from evalshift.analysis.page.table import AT_FIRST, ModelTable, model_table
from evalshift.analysis.page.words import breakable, typeset
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary
from evalshift.analysis.summary.average_changes import changes_table
from evalshift.analysis.tables.published_line import Against
from evalshift.analysis.tables.read import readable_statistic
from evalshift.analysis.tables.table import StatisticTable
from evalshift.formatting import counted, name_some, p_cell, percent, signed_points
from evalshift.publishing import visible_text
from evalshift.testbed.timm_names import TRAINING_DATA

# Thumbnails, and why a dataset has none.
Pictures = tuple[Thumbnails, Mapping[str, str]]

# Rows of all main tables with which a page has both metrics.
_MOST_ROWS = 5_000


def render_page(
    summary: Summary, thumbnails: Thumbnails | None = None, missing: Mapping[str, str] | None = None, live: str = ""
) -> str:
    """Render the report as one HTML file that loads nothing from a network.

    `thumbnails` are pictures of hard images, and `missing` says why a dataset has none, see `gallery.hard_thumbnails`.
    `live` is the state of the results that a server shows, which the page then asks for; "" for a page by itself.
    All names are escaped, and letters that nobody sees or that turn the order of others are replaced.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "breakable": breakable,
        "percent": percent,
        "typeset": typeset,
        "pairs": _doubled,
        "signed": signed_points,
    }
    environment.globals |= {"name_some": name_some, "counted": counted}
    pictures = thumbnails or {}, missing or {}
    changes = readable_statistic(changes_table(summary.pairs, summary.level)) if len(summary.pairs) > 1 else None
    small = small_multiples(summary.pairs, summary.metric, summary.scale) if len(summary.pairs) > 1 else []
    here = secrets.token_hex(16)  # plotly has control characters of its own, which are to stay
    page = environment.from_string(_part("page.html")).render(
        summary=summary,
        live=live,
        pairs=[_pair_view(number, pair, summary, pictures) for number, pair in enumerate(summary.pairs, 1)],
        changes=changes,
        small=small,
        several=_several_views(summary),
        matrices=matrices(summary),
        level=f"{100 * summary.level:g} %",
        title=_title(summary.pairs),
        # Part of evalshift: they contain no names from a registry.
        style=Markup(_part("page.css")),
        script=Markup(_part("page.js")),
        plotly=here,
    )
    return visible_text(page).replace(here, _plotly(), 1)


def _doubled(names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of views as values and texts of buttons."""
    return [(name, name) for name in names]


def _part(name: str) -> str:
    return resources.files("evalshift.analysis.page").joinpath(name).read_text("utf-8")


@cache
def _plotly() -> str:
    """The script from the plotly package; nothing in it ends the script element."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")


def _title(pairs: Sequence[PairSummary]) -> str:
    return pairs[0].title if len(pairs) == 1 else f"{counted(len(pairs), 'pair')} of test sets"


def _pair_view(number: int, pair: PairSummary, summary: Summary, pictures: Pictures) -> dict[str, Any]:
    metrics = sorted(pair.metrics, key=lambda name: (name != summary.metric, name))
    if _is_large(summary):  # the other metric's tables and figures are in the report's folder
        metrics = metrics[:1]
    known = colours(pair.metrics.values())
    return {
        "id": f"pair-{number}",
        "summary": pair,
        "metrics": [_metric_view(f"p{number}-{name}", pair, name, summary, known, pictures) for name in metrics],
        "kinds": [(f"p{number}-{name}", f"Top-{METRICS[name]}") for name in metrics],
        "provenance": provenance_view(pair),
        "notes": [note for note in pair.notes if note not in pair.problems],
    }


def _is_large(summary: Summary) -> bool:
    """Whether the page would be slow to open with both metrics."""
    return sum(len(metric.table) for pair in summary.pairs for metric in pair.metrics.values()) > _MOST_ROWS


def _metric_view(
    prefix: str,
    pair: PairSummary,
    name: str,
    summary: Summary,
    known: dict[str, tuple[str, str]],
    pictures: Pictures,
) -> dict[str, Any]:
    metric = pair.metrics[name]
    families = grouped(metric, known)
    table = model_table(metric)
    pairwise = pairwise_view(metric)
    of_ranks = [chart for chart in (bump_chart(metric),) if chart]
    return {
        "id": prefix,
        "kind": f"top-{METRICS[name]}",
        "summary": metric,
        "headline": metric.headline(summary.scale),
        "lead": lead(metric),
        "titles": section_titles(metric),
        "tiles": tiles(metric, summary.scale),
        "findings": metric.findings(),
        "details": metric.details(),
        "scatter": scatter_chart(metric, summary.scale, families),
        "grouping": _grouping(metric),
        "families": families if len(families) > 1 else [],
        "beyond": _beyond(metric),
        "table": table,
        "panel": script_json(_panel(metric, families, table)),
        "pairwise": pairwise and script_json(pairwise),
        "against": metric.against and _against_view(metric.against),
        "decomposition": decomposition_charts(metric),
        "cannot_be_told": cannot_be_told(metric),
        "ranks": of_ranks,
        "robustness": [chart for chart in (robustness_chart(metric), year_chart(metric)) if chart],
        "classes": [chart for chart in (class_chart(metric),) if chart],
        "confidence": [chart for chart in (reliability_chart(metric), risk_coverage_chart(metric)) if chart],
        "agreement": [chart for chart in (agreement_chart(metric),) if chart],
        "gallery": gallery_view(pair, metric, *pictures),
        "statistics": [_table_view(shown) for shown in metric.tables.values() if shown.columns],
        "missing": [(name.replace("_", " "), reason) for name, reason in metric.missing.items()],
    }


def _grouping(metric: MetricSummary) -> str:
    found = metric.statistics.group_slopes
    return "Families" if found is None else found.groups.title


def _beyond(metric: MetricSummary) -> bool:
    """Whether models are left out of the lines; the scatter can then be widened to show them."""
    return bool(metric.in_line.any() and not metric.in_line.all())


def _panel(metric: MetricSummary, families: Sequence[Family], table: ModelTable) -> dict[str, Any]:
    """Data for the script to show, filter, sort, pin and copy models, in the order of the rows of the table."""
    family = [0] * len(metric.table)
    for place, group in enumerate(families):
        for row in group.rows:
            family[row] = place
    return {
        **model_columns(metric),
        "family": family,
        "families": [group.name for group in families],
        "highlighted": np.flatnonzero(metric.highlighted).tolist(),
        "span": table.span,
        "drop_span": table.drop_span,
        "has_year": table.has_year,
    }


def _against_view(against: Against) -> dict[str, Any]:
    table = against.table.astype(object).where(against.table.notna(), None)
    return {
        "summary": against,
        "rows": [
            {
                **row,
                "holm": p_cell(holm),
                "bh": p_cell(bh),
                "data_title": TRAINING_DATA.get(str(row.get("training_data")), row.get("training_data")),
                "same_holm": p_cell(float("nan") if row.get("same_data_p_holm") is None else row["same_data_p_holm"]),
            }
            for row, holm, bh in zip(
                table.to_dict("records"), against.distances.p_holm, against.distances.p_bh, strict=True
            )
        ],
    }


def _several_views(summary: Summary) -> list[dict[str, Any]]:
    """The tables over all pairs, of the report's metric."""
    found = summary.several_sets.get(summary.metric)
    return [] if found is None else [_table_view(table) for table in found.tables.values()]


def _table_view(table: StatisticTable) -> dict[str, Any]:
    """A table of statistics: the first rows as elements, of which there would be too many; the others as data."""
    rows = readable_statistic(table).to_numpy().tolist()
    return {
        "title": table.title,
        "note": table.words,
        "heads": [(column.title, "t" if column.is_text else "n") for column in table.shown],
        "rows": rows[:AT_FIRST],
        "later": script_json(rows[AT_FIRST:]) if len(rows) > AT_FIRST else None,
        "hidden": len(table.frame) - len(rows),
    }
