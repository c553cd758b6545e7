"""`evalshift run`: models on datasets, and what is asked before long work."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, no_type_check

import typer

from evalshift.commands.options import (
    CacheDirOption,
    ConfigOption,
    DataDirOption,
    DeviceOption,
    ModelsOption,
    PairOption,
    RegistryOption,
    ResultsOption,
)
from evalshift.commands.shared import STOPPED_HALF_WAY, complaints, data_access_of, own_process, split, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError
from evalshift.publishing import inert_text

if TYPE_CHECKING:
    from evalshift.evaluate.options import Options
    from evalshift.evaluate.plan import Request


def run(
    ctx: typer.Context,
    config: ConfigOption = None,
    registry: RegistryOption = None,
    pair: PairOption = None,
    models: ModelsOption = None,
    results: ResultsOption = Path("results"),
    device: DeviceOption = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="P",
            autocompletion=completion.one_of("fp32", "tf32", "bf16", "fp16"),
            help="fp32, tf32, bf16 or fp16.",
        ),
    ] = "fp32",
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            autocompletion=completion.one_of("auto"),
            help="Images per batch; auto searches for the fastest size.",
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number, help="Threads that decode image files. [default: one per core]"),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="local|ray",
            autocompletion=completion.one_of("local", "ray"),
            help="ray runs one model per GPU (or core), on this machine or a cluster.",
        ),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster to connect to, such as 10.0.0.1:6379, or auto. [default: start ray "
            "on this machine for this run]",
        ),
    ] = None,
    handover: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Folder or fsspec URL (s3://bucket/prefix) through which ray's workers pass on predictions. "
            "[default: the results folder if they can reach it, else ray]",
        ),
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile networks (CUDA graphs, torch.compile) if that saves time.")
    ] = False,
    cache_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Disk space for decoded images, reused by later models and runs, such as 20GB; 0 for none. "
            "[default: 50GB, or a fifth of the free space if that is less]",
        ),
    ] = None,
    cache_dir: CacheDirOption = None,
    fast_decode: Annotated[
        bool,
        typer.Option(
            "--fast-decode",
            help="Decode JPEG files at a reduced size if they are resized to less. Pixels differ slightly; the number "
            "of predictions that change is stored.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Run on the first N images of each dataset only, balanced over the classes; stored in DIR/limit-N.",
        ),
    ] = None,
    save_logits: Annotated[bool, typer.Option("--save-logits", help="Also store all logits, as float16.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Rerun models whose stored predictions are still valid.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and why; run nothing.")] = False,
    model_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=1, help="Stop a model that takes longer on all its datasets together. [Linux]"
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Download nothing; missing files are errors.")] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Download without confirmation. Confirmation is asked only on a terminal, and never in CI.",
        ),
    ] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Run models on both test sets of a pair; store their predictions.

    Stored predictions that are still valid are skipped. If your own registry file has models, models of the default
    registry run only if --models names them; so do models that first have to be trained. Before a download, the plan
    says how much there is, and asks for confirmation. Without a registry and a pair, the models that come with
    evalshift run on the embedded pair, which needs no download. Exit code: 0 success, 1 some models failed or a
    download was declined, 2 invalid usage or input, 130 stopped with Ctrl-C, 143 terminated, 129 terminal
    closed; finished predictions are always kept.
    """
    with complaints(run, STOPPED_HALF_WAY), data_access_of(data_dir, offline):
        from evalshift.evaluate.nothing_to_do import command_key, store_output, stored_output
        from evalshift.evaluate.options import Options
        from evalshift.file_dependencies import recorded_dependencies

        options = Options(
            device,
            precision,
            _batch_size(batch_size),
            workers,
            save_logits,
            executor,
            compile,
            cache_size=cache_size,
            cache_dir=None if cache_dir is None else str(cache_dir),
            fast_decode=fast_decode,
            limit=limit,
            ray_address=ray_address,
            handover=handover,
            model_timeout=model_timeout if executor == "ray" else None,
            config=_of_config(ctx) if config else {},
        )

        def request() -> "Request":
            from evalshift.evaluate.plan import make_request

            return make_request(registry, split(pair), split(models), results, options, force=force)

        if dry_run:
            _dry_run(request())
            return
        # Another program that calls this may change in ways that no key tells.
        key = command_key(registry, pair, models, results, options, force) if own_process else ""
        if key and (said := stored_output(results, key)) is not None:
            typer.echo(f"{inert_text(said)}\nresults   {results}", err=True)
            return
        if not (yes or offline) and _can_ask():
            _ask_before_downloads(request())
        _supervise(options, model_timeout)
        from evalshift.console.plans import print_failures
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.run import run_request

        with recorded_dependencies() as dependencies:
            stored = run_request(request(), stderr())
        if key and limit is None and not stored.failures:
            store_output(results, key, dependencies)
        if stored.failures:
            print_failures(stored.failures, stored.path)
            raise typer.Exit(1)
        stderr().print(f"results   {stored.path}")


@no_type_check  # as above
def _of_config(ctx: typer.Context) -> dict[str, object]:
    """The options of this command that its file of options gave, by their names; those given as flags come first."""
    given = ctx.default_map or {}
    return {
        max(one.opts, key=len).removeprefix("--"): given[one.name]
        for one in ctx.command.params
        if one.name in given and ctx.get_parameter_source(one.name).name == "DEFAULT_MAP"
    }


def _can_ask() -> bool:
    """Whether somebody is there to ask: a terminal on both ends, and no CI."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return not in_ci and sys.stdin.isatty() and sys.stderr.isatty()


def _ask_before_downloads(request: "Request") -> None:
    """Say what would be run and downloaded, and exit unless that is wanted; nothing where all is on this disk."""
    from evalshift.evaluate.downloads import planned_downloads

    line = planned_downloads(request)
    if line and not typer.confirm(f"{line}. Download and run?", default=True, err=True):
        typer.echo("evalshift: nothing was downloaded or run; narrow the choice with --models or --pair", err=True)
        raise typer.Exit(1)


def _supervise(options: "Options", model_timeout: float | None) -> None:
    """Go on in a process that a model may take down, or ray, which runs models in others."""
    from evalshift.evaluate.supervisor import CAN_SUPERVISE, supervise

    with_ray = options.executor == "ray"
    if CAN_SUPERVISE and own_process:
        supervise(None if with_ray else model_timeout, STOPPED_HALF_WAY, with_ray)
    elif model_timeout is not None and options.model_timeout is None:
        raise UsageError(
            "`model_timeout` is not supported here",
            found="a system other than Linux",
            fix="leave `model_timeout` out",
        )


def _dry_run(request: "Request") -> None:
    from evalshift.console.plans import print_plan
    from evalshift.evaluate.downloads import downloads_line
    from evalshift.evaluate.plan import make_plan

    plan = make_plan(request)
    downloads = downloads_line(plan, request.registry, request.results)
    print_plan(plan, request.registry, request.results.path, downloads)


def _batch_size(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
