"""`evalshift show` and `evalshift atlas`: what published testbeds know of a model, and all of them as a page."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import RegistryOption
from evalshift.commands.shared import complaints, split
from evalshift.console import completion


def show(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            autocompletion=completion.every_published_model,
            help="Models of published testbeds, by name or glob; entries of the registry for timm's and torchvision's "
            "weights.",
        ),
    ],
    registry: RegistryOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object per model and testbed.")] = False,
) -> None:
    """Show what published testbeds contain about a model.

    For each testbed that comes with evalshift, prints the accuracies of the model with 95 % confidence intervals, its
    ranks, its drops, its distance from the line through the other models and through those trained on the same data,
    and, if known, its family, year, training data, parameters and image size. A model that was evaluated at several
    image sizes is shown at each.
    """
    with complaints(show):
        import json

        from evalshift.analysis.atlas.model_record import model_record
        from evalshift.analysis.atlas.names import find_models, same_architecture
        from evalshift.console.published_models import print_models
        from evalshift.testbed.registry_reading import load_registry

        known = load_registry(registry)
        names = split(models)
        found = dict.fromkeys(one for name in names for one in find_models(name, known))
        records = [model_record(one, details=as_json) for one in found]
        if as_json:
            typer.echo(json.dumps([record.facts() for record in records], indent=2, ensure_ascii=False))
        else:
            print_models(records, list(dict.fromkeys(one for name in names for one in same_architecture(name))))


def atlas(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output file.")] = Path("atlas.html"),
    testbeds: Annotated[
        list[str] | None,
        typer.Option(
            "--published",
            metavar="NAME",
            autocompletion=completion.published,
            help="Published testbeds to include. Comma-separated; repeatable. [default: all]",
        ),
    ] = None,
) -> None:
    """Write all published testbeds as one page.

    On the page you can choose two test sets, search for a model, and download the table. Each pair has its findings:
    the line of all models, the lines by training data, and the models significantly above or below the line. The page
    is a single file that works offline.
    """
    with complaints(atlas):
        from evalshift.analysis.atlas.page import write_atlas
        from evalshift.console.terminal import stderr

        with stderr().status("fitting lines"):
            written = write_atlas(out, split(testbeds))
        typer.echo(f"atlas: {written}")
