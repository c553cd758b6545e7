"""`evalshift compare`: two or more models, side by side."""

from typing import Annotated

import typer

from evalshift.commands.options import (
    LinearOption,
    LogitOption,
    PairOption,
    ProbitOption,
    ScaleOption,
    StoredOption,
    TitlesOption,
    WithoutOption,
)
from evalshift.commands.shared import complaints, none_or_listed, one_of, refuse_two_sources, split
from evalshift.console import completion


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL", autocompletion=completion.stored_models, help="Two or more models, by name or glob."
        ),
    ],
    results: StoredOption = None,
    published: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.published,
            help="Models of a published testbed, such as recht2019 or timm; needs no results.",
        ),
    ] = None,
    pair: PairOption = None,
    registry: TitlesOption = None,
    without: WithoutOption = None,
    linear: LinearOption = False,
    probit: ProbitOption = False,
    logit: LogitOption = False,
    scale: ScaleOption = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="top1|top5", autocompletion=completion.one_of("top1", "top5"), help="The accuracy to compare."
        ),
    ] = "top1",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare models: which is more accurate, and which is more robust.

    Prints a verdict, both accuracies, and the differences in accuracy, drop and effective robustness, with 95 %
    confidence intervals and p-values. Accuracies are compared by McNemar's exact test on the same images. Effective
    robustness is the distance above the line fitted to the other models in the results. For more than two models,
    p-values are Holm-adjusted.
    """
    with complaints(compare):
        from evalshift.analysis.comparison.compute import compare as compare_stored
        from evalshift.console.comparison import print_comparison

        refuse_two_sources(results, published)
        scale = one_of("a line has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        found = compare_stored(
            results or "results",
            *split(models),
            pairs=split(pair) or None,
            scale=scale,
            metric=metric,
            without=none_or_listed(without),
            published=published,
            registry=registry,
        )
        if as_json:
            typer.echo(found.to_json(), nl=False)
        else:
            print_comparison(found)
