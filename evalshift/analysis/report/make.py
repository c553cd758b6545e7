"""Stored results, or a published testbed, -> a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes.present_titles import present_titles, refuse_registry_of_published
from evalshift.analysis.plot_data.scopes import scope_of
from evalshift.analysis.report.command import same_again
from evalshift.analysis.report.record import Report
from evalshift.analysis.report.work_processes import shared
from evalshift.analysis.summary import Summary
from evalshift.analysis.summary.against import check_against, hold_against
from evalshift.analysis.summary.published import summarize_published
from evalshift.analysis.summary.stored import summarize, wanted_pairs
from evalshift.errors import UsageError
from evalshift.evaluate.store import Results
from evalshift.testbed.published import PublishedTestbed, load_with_pairs

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry


def report(
    results: Results | str | Path = "results",
    *,
    pairs: Sequence[str] | str | None = None,
    scale: str = "auto",
    metric: str = "top1",
    level: float = 0.95,
    resamples: int = 100_000,
    seed: int = 0,
    published: str | None = None,
    without: Sequence[str] | str | None = None,
    against: str | None = None,
    registry: "str | Path | Registry | None" = None,
    models: Sequence[str] | str | None = None,
    highlight: Sequence[str] | str | None = None,
    add: Results | str | Path | None = None,
    labels: Mapping[str, str] | None = None,
    only: str | None = None,
    reference: str | None = None,
    include: Sequence[str] | str = (),
    corrected_labels: Mapping[str, str | Path] | None = None,
    color_by: str | None = None,
) -> Report:
    """Compute the report of stored results; nothing is written before `.save()`.

    results           a Results object, such as `run` returns, or a results folder
    pairs             "original:new" each; by default, all that were run
    scale             "linear", "probit", "logit", or "auto", which chooses the scale with the smallest leave-one-out
                      error over all pairs, or a simpler one within noise of it, and linear with fewer than five models;
                      `report.summary.scale` is the scale used
    metric            "top1" or "top5"
    resamples         number of bootstrap resamples of the models
    level             level of all confidence intervals
    seed              seed of the bootstrap
    published         name of a published testbed, such as "recht2019", to report on instead of results
    without           families to leave out of the lines; for a published testbed, and for predictions imported from its
                      release, the default is the families that the publication leaves out
    against           name of a published testbed; each model is compared with its line
    registry          a path or a Registry that gives the titles of models and datasets; by default, ./registry.yaml if
                      it exists. Models and datasets that are not in it keep the titles stored with them
    models            names or globs of the models to report on; lines are fitted to these alone
    highlight         names or globs of models to name and mark in every table and figure; by default, those of your own
                      registry file; an empty list for none
    add               a results folder whose models are added to those of `published`, on the same pairs, highlighted
                      and left out of the lines
    labels            text for models and datasets in figures, instead of their titles
    only              name of a figure; nothing else is computed
    reference         the reference model whose errors normalise corruption errors; by default, a model called alexnet,
                      or on ImageNet-C AlexNet's published errors
    include           optional tables: "item_response", and "pairs" for more than 200 models
    corrected_labels  files of corrected labels by dataset, such as {"imagenet": "real.json"}; accuracies and ranks are
                      then given by these labels as well as by the dataset's own
    color_by          "training_data", "family", "year" or "parameters": the scatter plot has a colour and a line for
                      each group of models, and the report tests whether the slopes are equal

    Raises UsageError for an invalid argument, StoreError or AnalysisError if the results cannot be read or compared.
    """
    testbed = None if against is None else load_with_pairs(against)  # checked before the work
    _check_published(published, against, add, corrected_labels)
    options = ReportOptions(
        scale=scale,
        metric=metric,
        level=level,
        resamples=resamples,
        seed=seed,
        without=without,
        models=models,
        highlight=highlight,
        labels=labels or {},
        scope=None if only is None else scope_of(only, metric),
        reference=reference,
        include=include,
        corrected_labels=corrected_labels or {},
        color_by=color_by,
    )
    if published is not None:
        refuse_registry_of_published(registry, published)
        command = same_again(published, True, pairs, against, options)
        added = add if isinstance(add, Results) or add is None else Results(add)
        mapped = shared if only is None else map  # what a single figure shows is computed sooner than sent
        summary = summarize_published(published, pairs, options=options, command=command, add=added, mapped=mapped)
    else:
        summary = _of_results(results, pairs, testbed, registry, options)
    return Report(summary if against is None else hold_against(summary, against, options.named))


def _check_published(
    published: str | None,
    against: str | None,
    add: Results | str | Path | None,
    corrected_labels: Mapping[str, str | Path] | None,
) -> None:
    """Raise UsageError for options that are incompatible with a published testbed, or that need one."""
    if against is not None and against == published:
        raise UsageError(
            "a published testbed cannot be compared with itself",
            found=f'published="{published}", against="{against}"',
            fix="leave one of them out",
        )
    if add is not None and published is None:
        raise UsageError(
            "results are added to a published testbed alone", found="`add` without `published`", fix="name one"
        )
    if corrected_labels and published is not None:
        raise UsageError(
            "a published testbed has no predictions to hold against corrected labels",
            found=f"corrected_labels={dict(corrected_labels)!r}, published={published!r}",
            fix="import the released predictions, and report on these",
        )


def _of_results(
    results: Results | str | Path,
    pairs: Sequence[str] | str | None,
    against: PublishedTestbed | None,
    registry: "str | Path | Registry | None",
    options: ReportOptions,
) -> Summary:
    results = results if isinstance(results, Results) else Results(results)
    if against is not None:  # a testbed without these pairs is reported before anything is computed
        check_against(against.name, wanted_pairs(results, pairs))
    # Only the name: the paths of a user's folders are private.
    folder = results.path.name if results.path.is_absolute() else str(results.path)
    command = same_again(folder, False, pairs, against and against.name, options)
    return summarize(results, pairs, options=options, command=command, titles=present_titles(registry), against=against)
