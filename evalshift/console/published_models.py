"""What `evalshift show` prints: what published testbeds say of models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout, wrapped
from evalshift.formatting import EMPTY, name_some, p_cell, percent, points, signed_points, span

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.atlas.model_record import ModelRecord, PairResult


def print_models(records: "Sequence[ModelRecord]", others: Sequence[str]) -> None:
    """What published testbeds say of models: facts, a table of sets, a table of pairs."""
    for record in records:
        testbed, model = record.found.testbed, record.found.model
        details = {pair.partition(":")[2] for pair in testbed.details}
        stdout().print(f"{model.name}  ({testbed.title})", style="bold")
        stdout().print(wrapped(_model_facts(record)))
        rows = [
            (
                one.title,
                f"top-{one.metric.removeprefix('top')}",
                f"{percent(one.accuracy)} {span(one.interval.low, one.interval.high)}",
                f"{one.correct:,} of {one.images:,}",
                f"{one.rank:,} of {one.models:,}",
            )
            for one in record.sets
            if one.dataset not in details
        ]
        print_table(("test set", "metric", "accuracy (%), 95 % CI", "correct", "rank"), rows, "llrrr")
        if record.pairs:
            stdout().print()
            _print_pairs(record)
        if more := [one.title for one in record.sets if one.dataset in details]:
            stdout().print(wrapped(f"not shown, see --json: {name_some(more)}", indent=""))
        stdout().print()
    if others:
        stdout().print(wrapped(f"other weights of this network: {', '.join(others)}", indent=""))


def _model_facts(record: "ModelRecord") -> str:
    facts = record.found.testbed.attributes(record.found.model)
    parts = [
        str(facts.get("family_title", facts.get("family", "family unknown"))),
        f"year {facts['year']}" if "year" in facts else "year unknown",
        f"trained on {facts['training_data_title']}" if "training_data" in facts else "training data unknown",
        *([f"{facts['parameters'] / 1e6:,.4g} million parameters"] if "parameters" in facts else []),
        *([f"{facts['image_size']} × {facts['image_size']} pixels"] if "image_size" in facts else []),
        *(str(facts[name]) for name in ("architecture", "venue") if name in facts),
        *([] if record.found.model.exact else ["counts worked out from rounded accuracies"]),
    ]
    source = record.found.testbed.source
    return "; ".join(parts) + (f" (source: {source})" if source else "")


def _print_pairs(record: "ModelRecord") -> None:
    def distance(value: float | None, p_value: float | None) -> tuple[str, str]:
        return (EMPTY, EMPTY) if value is None or p_value is None else (signed_points(value), p_cell(p_value))

    rows = [
        (
            one.title,
            points(one.drop),
            *distance(one.distance, one.p_holm),
            *distance(one.group_distance, one.group_p_holm),
            f"{one.models:,}; {one.group_models:,}",
            _matched_rank(one),
        )
        for one in record.pairs
    ]
    header = (
        "pair",
        "drop (points)",
        "from the line",
        "p (Holm)",
        "same training data",
        "p (Holm)",
        "models",
        "rank at the same accuracy",
    )
    print_table(header, rows, "lrrrrrrr")
    stdout().print(
        wrapped(
            "Distances in points, above the line positive, on the probit scale: from the line through the other "
            "models, and through the others trained on the same data. p: no farther off than these models scatter. "
            "Rank: by this distance, among the models whose original accuracy does not differ significantly, with its "
            "95 % confidence set.",
            indent="",
        )
    )


def _matched_rank(pair: "PairResult") -> str:
    if pair.matched_rank is None:
        return EMPTY
    return (
        f"{pair.matched_rank:,} of {pair.matched_models + 1:,} [{pair.matched_rank_low:,}, {pair.matched_rank_high:,}]"
    )
