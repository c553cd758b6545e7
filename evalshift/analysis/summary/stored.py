"""Stored results, summarized pair by pair."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Unpack

from evalshift.analysis.checks.review import review_pair
from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import METRICS, Outcomes
from evalshift.analysis.outcomes.given_corrections import refuse_unused, with_given_corrections
from evalshift.analysis.outcomes.pair_views import seen_alike
from evalshift.analysis.outcomes.present_titles import AS_STORED, PresentTitles
from evalshift.analysis.outcomes.stored_models import stored_families, stored_models
from evalshift.analysis.outcomes.stored_pair import StoredPair, load_pair
from evalshift.analysis.outcomes.stored_side import in_words
from evalshift.analysis.pair_statistics.report_scale import on_one_scale
from evalshift.analysis.statistics.near_duplicates import NearDuplicates
from evalshift.analysis.summary.conventions import Conventions, of_imports
from evalshift.analysis.summary.published import published_line_models
from evalshift.analysis.summary.records import PairSummary, Summary
from evalshift.analysis.summary.sentences import metric_words
from evalshift.analysis.summary.summarize import put_together, summarize_outcomes
from evalshift.errors import AnalysisError, StoreError
from evalshift.evaluate.store import CountedDataset, Results, StoredDataset
from evalshift.testbed.published import PublishedTestbed

# Predictions of several pairs are kept in memory up to this, while the scale of their lines is chosen.
_KEPT_BYTES = 500_000_000


def summarize(
    results: Results,
    pairs: Sequence[str] | str | None = None,
    *,
    options: ReportOptions | None = None,
    command: str | None = None,
    titles: PresentTitles = AS_STORED,
    against: PublishedTestbed | None = None,
    **choices: Unpack[Choices],
) -> Summary:
    """Work out everything a report says on stored results.

    `pairs` are "original:new"; without them, all that were run here: one that cannot be reported then becomes a note.
    `choices` are those of `ReportOptions`, or `options` has them all. On models that were imported from a release,
    families that the options leave open are those that its publication leaves out, and where all of a pair's models are
    of it, models of equal accuracy are numbered as its tables do. Lines are fitted on every scale; that of the options,
    or the one that fits all pairs best, is that of all other statistics that need one; where the models are too few to
    tell, those of the testbed `against` do. Each statistic has a generator of its own, so that its numbers do
    not depend on what else is requested.
    `titles` are those of the registry as it is now, without them those that were stored with the predictions.
    Raises UsageError on an unknown scale, metric or family and on numbers out of range, AnalysisError when the results
    hold nothing to compare, StoreError when nothing in them that is requested can be read.
    """
    options = options or ReportOptions(**choices)
    wanted = wanted_pairs(results, pairs)
    if options.named:  # a misspelt one is found before the work
        options.check_families(stored_families(results, wanted))
    if options.models is not None or options.highlight:
        options.check_models(stored_models(results, wanted))
    loaded = _LoadedPairs(results, wanted, options, required=pairs is not None)
    options, scale_choice = on_one_scale(
        options,
        (_line_models(stored, options) for stored in loaded),
        () if against is None else published_line_models(against, wanted, options),
    )
    summaries = [_summarize_pair(stored, options, titles) for stored in loaded]
    if not summaries:
        raise next(iter(loaded.refused.values()))
    refuse_unused(options.corrected_labels, loaded.datasets)
    return put_together(
        summaries,
        options,
        command=command,
        notes=[
            *([titles.note] if titles.note else []),
            *_damaged_list(results, wanted),
            *(_not_reported(pair, error) for pair, error in loaded.refused.items()),
        ],
        scale_choice=scale_choice,
    )


def _summarize_pair(stored: StoredPair, options: ReportOptions, titles: PresentTitles) -> PairSummary:
    review = None if options.scope else review_pair(stored, options.level)
    reviewed = review.notes if review else ()
    conventions = _conventions(stored)
    summary = summarize_outcomes(
        {metric: titles.of(outcomes) for metric, outcomes in stored.outcomes.items()},
        predictions=stored.predictions,
        fresh=stored.fresh,
        near_duplicates=_near_duplicates(stored),
        logits=stored.logits,
        options=conventions.applied_to(options),
        ties=conventions.ties,
        provenance=_provenance(stored),
        own=[model for model, both in stored.provenance.items() if any(run.own for run in both)],
        notes=(*conventions.family_notes(options), *conventions.rank_notes, *stored.notes, *reviewed),
        expected_accuracy=review.expected_accuracy if review else None,
    )
    return replace(summary, problems=(*stored.refused, *reviewed))


class _LoadedPairs:
    """The stored pairs, to go through more than once; those that cannot be reported are `refused`.

    Where they are `required`, they raise, except for damaged files: other pairs are reported all the same.

    They are kept from one time to the next while that takes little memory, and read again beyond.
    """

    def __init__(self, results: Results, wanted: Sequence[str], options: ReportOptions, required: bool) -> None:
        self._results, self._options, self._required = results, options, required
        self._wanted = list(wanted)
        self._kept: dict[str, StoredPair] = {}
        self.refused: dict[str, AnalysisError | StoreError] = {}
        self.datasets: list[StoredDataset | CountedDataset] = []

    def __iter__(self) -> Iterator[StoredPair]:
        for pair in list(self._wanted):
            stored = self._kept.pop(pair, None) or self._load(pair)
            if stored is None:
                self._wanted.remove(pair)
                continue
            if len(self._wanted) == 1 or sum(map(_bytes, (stored, *self._kept.values()))) < _KEPT_BYTES:
                self._kept[pair] = stored
            yield stored

    def _load(self, pair: str) -> StoredPair | None:
        try:
            stored = load_pair(self._results, pair, self._options.models)
            stored = with_given_corrections(stored, self._options.corrected_labels)
            self.datasets += [stored.original, stored.new]
            _require_metric(stored, self._options.metric)
        except (AnalysisError, StoreError) as error:
            if self._required and isinstance(error, AnalysisError):
                raise
            self.refused[pair] = error
            return None
        return stored


def _not_reported(pair: str, error: AnalysisError | StoreError) -> str:
    if isinstance(error, StoreError):
        return f"{pair} is not in this report: {in_words(error)}."
    return f"{error.where} is not in this report: {error.problem} ({error.found})."


def _bytes(stored: StoredPair) -> int:
    """What the predictions of a pair take up in memory."""
    arrays = [array for one in stored.predictions or () for array in (one.top, one.prob) if array is not None]
    return sum(array.nbytes for array in arrays)


def _conventions(stored: StoredPair) -> Conventions:
    runs = [run for both in stored.provenance.values() for run in both]
    return of_imports(f"{stored.original.name}:{stored.new.name}", runs)


def _line_models(stored: StoredPair, options: ReportOptions) -> Outcomes:
    """Counts, by the metric of the report, of the models that lines are fitted to."""
    return stored.outcomes[options.metric].of_line(_conventions(stored).applied_to(options).named)


def wanted_pairs(results: Results, pairs: Sequence[str] | str | None) -> list[str]:
    """The pairs that a report is on, each once; AnalysisError where there is none."""
    named = results.pairs() if pairs is None else [pairs] if isinstance(pairs, str) else pairs
    wanted = list(dict.fromkeys(seen_alike(results, pair) for pair in named))
    if not wanted:
        raise AnalysisError(
            "no pair has been run here" if pairs is None else "no pair was named",
            where=results.path,
            found="no results",
            expected="predictions of at least one pair",
            fix="`evalshift run` first, or choose another folder with `results`",
        )
    return wanted


def _damaged_list(results: Results, wanted: Sequence[str]) -> list[str]:
    """A note where the list of pairs is damaged, which named pairs can do without."""
    try:
        results.pairs()
    except StoreError as error:
        return [f"Only the pairs that were named are reported ({', '.join(wanted)}): {in_words(error)}."]
    return []


def _require_metric(stored: StoredPair, metric: str) -> None:
    if metric not in stored.outcomes:
        raise AnalysisError(
            f"{metric_words(metric)} accuracy is not available on this pair",
            where=f"{stored.original.name}:{stored.new.name}",
            found=stored.unreported[metric],
            expected=f"more than {METRICS[metric]} classes and as many predictions per image stored for every model",
            fix='use `metric` "top1"',
        )


def _near_duplicates(stored: StoredPair) -> NearDuplicates | None:
    written = stored.original.entry.get("near_duplicates")
    return None if written is None else NearDuplicates(**written)


def _provenance(stored: StoredPair) -> dict[str, dict]:
    return {
        "datasets": {
            dataset.name: {
                "images": len(dataset),
                "classes": dataset.classes,
                "fingerprint": dataset.fingerprint,
                "entry": dataset.entry,
            }
            for dataset in (stored.original, stored.new)
        },
        "models": {
            model: {both.dataset: both.model_dump(mode="json") for both in pair}
            for model, pair in stored.provenance.items()
        },
    }
