"""Published testbeds as pairs of counts, summarized as stored results are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Unpack

import numpy as np

from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import Outcomes, split_pair
from evalshift.analysis.outcomes.shared_images import unseen_images_note
from evalshift.analysis.outcomes.stored_models import stored_models
from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.pair_statistics.report_scale import on_one_scale
from evalshift.analysis.statistics.near_duplicates import NearDuplicates
from evalshift.analysis.summary.conventions import of_publication
from evalshift.analysis.summary.records import PairSummary, Summary
from evalshift.analysis.summary.sentences import metric_words
from evalshift.analysis.summary.summarize import put_together, summarize_outcomes
from evalshift.errors import AnalysisError, UsageError, unknown_name
from evalshift.evaluate.store import Results
from evalshift.formatting import counted, name_some
from evalshift.testbed.published import PublishedTable, PublishedTestbed, load_with_pairs

_COUNTS_ALONE = (
    "Statistics that need per-image predictions are left out: paired comparison of models, rank confidence "
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
            attributes={model.name: testbed.attributes(model) for model in table.models},
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
    add: Results | None = None,
    mapped: Callable[..., Iterable[PairSummary]] = map,
    **choices: Unpack[Choices],
) -> Summary:
    """Work out everything a report says on a published testbed, from its counts.

    `add` are results whose models are shown beside the published ones, on the same pairs, and left out of the lines.
    `pairs` are of the testbed's; without them, all on which the chosen metric was published but details such as single
    corruptions. `choices` are those of `ReportOptions`, or `options` has them all; families that they leave open are
    those that the publication's own figures leave out, `without=()` is none. `mapped` is a function as `map`, which may
    summarize several pairs at the same time.
    Raises UsageError on an unknown testbed, pair, scale, metric or family and on numbers out of range.
    """
    options = options or ReportOptions(**choices)
    metric = options.metric
    testbed = load_with_pairs(name)
    wanted, refused = _with_metric(testbed, pairs, metric)
    options.check_families(model.family for pair in wanted for model in _table_of(testbed, pair).models)
    if add is not None and pairs is None:
        wanted = _also_in(add, wanted, testbed)
    names = [model.name for pair in wanted for model in _table_of(testbed, pair).models]
    options.check_models([*names, *([] if add is None else stored_models(add, wanted))])
    chosen = [pair for pair in wanted if pairs is not None or _has_chosen(testbed, pair, options)]
    options, scale_choice = on_one_scale(options.of_pairs(len(chosen)), published_line_models(testbed, chosen, options))
    return put_together(
        list(mapped(partial(_summarize_pair, testbed, options=options, added=add), chosen)),
        options,
        command=command,
        notes=(
            f"These are published counts: {testbed.citation}",
            _COUNTS_ALONE,
            *of_publication(testbed, testbed.tables[0]).rank_notes,
            *(f"{pair} is not in this report: {metric_words(metric)} was not published on it." for pair in refused),
            *(
                f"{pair} is not in this report: none of the chosen models was published on it."
                for pair in wanted
                if pair not in chosen
            ),
            *(_details_note(testbed) if pairs is None else ()),
        ),
        scale_choice=scale_choice,
    )


def _details_note(testbed: PublishedTestbed) -> tuple[str, ...]:
    details = testbed.details
    return (f"{counted(len(details), 'further pair')} can be named: {name_some(details)}.",) if details else ()


def _with_metric(
    testbed: PublishedTestbed, pairs: Sequence[str] | str | None, metric: str
) -> tuple[list[str], list[str]]:
    """The pairs that are requested on which the metric was published, and those on which it was not.

    Without `pairs` all of the testbed's are requested. Raises UsageError where it was published on none, or not on one
    that is named.
    """
    named = testbed.main_pairs if pairs is None else (pairs,) if isinstance(pairs, str) else pairs
    wanted = tuple(dict.fromkeys(map(testbed.pair_named, named)))
    refused = [pair for pair in wanted if metric not in _table_of(testbed, pair).metrics]
    if refused and (pairs is not None or len(refused) == len(wanted)):
        known = _table_of(testbed, refused[0]).metrics
        raise UsageError(
            f"{metric_words(metric)} accuracy was not published on this pair",
            where=f"{testbed.name}, {refused[0]}",
            expected=", ".join(map(metric_words, known)),
            fix=f'use `metric` "{known[0]}"',
        )
    return [pair for pair in wanted if pair not in refused], refused


def _also_in(add: Results, wanted: Sequence[str], testbed: PublishedTestbed) -> list[str]:
    """Those of these pairs that the results to add hold as well; AnalysisError where there is none."""
    both = [pair for pair in wanted if pair in add.pairs()]
    if not both:
        raise AnalysisError(
            "the results to add contain none of the published pairs (`add`)",
            where=add.path,
            found=", ".join(add.pairs()) or "no pairs",
            expected=f"one of {', '.join(testbed.pairs)}",
        )
    return both


def published_line_models(
    testbed: PublishedTestbed, pairs: Sequence[str], options: ReportOptions
) -> Iterator[Outcomes]:
    """Counts, by the metric of the report, of the published models that lines are fitted to, for each of these pairs.

    Pairs and metrics on which nothing was published are left out.
    """
    for pair in pairs:
        table = testbed.table_of(pair)
        if table is not None and options.metric in table.metrics:
            counts = published_outcomes(testbed, pair)[options.metric]
            families = of_publication(testbed, table).applied_to(options).named
            yield counts.subset(options.chosen(counts)).of_line(families)


def _with_added(outcomes: dict[str, Outcomes], added: Results, pair: str) -> dict[str, Outcomes]:
    """The same with the models of a results folder, which lines leave out; published ones that it holds stay once."""
    stored = load_pair(added, pair).outcomes
    return {metric: _joined(counts, stored[metric]) for metric, counts in outcomes.items() if metric in stored}


def _joined(published: Outcomes, own: Outcomes) -> Outcomes:
    totals = [(one.original_total, one.new_total) for one in (published, own)]
    if totals[0] != totals[1]:
        raise AnalysisError(
            "the results to add are for other images than the published ones",
            where=f"{own.original}:{own.new}",
            found=" and ".join(f"{total:,}" for total in totals[1]),
            expected=" and ".join(f"{total:,} images" for total in totals[0]),
        )
    counts = {model: place for place, model in enumerate(published.models)}
    new = [place for place, model in enumerate(own.models) if not _is_member(own, place, published, counts)]
    double = [own.models[place] for place in new if own.models[place] in counts]
    if double:
        raise AnalysisError(
            "models to add have the names of published ones, but other counts",
            found=name_some(double),
            fix="store them under other names",
        )
    models = tuple(own.models[place] for place in new)
    return replace(
        published,
        models=(*published.models, *models),
        original_correct=np.append(published.original_correct, own.original_correct[new]),
        new_correct=np.append(published.new_correct, own.new_correct[new]),
        attributes=published.attributes | {model: own.attributes.get(model, {}) for model in models},
        beside=frozenset(models),
    )


def _is_member(own: Outcomes, place: int, published: Outcomes, counts: dict[str, int]) -> bool:
    there = counts.get(own.models[place])
    if there is None:
        return False
    ours = own.original_correct[place], own.new_correct[place]
    return ours == (published.original_correct[there], published.new_correct[there])


def _has_chosen(testbed: PublishedTestbed, pair: str, options: ReportOptions) -> bool:
    return any(map(options.chosen, published_outcomes(testbed, pair).values()))


def _summarize_pair(
    testbed: PublishedTestbed, pair: str, options: ReportOptions, added: Results | None = None
) -> PairSummary:
    table = _table_of(testbed, pair)
    conventions = of_publication(testbed, table)
    original, new = split_pair(pair)
    notes = conventions.family_notes(options)
    notes += (
        f"{testbed.datasets.get(name, name)}: {testbed.notes[name]}."
        for name in (original, new)
        if name in testbed.notes
    )
    if shared := unseen_images_note(original, new):
        notes.append(shared)
    found = published_outcomes(testbed, pair)
    found = found if added is None else _with_added(found, added, pair)
    outcomes = {metric: counts.subset(options.chosen(counts)) for metric, counts in found.items()}
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
            f"The counts of {counted(len(inexact), 'model')} were derived from printed tables, since no predictions "
            "were "
            f"released, and may be off by a few images: {name_some(inexact)}."
        )
    known_duplicates = testbed.near_duplicates.get(original)
    return summarize_outcomes(
        outcomes,
        options=conventions.applied_to(options),
        ties=conventions.ties if added is None else "shared",
        own={model for counts in outcomes.values() for model in counts.beside},
        near_duplicates=None if known_duplicates is None else NearDuplicates(**known_duplicates),
        notes=notes,
    )


def _table_of(testbed: PublishedTestbed, pair: str) -> PublishedTable:
    table = testbed.table_of(pair)
    if table is None:
        split_pair(pair)
        raise unknown_name("nothing was published on this pair", pair, testbed.pairs, where=testbed.name)
    return table
