"""Published testbeds as pairs of counts, summarized as stored results are."""

from collections.abc import Sequence
from typing import Unpack

from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import Outcomes, split_pair
from evalshift.analysis.summary.conventions import of_publication
from evalshift.analysis.summary.records import PairSummary, Summary
from evalshift.analysis.summary.sentences import metric_words
from evalshift.analysis.summary.summarize import put_together, summarize_outcomes
from evalshift.errors import AnalysisError, UsageError, did_you_mean
from evalshift.formatting import name_some
from evalshift.testbed.published import PublishedTable, PublishedTestbed, load_published

_COUNTS_ALONE = (
    "Statistics that need the prediction for each image are left out: paired comparison of models, rank confidence "
    "sets, bootstrap over images, agreement, hard images, accuracy per class."
)


def published_outcomes(testbed: PublishedTestbed, pair: str) -> dict[str, Outcomes]:
    """The testbed's counts on `pair` ("original:new"), by metric.

    Raises UsageError when nothing was published on it.
    """
    original, new = split_pair(pair)
    table = _table_of(testbed, pair)
    return {
        metric: Outcomes(
            original=original,
            new=new,
            metric=metric,
            models=tuple(model.name for model in table.models),
            original_correct=table.correct[original, metric],
            new_correct=table.correct[new, metric],
            original_total=table.images[original],
            new_total=table.images[new],
            attributes={
                model.name: {
                    "family": model.family,
                    "family_title": testbed.families.get(model.family),
                    "year": model.year,
                }
                for model in table.models
            },
            dataset_titles=testbed.datasets,
        )
        for metric in table.metrics
    }


def summarize_published(
    name: str,
    pairs: Sequence[str] | str | None = None,
    *,
    options: ReportOptions | None = None,
    command: str | None = None,
    **choices: Unpack[Choices],
) -> Summary:
    """Work out everything a report says on a published testbed, from its counts.

    `pairs` are of the testbed's; without them, all on which the chosen metric was published. `choices` are those of
    `ReportOptions`, or `options` has them all; families that they leave open are those that the publication's own
    figures leave out, `without=()` is none.
    Raises UsageError on an unknown testbed, pair, scale, metric or family and on numbers out of range.
    """
    options = options or ReportOptions(**choices)
    metric = options.metric
    testbed = load_published(name)
    wanted = testbed.pairs if pairs is None else (pairs,) if isinstance(pairs, str) else tuple(dict.fromkeys(pairs))
    refused = [pair for pair in wanted if metric not in _table_of(testbed, pair).metrics]
    if refused and (pairs is not None or len(refused) == len(wanted)):
        raise UsageError(
            f"{metric_words(metric)} accuracy was not published on this pair",
            where=f"{name}, {refused[0]}",
            expected=", ".join(metric_words(known) for known in _table_of(testbed, refused[0]).metrics),
            fix=f'use `metric` "{_table_of(testbed, refused[0]).metrics[0]}"',
        )
    wanted = [pair for pair in wanted if pair not in refused]
    options.check_families(model.family for pair in wanted for model in _table_of(testbed, pair).models)
    options.check_models(model.name for pair in wanted for model in _table_of(testbed, pair).models)
    chosen = [pair for pair in wanted if pairs is not None or _has_chosen(testbed, pair, options)]
    return put_together(
        [_summarize_pair(testbed, pair, options) for pair in chosen],
        options,
        command=command,
        notes=(
            f"These are published counts: {testbed.reference} ({testbed.paper}).",
            _COUNTS_ALONE,
            *of_publication(testbed, testbed.tables[0]).rank_notes,
            *(f"{pair} is not in this report: {metric_words(metric)} was not published on it." for pair in refused),
            *(
                f"{pair} is not in this report: none of the chosen models was published on it."
                for pair in wanted
                if pair not in chosen
            ),
        ),
    )


def _has_chosen(testbed: PublishedTestbed, pair: str, options: ReportOptions) -> bool:
    return any(map(options.chosen, published_outcomes(testbed, pair).values()))


def _summarize_pair(testbed: PublishedTestbed, pair: str, options: ReportOptions) -> PairSummary:
    table = _table_of(testbed, pair)
    conventions = of_publication(testbed, table)
    notes = conventions.family_notes(options)
    outcomes = {
        metric: counts.subset(options.chosen(counts)) for metric, counts in published_outcomes(testbed, pair).items()
    }
    known = {model for counts in outcomes.values() for model in counts.models}
    if not known:
        raise AnalysisError(
            "none of the chosen models was published on this pair",
            where=f"{testbed.name}, {pair}",
            found=", ".join(options.models or ()),
            expected=name_some([model.name for model in table.models]),
        )
    inexact = [model.name for model in table.models if not model.exact and model.name in known]
    if inexact:
        notes.append(
            f"The counts of {len(inexact)} models were worked out from printed tables, for want of released "
            f"predictions, and may be off by a few images: {name_some(inexact)}."
        )
    return summarize_outcomes(
        outcomes,
        options=conventions.applied_to(options),
        ties=conventions.ties,
        notes=notes,
    )


def _table_of(testbed: PublishedTestbed, pair: str) -> PublishedTable:
    table = testbed.table_of(pair)
    if table is None:
        split_pair(pair)
        raise UsageError(
            "nothing was published on this pair",
            where=testbed.name,
            found=f'"{pair}"',
            expected=", ".join(testbed.pairs),
            fix=did_you_mean(pair, testbed.pairs),
        )
    return table
