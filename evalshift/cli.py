"""The command line: its commands in the order of --help. What a command does is implemented in the packages below."""

import gc
import sys
from typing import Annotated

import typer

from evalshift import stopping
from evalshift.commands.cache import cache_app
from evalshift.commands.combine import combine
from evalshift.commands.compare import compare
from evalshift.commands.dataset import dataset_app
from evalshift.commands.entries import check, fetch, list_entries
from evalshift.commands.figure import figure
from evalshift.commands.imports import import_app
from evalshift.commands.published import atlas, show
from evalshift.commands.report import report, view
from evalshift.commands.run import run
from evalshift.commands.shared import own_process
from evalshift.evaluate.memory import keep_freed_memory
from evalshift.exit_codes import keep_exit_codes
from evalshift.standard_streams import flush_output, is_full, open_closed_streams

app = typer.Typer(
    epilog="Begin with: evalshift run && evalshift report --probit",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> bool:
    if wanted:
        from evalshift import __version__

        typer.echo(f"evalshift {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _evalshift(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Measure how far image classifiers fall from a test set to its replication, with confidence intervals, and why."""


app.command(epilog='Example: evalshift run --registry mine.yaml --pair cifar10:cifar10.1-v6 --models "resnet*"')(run)
app.command(epilog="Example: evalshift report --probit --pair cifar10:cifar10.1-v6 --out report")(report)
app.command(epilog="Example: evalshift view --results results")(view)
app.command(epilog="Example: evalshift figure scatter --published recht2019 --add results --out fig1.pdf")(figure)
app.command(epilog="Example: evalshift compare my-resnet resnet50 --pair cifar10:cifar10.1-v6")(compare)
app.command(epilog='Example: evalshift combine vote-of-resnets --models "resnet*"')(combine)
app.command(epilog="Example: evalshift show resnet50.a1_in1k")(show)
app.command(epilog="Example: evalshift atlas --out atlas.html")(atlas)
app.command("list", epilog='Example: evalshift list models --registry mine.yaml --filter "resnet*" --runnable')(
    list_entries
)
app.command(epilog="Example: evalshift fetch cifar10 cifar10.1-v6 resnet20-akamaster")(fetch)
app.command(epilog="Example: evalshift check --registry mine.yaml --pair cifar10:cifar10.1-v6")(check)
app.add_typer(import_app, name="import")
app.add_typer(cache_app, name="cache")
app.add_typer(dataset_app, name="dataset")


def main() -> None:
    """The entry point of the `evalshift` command."""
    open_closed_streams()
    stopping.listen()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe that cannot show "Φ" shows "?"; that is no reason to fail.
        stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    keep_freed_memory()
    keep_exit_codes()
    # The default looks for garbage after every 700 new objects, which takes a tenth of a report's time.
    gc.set_threshold(50_000, 20, 20)
    own_process.append(True)
    try:
        app(sys.argv[1:] or ["--help"])
    except BaseException as error:
        full = flush_output() or (error if is_full(error) else None)
        if full is not None:
            typer.echo(f"evalshift: the output could not be written\n  found:    {full.strerror}", err=True)
            error = SystemExit(2)
        if "evalshift.evaluate.supervisor" in sys.modules:
            from evalshift.evaluate.supervisor import report_exit

            report_exit(error.code if isinstance(error, SystemExit) else 1)
        if stopping.is_stopping():
            stopping.end()
        raise error from None
