"""The one scale of a report or comparison: as asked for, or as the leave-one-out errors of its models choose it."""

from collections.abc import Iterable

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.pair_statistics.missing import attempt, or_none, require
from evalshift.analysis.statistics.scale_choice import ScaleChoice, ScaleFit, choose_scale, compare_scales


def on_one_scale(
    options: ReportOptions, line_models: Iterable[Outcomes], otherwise: Iterable[Outcomes] = ()
) -> tuple[ReportOptions, ScaleChoice | None]:
    """The options with the scale chosen, and how; as they are, and None, where they fix it.

    line_models  counts of the models of the line, of each pair
    otherwise    counts that decide where those are of fewer than five models each, such as a published testbed's
    """
    if options.scale != "auto":
        return options, None
    choice = _choice(line_models)
    if not choice.pairs:
        choice = _choice(otherwise)
    return options.on_scale(choice.scale), choice


def _choice(line_models: Iterable[Outcomes]) -> ScaleChoice:
    known = [(fits, outcomes.models) for outcomes in line_models if (fits := _fits(outcomes)) is not None]
    return choose_scale([fits for fits, _ in known], [models for _, models in known])


@or_none
def _fits(outcomes: Outcomes) -> tuple[ScaleFit, ...] | None:
    """None where the models make no line."""
    return require(attempt(lambda: compare_scales(*outcomes.counts)))
