"""`evalshift combine`: stored models as one."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.imports import ForceOption
from evalshift.commands.options import ResultsOption
from evalshift.commands.shared import complaints, split
from evalshift.console import completion


def combine(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the combination.")],
    models: Annotated[
        list[str],
        typer.Option(
            "--models",
            metavar="GLOB",
            autocompletion=completion.stored_models,
            help="Models to combine, by name or glob. Comma-separated; repeatable.",
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="vote|logits|probabilities",
            autocompletion=completion.one_of("vote", "logits", "probabilities"),
            help="Majority vote of the first predictions, or the mean of stored logits or of their probabilities.",
        ),
    ] = "vote",
    results: ResultsOption = Path("results"),
    force: ForceOption = False,
) -> None:
    """Combine stored models into one: majority vote, or mean of logits.

    The combination is stored on each dataset that all of its models have predictions on, in the family "combinations".
    report shows how far it lies above or below the line of the single models, and which models of its accuracy are more
    robust. Means need logits, which run --save-logits stores.
    """
    with complaints(combine):
        from evalshift.evaluate.combinations import combine as combine_stored

        made = combine_stored(results, name, split(models), by=by, force=force)
        for one in made.datasets:
            typer.echo(f"{one.model} on {one.dataset}: {one.top1:,} of {one.images:,} correct")
