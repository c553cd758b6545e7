"""What commands share: errors printed in terms of their options, and what is made of these."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo

from evalshift import stopping
from evalshift.errors import EvalshiftError, UsageError, explain_missing_packages
from evalshift.publishing import inert_text

STOPPED_HALF_WAY = "stopped; finished results are kept, and the same command resumes there"


def whole_number(text: str | int) -> int:
    """The number that an option gives; a usage error where it is not whole."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is not a whole number') from None


def data_access_of(data_dir: Path | None, offline: bool = False) -> AbstractContextManager[None]:
    """The context in which a command reads and downloads data."""
    from evalshift.testbed.data_access import data_access

    return data_access(data_dir, offline)


# Options, by parameter of their command, whose Python argument has another name.
_PYTHON_NAMES = {
    "pair": "pairs",
    "bootstrap": "resamples",
    "column": "columns",
    "dataset_name": "dataset_names",
    "n": "sizes",
    **dict.fromkeys(("linear", "probit", "logit", "percent", "fraction", "counts"), "scale"),
}


@contextmanager
def complaints(command: Callable[..., Any], stopped: str = "stopped") -> Iterator[None]:
    """Print errors as text and exit with their code, never with a traceback.

    command   whose options errors are told by: library code names Python arguments as `argument`
    stopped   what to say after Ctrl-C, SIGTERM or SIGHUP
    """
    stopping.say_after_signal(stopped)
    try:
        with explain_missing_packages():
            yield
    except BaseException as error:  # after a signal, libraries may raise whatever they like
        if stopping.is_stopping() or isinstance(error, KeyboardInterrupt):
            stopping.say()
            raise typer.Exit(stopping.exit_code()) from None
        if not isinstance(error, EvalshiftError):
            raise
        typer.echo(f"evalshift: {inert_text(_with_options(str(error), _options(command)))}", err=True)
        raise typer.Exit(error.exit_code) from None


def _options(command: Callable[..., Any]) -> dict[str, str]:
    """Python argument → option of a command, such as resamples → --bootstrap; an argument of it by its place: FILE."""
    named: dict[str, list[str]] = {}
    for name, parameter in signature(command).parameters.items():
        (declared,) = getattr(parameter.annotation, "__metadata__", (None,))
        if declared is None or declared.hidden:  # the context is no option
            continue
        # In an annotation, typer takes the first of the names for the default value.
        written = (declared.default, *(declared.param_decls or ()))
        long = [word for word in written if isinstance(word, str) and word.startswith("--")]
        shown = long[0] if long else f"--{name.replace('_', '-')}"
        if isinstance(declared, ArgumentInfo):
            shown = declared.metavar or shown
        for known in {name, _PYTHON_NAMES.get(name, name)}:
            named.setdefault(known, []).append(shown)
    return {name: " or ".join(filter(None, (", ".join(options[:-1]), options[-1]))) for name, options in named.items()}


def _with_options(text: str, options: Mapping[str, str]) -> str:
    """A message with options in place of Python arguments: --id-column for `id_column`."""
    import re

    return re.sub(r"`(\w+)`", lambda found: options.get(found[1], found[0]), text)


def split(values: list[str] | None) -> list[str]:
    """The parts of options that are comma-separated and repeatable."""
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


# Whether this process is the command's own, rather than one that calls it.
own_process: list[bool] = []


def processes_for_figures(formats: str, most: int | None = None) -> AbstractContextManager[None]:
    """Processes that draw the figures of a report; none for another program that calls this, such as a test."""
    from evalshift.analysis.report.work_processes import work_processes

    drawn = {"png", "pdf", "svg"} & {one.strip().lower() for one in formats.split(",")}
    return work_processes(bool(own_process and drawn), most)


def none_or_listed(values: list[str] | None) -> list[str] | None:
    """The names given; none of them where the word none was, and None where nothing was."""
    return None if values is None else [name for name in split(values) if name != "none"]


def refuse_two_sources(results: Path | None, published: str | None) -> None:
    """UsageError where both a results folder and a published testbed are given."""
    if results is not None and published is not None:
        raise UsageError(
            "both stored results and a published testbed were given",
            found=f"--results {results} --published {published}",
            expected="one of them",
        )


def one_of(problem: str, **flags: bool) -> str:
    """The name of the flag that is set, or of the first where none is; UsageError with this problem for several."""
    chosen = [name for name, wanted in flags.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(problem, found=" ".join(f"--{name}" for name in chosen), expected="one of them")
    return chosen[0] if chosen else next(iter(flags))
