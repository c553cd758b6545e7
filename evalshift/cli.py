"""The command line: parse, call, print. What a command does is implemented in the packages below."""

import gc
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, no_type_check

import typer

from evalshift.commands import class_accuracy, make_dataset
from evalshift.commands.shared import (
    STOPPED_HALF_WAY,
    AccuracyOption,
    DataDirOption,
    DeviceOption,
    ModelsOption,
    RegistryOption,
    ResultsOption,
    SizeOption,
    WorkersOption,
    complaints,
    data_access_of,
    split,
    whole_number,
)
from evalshift.console import completion
from evalshift.errors import RegistryError, UsageError, near_match
from evalshift.evaluate.memory import keep_freed_memory
from evalshift.publishing import inert_text

if TYPE_CHECKING:
    from evalshift.evaluate.options import Options
    from evalshift.evaluate.store import Results
    from evalshift.testbed.registry import Registry

# rich, torch, pandas and the rest are imported by the command that needs them, so that `evalshift --help` is quick.

# As in analysis.plot_data.scopes, which takes a moment to import.
_FIGURES = (
    *("agreement", "classes", "decomposition", "grid", "ranks", "reliability", "risk_coverage", "robustness"),
    *("scales", "scatter"),
)

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


@no_type_check  # the context that typer gives is of another class than the one that it has callbacks ask for
def _use_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Let a file of options stand for those that are not given; called before any of them is read."""
    if path is not None and not ctx.resilient_parsing:
        with complaints(run):
            from evalshift.console.config_file import read_config

            options = {
                max(one.opts, key=len).removeprefix("--"): (str(one.name), bool(one.multiple))
                for one in ctx.command.params
                if one.param_type_name == "option" and one.name not in ("config", "help")
            }
            ctx.default_map = read_config(path, options)
            typer.echo(f"config    {path}", err=True)
    return path


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_use_config,
        help="YAML file of options, such as `batch-size: 64`; options on the command line take precedence.",
    ),
]
TitlesOption = Annotated[
    Path | None,
    typer.Option("--registry", metavar="FILE", help="Registry to take titles from. [default: ./registry.yaml]"),
]


def _suggest_flag(scale: str | None) -> None:
    """The scale is a flag; who writes it as a value is told so."""
    if scale is not None:
        flags = ", ".join(f"--{known}" for known in _SCALES)
        meant = near_match(scale.lower(), _SCALES)
        raise typer.BadParameter(
            f"the scale is set by a flag: {flags}" + (f". Did you mean --{meant}?" if meant else "")
        )


_SCALES = ("linear", "probit", "logit")
LinearOption = Annotated[
    bool,
    typer.Option(
        "--linear",
        help="Fit the line to accuracies. [default: the scale with the smallest leave-one-out error]",
    ),
]
ProbitOption = Annotated[bool, typer.Option("--probit", help="Fit it to Φ⁻¹(accuracy).")]
LogitOption = Annotated[bool, typer.Option("--logit", help="Fit it to the log-odds of accuracy.")]
ScaleOption = Annotated[
    str | None,
    typer.Option("--scale", hidden=True, callback=_suggest_flag, help="Invalid: the scale is set by a flag."),
]
PairOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pair",
        metavar="A:B",
        help="Original and new test set. Comma-separated; repeatable.",
        autocompletion=completion.pairs,
    ),
]


import_app = typer.Typer(
    help="Import existing predictions, or tables of accuracies.",
    epilog="Example: evalshift import recht2019-cifar10 && evalshift report --probit",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(import_app, name="import")

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="DIR", help="Read a checkout of the authors' repository, or just its predictions, from disk."
    ),
]
HighlightOption = Annotated[
    list[str] | None,
    typer.Option(
        "--highlight",
        metavar="GLOB",
        help="Models to highlight and name in every table and figure, or none. Comma-separated; repeatable. "
        "[default: the models of your own registry file]",
        autocompletion=completion.stored_models,
    ),
]
ColorByOption = Annotated[
    str | None,
    typer.Option(
        "--color-by",
        metavar="training_data|family|year|parameters",
        autocompletion=completion.one_of("training_data", "family", "year", "parameters"),
        help="Color models in the scatter plot by what the registry says of them, with a line per group and a test "
        "whether the slopes differ. [default: none; on the page, family without lines]",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite predictions from a run.")]


CacheDirOption = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="Folder for decoded images. [default: EVALSHIFT_CACHE, else inside the folder for downloads]",
    ),
]

cache_app = typer.Typer(
    help="List or remove the decoded images that runs cache on disk.",
    epilog="Example: evalshift cache list",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(cache_app, name="cache")

# Modules whose import adds their commands to `dataset`.
DATASET_COMMANDS = (class_accuracy, make_dataset)
app.add_typer(make_dataset.dataset_app, name="dataset")


def main() -> None:
    """The entry point of the `evalshift` command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe that cannot show "Φ" shows "?"; that is no reason to fail.
        stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    keep_freed_memory()
    # The default looks for garbage after every 700 new objects, which takes a tenth of a report's time.
    gc.set_threshold(50_000, 20, 20)
    _own_process.append(True)
    try:
        app(sys.argv[1:] or ["--help"])
    except BaseException as error:
        if "evalshift.evaluate.supervisor" in sys.modules:
            from evalshift.evaluate.supervisor import report_exit

            report_exit(error.code if isinstance(error, SystemExit) else 1)
        raise


# Whether this process is the command's own, rather than one that calls it.
_own_process: list[bool] = []


@app.callback()
def _evalshift(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Measure how far image classifiers fall from a test set to its replication, with confidence intervals, and why."""


@app.command(epilog='Example: evalshift run --registry mine.yaml --pair cifar10:cifar10.1-v6 --models "resnet*"')
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
            help="Ray cluster to join, such as 10.0.0.1:6379, or auto. [default: ray is started here, for this run]",
        ),
    ] = None,
    handover: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Folder or fsspec URL (s3://bucket/prefix) through which ray's workers hand over predictions. "
            "[default: the results folder where they see it, else ray]",
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
    download was declined, 2 invalid usage or input, 130 stopped with Ctrl-C; finished predictions are always kept.
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
        if dry_run:
            _dry_run(registry, split(pair), split(models), results, options, force)
            return
        # Another program that calls this may change in ways that no key tells.
        key = command_key(registry, pair, models, results, options, force) if _own_process else ""
        if key and (said := stored_output(results, key)) is not None:
            typer.echo(f"{inert_text(said)}\nresults   {results}", err=True)
            return
        if not (yes or offline) and _can_ask():
            _ask_before_downloads(registry, split(pair), split(models), results, options, force)
        _supervise(options, model_timeout)
        from evalshift.console.output import print_failures
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.run import run as run_models

        with recorded_dependencies() as dependencies:
            stored = run_models(
                registry,
                split(pair),
                split(models),
                results,
                device=options.device,
                precision=options.precision,
                batch_size=options.batch_size,
                workers=options.workers,
                save_logits=options.save_logits,
                force=force,
                executor=options.executor,
                compile=options.compile,
                cache_size=options.cache_size,
                cache_dir=options.cache_dir,
                fast_decode=options.fast_decode,
                limit=options.limit,
                ray_address=options.ray_address,
                handover=options.handover,
                model_timeout=options.model_timeout,
                config=options.config,
                console=stderr(),
            )
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


def _ask_before_downloads(
    registry: Path | None, pairs: list[str], models: list[str], results: Path, options: "Options", force: bool
) -> None:
    """Say what would be run and downloaded, and exit unless that is wanted; nothing where all is on this disk."""
    from evalshift.evaluate.run import planned_downloads

    known, store, pairs = _loaded(registry, pairs, results, options)
    line = planned_downloads(
        known,
        pairs,
        models,
        store,
        precision=options.precision,
        save_logits=options.save_logits,
        fast_decode=options.fast_decode,
        force=force,
    )
    if line and not typer.confirm(f"{line}. Download and run?", default=True, err=True):
        typer.echo("evalshift: nothing was downloaded or run; narrow the choice with --models or --pair", err=True)
        raise typer.Exit(1)


def _loaded(
    registry: Path | None, pairs: list[str], results: Path, options: "Options"
) -> "tuple[Registry, Results, list[str]]":
    """The registry, and the results and pairs of a run with these options: others with a limit of images."""
    from evalshift.evaluate.estimates import limited_results
    from evalshift.evaluate.plan import limited_pairs
    from evalshift.evaluate.store import Results
    from evalshift.testbed.registry import load_registry

    known, store = load_registry(registry), Results(results)
    if options.limit is None:
        return known, store, pairs
    return known, limited_results(store, options.limit), [*limited_pairs(known, pairs, options.limit)]


def _supervise(options: "Options", model_timeout: float | None) -> None:
    """Go on in a process that a model may take down; ray has such processes of its own."""
    from evalshift.evaluate.supervisor import CAN_SUPERVISE, supervise

    if CAN_SUPERVISE and _own_process and options.executor == "local":
        supervise(model_timeout, STOPPED_HALF_WAY)
    elif model_timeout is not None and options.model_timeout is None:
        raise UsageError(
            "`model_timeout` is not supported here",
            found="a system other than Linux",
            fix="leave `model_timeout` out",
        )


def _dry_run(
    registry: Path | None, pairs: list[str], models: list[str], results: Path, options: "Options", force: bool
) -> None:
    from evalshift.console.output import print_plan
    from evalshift.evaluate.downloads import downloads_line
    from evalshift.evaluate.plan import make_plan, stored_fingerprint

    known, store, pairs = _loaded(registry, pairs, results, options)
    plan = make_plan(
        known,
        store,
        pairs=pairs,
        models=models,
        precision=options.precision,
        save_logits=options.save_logits,
        fast_decode=options.fast_decode,
        force=force,
        fingerprint=lambda name: stored_fingerprint(known, store, name),
    )
    print_plan(plan, known, store.path, downloads_line(plan, known, store))


@app.command(epilog="Example: evalshift report --probit --pair cifar10:cifar10.1-v6 --out report")
def report(
    results: Annotated[
        Path | None, typer.Option("--results", metavar="DIR", help="Folder of stored predictions. [default: results]")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.published,
            help="Report on a published testbed, such as recht2019 or timm; needs no results folder.",
        ),
    ] = None,
    pair: PairOption = None,
    registry: TitlesOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY",
            autocompletion=completion.families,
            help="Family to leave out of the line fits; a second figure includes it. Comma-separated; repeatable. "
            "[default: none; for a published testbed or release, the families that its publication leaves out]",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.published,
            help="Compare each model with the line of a published testbed, such as recht2019 or timm.",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="GLOB",
            help='Report on these models only, such as "resnet*". Comma-separated; repeatable.',
            autocompletion=completion.stored_models,
        ),
    ] = None,
    highlight: HighlightOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=completion.models,
            help="Model by whose errors corruption errors are normalised. [default: alexnet if it has results; on "
            "ImageNet-C, its published errors]",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            autocompletion=completion.one_of("item_response", "pairs"),
            help="Optional table: item_response, or pairs for more than 200 models. Comma-separated; repeatable.",
        ),
    ] = None,
    corrected: Annotated[
        list[str] | None,
        typer.Option(
            "--corrected-labels",
            metavar="DATASET=FILE",
            help="Corrected labels of a dataset, one or several per image, such as imagenet=real.json: accuracies and "
            "ranks by them beside those by its own labels. Repeatable.",
        ),
    ] = None,
    color_by: ColorByOption = None,
    linear: LinearOption = False,
    probit: ProbitOption = False,
    logit: LogitOption = False,
    scale: ScaleOption = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="top1|top5",
            autocompletion=completion.one_of("top1", "top5"),
            help="The main accuracy of the report.",
        ),
    ] = "top1",
    bootstrap: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Resamples of the models.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the bootstrap.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("report"),
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            autocompletion=completion.several_of("html", "png", "pdf", "svg", "csv", "md", "tex", "json"),
            help="Any of html, png, pdf, svg, csv, md, tex; or json, which prints every number and writes nothing.",
        ),
    ] = "html,png,pdf,svg,csv,md,tex",
    publish: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the report into a folder of this one instead, for a static site such as GitHub Pages, with an "
            "index of its reports and preview images. The folder has the name of --out, or of the results.",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address that the folder of --publish will have, for previews of links."),
    ] = None,
    size: SizeOption = None,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="For double-blind review: leave out machine, times, commit, versions, registry entries and links.",
        ),
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIST",
            autocompletion=completion.several_of(
                "rank", "model", "family", "year", "original", "new", "drop", "new-rank", "delta-rank"
            ),
            help="Columns of the main table in LaTeX and Markdown; any of rank, model, family, year, original, new, "
            "drop, new-rank, delta-rank.",
        ),
    ] = None,
) -> None:
    """Report confidence intervals, line fits, figures and tables.

    Prints the findings and the best models of each pair, and writes a folder with a page, figures, tables and every
    number as JSON. Notes point out accuracies that differ from the published ones, and implausible predictions, with
    the likely cause. Needs only a results folder, or the counts of a published testbed that come with evalshift:
    no images, no GPU, no torch and no download. Try evalshift report --published recht2019 --linear
    """
    with complaints(report), _drawing_processes(formats):
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.report import check_formats
        from evalshift.analysis.report import report as make_report
        from evalshift.analysis.tables.of_accuracies import check_columns
        from evalshift.console.output import print_findings
        from evalshift.console.terminal import stderr

        scale = _one_of("a report has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        as_json = formats.strip().lower() == "json"
        if not as_json:
            check_formats(formats)  # before the work, not after it
        check_columns(split(columns))
        if size is not None:
            find_size(size)
        _refuse_two_sources(results, published)
        name = published or (results or Path("results")).resolve().name
        if publish is not None:
            from evalshift.analysis.publication import check_name

            name = check_name(out.name if out != Path("report") else name)
        with stderr().status("reading predictions, computing statistics") as status:
            made = make_report(
                results or "results",
                pairs=split(pair) or None,
                scale=scale,
                metric=metric,
                resamples=bootstrap,
                seed=seed,
                published=published,
                without=_none_or_listed(without),
                against=against,
                registry=registry,
                models=split(models) or None,
                highlight=_none_or_listed(highlight),
                reference=reference,
                include=split(include),
                corrected_labels=_corrected(corrected),
                color_by=color_by,
            )
            if as_json:
                typer.echo(made.to_json(anonymous=anonymous), nl=False)
                return
            status.update(f"drawing figures, writing {publish or out}")
            kept = {"formats": formats, "size": size, "anonymous": anonymous, "columns": split(columns) or None}
            if publish is None:
                written = made.save(out, **kept)
            else:
                from evalshift.analysis.publication import publish as publish_report

                written = publish_report(made, publish, name, url, **kept)
        print_findings(made.summary, written)


def _drawing_processes(formats: str, most: int | None = None) -> AbstractContextManager[None]:
    """Processes that draw the figures of a report; none for another program that calls this, such as a test."""
    from evalshift.analysis.report.drawing_processes import drawing_processes

    drawn = {"png", "pdf", "svg"} & {one.strip().lower() for one in formats.split(",")}
    return drawing_processes(bool(_own_process and drawn), most)


@app.command(epilog="Example: evalshift view --results results")
def view(
    results: Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of stored predictions.")] = Path(
        "results"
    ),
    pair: PairOption = None,
    registry: TitlesOption = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="GLOB",
            help='Show these models alone, such as "resnet*". Comma-separated; repeatable.',
            autocompletion=completion.stored_models,
        ),
    ] = None,
    highlight: HighlightOption = None,
    port: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Port on 127.0.0.1; 0 for any that is free.")
    ] = 0,
) -> None:
    """Show the report in a browser, and renew it while a run goes on.

    Serves the page of a results folder on this machine alone (127.0.0.1), with pictures from the datasets on disk,
    until Ctrl-C. evalshift report writes the same page as one file to share.
    """
    with complaints(view, stopped="stopped; the results are as they were"):
        from evalshift.console.view import serve

        choices = {"pairs": split(pair) or None, "models": split(models) or None}
        choices |= {"highlight": _none_or_listed(highlight), "registry": registry}
        try:
            server = serve(results, port=port, **choices)
        except (OSError, OverflowError) as error:
            raise UsageError("this port cannot be served", found=f"{port} ({error})", fix="leave it out") from error
        if not results.is_dir():
            typer.echo(
                f"{inert_text(str(results))} does not exist yet: the page waits for the first predictions", err=True
            )
        typer.echo(f"http://127.0.0.1:{server.server_address[1]}/    (Ctrl-C ends)")
        with server:
            server.serve_forever()


@app.command(epilog="Example: evalshift figure scatter --published recht2019 --add results --out fig1.pdf")
def figure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.one_of(*_FIGURES),
            help=f"One of {', '.join(_FIGURES)}.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output file: .pdf, .svg or .png.")],
    results: Annotated[
        Path | None, typer.Option("--results", metavar="DIR", help="Folder of stored predictions. [default: results]")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.published,
            help="Draw a published testbed, such as recht2019 or timm.",
        ),
    ] = None,
    add: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Results folder whose models are added to those of --published, highlighted and left out of the fit.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", autocompletion=completion.published, help="Draw a published testbed behind your own models."
        ),
    ] = None,
    pair: PairOption = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="GLOB",
            help="Draw these models only. Comma-separated; repeatable.",
            autocompletion=completion.stored_models,
        ),
    ] = None,
    highlight: HighlightOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY",
            autocompletion=completion.families,
            help="Family to leave out of the line. Comma-separated; repeatable.",
        ),
    ] = None,
    color_by: ColorByOption = None,
    linear: LinearOption = False,
    probit: ProbitOption = False,
    logit: LogitOption = False,
    scale: ScaleOption = None,
    metric: AccuracyOption = "top1",
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="Text for a model or dataset in the figure. Repeatable."),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title above the figure.")] = None,
    size: SizeOption = None,
    width: Annotated[float | None, typer.Option(metavar="INCHES", help="Width of the figure.")] = None,
    font: Annotated[
        str | None,
        typer.Option(
            metavar="FONT",
            help='Size in points, a font family, or both: "Times New Roman, 9". [default: 8 points; a slide 14]',
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option(metavar="FILE", help="Matplotlib style file (.mplstyle), or the name of a style.")
    ] = None,
    xlim: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Range of the x-axis, such as 60,100; for a scatter, of both axes."),
    ] = None,
    ylim: Annotated[str | None, typer.Option(metavar="LOW,HIGH", help="Range of the y-axis of a scatter.")] = None,
    bootstrap: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Resamples of the models.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Draw a single figure, and compute nothing else.

    Text is 8 points at the width of the figure, and fonts are embedded. By default a figure is as wide as one column
    of a paper, or as the page if it has several panels.
    """
    with complaints(figure), _drawing_processes(out.suffix.removeprefix("."), most=1):
        from evalshift.analysis.report import report as make_report
        from evalshift.console.terminal import stderr

        chosen = _one_of("a figure has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        _refuse_two_sources(results, published)
        kind = out.suffix.removeprefix(".").lower()
        if kind not in ("pdf", "svg", "png"):
            raise UsageError("unsupported format of a figure (`out`)", found=out.name, fix=f"{out.stem}.pdf")
        limits = {key: _two_numbers(key, text) for key, text in (("xlim", xlim), ("ylim", ylim)) if text is not None}
        with stderr().status("drawing"):
            made = make_report(
                results or "results",
                pairs=split(pair) or None,
                scale=chosen,
                metric=metric,
                resamples=bootstrap,
                seed=seed,
                published=published,
                without=_none_or_listed(without),
                against=against,
                models=split(models) or None,
                highlight=_none_or_listed(highlight),
                add=add,
                labels=_labels(label),
                color_by=color_by,
                only=name,
            )
            from evalshift.analysis.report.requested import RequestedFigure

            in_points = font if font is not None or size == "slide" else "8"
            choices = {"size": size, "title": title, "width": width, "font": in_points, "style": style, **limits}
            RequestedFigure(made, name, out, choices).save()
        typer.echo(f"figure: {out}")


@app.command(epilog="Example: evalshift compare my-resnet resnet50 --pair cifar10:cifar10.1-v6")
def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL", autocompletion=completion.stored_models, help="Two or more models, by name or glob."
        ),
    ],
    results: Annotated[
        Path | None, typer.Option("--results", metavar="DIR", help="Folder of stored predictions. [default: results]")
    ] = None,
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
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY",
            autocompletion=completion.families,
            help="Family to leave out of the line. Comma-separated; repeatable.",
        ),
    ] = None,
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
        from evalshift.console.output import print_comparison

        _refuse_two_sources(results, published)
        scale = _one_of("a line has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        found = compare_stored(
            results or "results",
            *split(models),
            pairs=split(pair) or None,
            scale=scale,
            metric=metric,
            without=_none_or_listed(without),
            published=published,
            registry=registry,
        )
        if as_json:
            typer.echo(found.to_json(), nl=False)
        else:
            print_comparison(found)


@app.command(epilog='Example: evalshift combine vote-of-resnets --models "resnet*"')
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

    The combination is stored on each dataset that all of its models have predictions on, in the family "combinations",
    and report shows whether it lies above or below the line: leave the family out of the line with --without
    combinations. Means need logits, which run --save-logits stores.
    """
    with complaints(combine):
        from evalshift.evaluate.combinations import combine as combine_stored

        made = combine_stored(results, name, split(models), by=by, force=force)
        for one in made.datasets:
            typer.echo(f"{one.model} on {one.dataset}: {one.top1:,} of {one.images:,} correct")


@app.command(epilog="Example: evalshift show resnet50.a1_in1k")
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
    """Show all that published testbeds say of a model.

    Prints, for each testbed that comes with evalshift, the accuracies of the model with 95 % confidence intervals, its
    ranks, its drops, and its distance from the line through the other models and through those trained on the same
    data; family, year, training data, parameters and image size where they are known. A model that was evaluated at
    several image sizes is shown at each.
    """
    with complaints(show):
        import json

        from evalshift.analysis.atlas.model_record import model_record
        from evalshift.analysis.atlas.names import find_models, same_architecture
        from evalshift.console.output import print_models
        from evalshift.testbed.registry import load_registry

        known = load_registry(registry)
        names = split(models)
        found = dict.fromkeys(one for name in names for one in find_models(name, known))
        records = [model_record(one) for one in found]
        if as_json:
            typer.echo(json.dumps([record.facts() for record in records], indent=2, ensure_ascii=False))
        else:
            print_models(records, list(dict.fromkeys(one for name in names for one in same_architecture(name))))


@app.command(epilog="Example: evalshift atlas --out atlas.html")
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

    It has a search for a model, a choice of two test sets, and the table to download. Each pair has its findings: the
    line of all models, the lines by training data, and the models significantly above or below the line. The page is
    one file that needs no network.
    """
    with complaints(atlas):
        from evalshift.analysis.atlas.page import write_atlas
        from evalshift.console.terminal import stderr

        with stderr().status("fitting lines"):
            written = write_atlas(out, split(testbeds))
        typer.echo(f"atlas: {written}")


@app.command("list", epilog='Example: evalshift list models --registry mine.yaml --filter "resnet*" --runnable')
def list_entries(
    what: Annotated[
        str,
        typer.Argument(
            metavar="models|datasets|pairs",
            autocompletion=completion.one_of("models", "datasets", "pairs"),
            help="What to list.",
        ),
    ],
    registry: RegistryOption = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="GLOB",
            autocompletion=completion.entries,
            help='Names, such as "resnet*". Comma-separated; repeatable.',
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME",
            autocompletion=completion.sources,
            help="Sources, such as timm. Comma-separated; repeatable.",
        ),
    ] = None,
    runnable: Annotated[
        bool, typer.Option("--runnable", help="Only entries that are on disk or can be downloaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """List the models, datasets or pairs of a registry.

    Shows for each dataset whether it is on disk, can be downloaded, or needs a login.
    """
    with complaints(list_entries), data_access_of(data_dir):
        from evalshift.console.listing import Choice, print_listing
        from evalshift.testbed.registry import load_registry

        choice = Choice(split(names), split(source), runnable)
        print_listing(what, load_registry(registry), choice, as_json=as_json)


@app.command(epilog="Example: evalshift fetch cifar10 cifar10.1-v6 resnet20-akamaster")
def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="Datasets and models, by name or glob.", autocompletion=completion.datasets_and_models
        ),
    ],
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Download datasets and weights for offline runs.

    Checksums are verified, and interrupted downloads are resumed. Files are stored in the folder EVALSHIFT_DATA, or in
    the user cache. The mirror EVALSHIFT_MIRROR is tried first.
    """
    with complaints(fetch, STOPPED_HALF_WAY), data_access_of(data_dir):
        from evalshift.testbed.registry import load_registry
        from evalshift.testbed.state import fetch_all, model_state, run_by_fetching
        from evalshift.testbed.trust import code_lines

        known = load_registry(registry)
        for line in code_lines(run_by_fetching(known, names)):
            typer.echo(line, err=True)
        for name, paths in fetch_all(known, names):
            where = ", ".join(map(str, paths))
            if not where and name in known.models:
                where = model_state(known.models[name]).words
            typer.echo(f"{name}: {where or 'nothing to download'}")


@app.command(epilog="Example: evalshift check --registry mine.yaml --pair cifar10:cifar10.1-v6")
def check(
    registry: RegistryOption = None,
    pair: PairOption = None,
    models: ModelsOption = None,
    device: DeviceOption = "auto",
    data: Annotated[
        bool, typer.Option("--data", help="Verify the checksum of every dataset file on disk, and decode every image.")
    ] = False,
    build: Annotated[
        bool,
        typer.Option("--build", help="Build each model without its weights; list the errors of all entries at once."),
    ] = False,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; not with --build or --data.")] = False,
) -> None:
    """Check a registry: what would run, and what is missing.

    Nothing is run or downloaded. --data verifies every file of the datasets of the given pairs, or without --pair of
    all datasets on disk. --build builds each model without its weights (a file that contains a whole network is read
    if it is on disk) and lists all errors of the registry and its entries. Exit code: 0 everything can run, 1 there
    are errors, or files are damaged or missing and cannot be downloaded, 2 the registry is invalid.
    """
    with complaints(check), data_access_of(data_dir):
        if as_json and (build or data):
            raise UsageError("`as_json` is not supported with this check", found="--json with --build or --data")
        if build or data:
            sound = not build or _check_build(registry, split(pair), split(models))
            if not (_check_data(registry, split(pair), workers) if data else True) or not sound:
                raise typer.Exit(1)
            return
        from evalshift.console.output import print_choice, print_states, states_json
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.plan import choose_models, datasets_of
        from evalshift.testbed.registry import load_registry
        from evalshift.testbed.state import dataset_state, model_state

        known = load_registry(registry)
        chosen = choose_models(known, split(pair), split(models))
        if not as_json:
            print_choice(chosen, known)
        with stderr().status("loading torch"):
            from evalshift.evaluate.devices import choose_device, describe
        described = describe(choose_device(device))
        if not as_json:
            typer.echo(f"device    {described}\n")
        names = dict.fromkeys(name for one in chosen.pairs for name in datasets_of(known, one))
        states = [("dataset", name, dataset_state(known.dataset(name))) for name in names]
        states += [("model", name, model_state(entry)) for name, entry in chosen.models.items()]
        if as_json:
            typer.echo(states_json(known, chosen, described, states))
        else:
            print_states(states)
        if not all(state.can_run for _, _, state in states):
            raise typer.Exit(1)


def _check_build(registry: Path | None, pairs: list[str], models: list[str]) -> bool:
    """Read a registry and build its models, going on after errors; whether there were none."""
    from evalshift.console.output import print_built
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.progress import counted_steps
    from evalshift.testbed.registry import read_registry

    try:
        known, errors = read_registry(registry)
    except RegistryError as error:  # not even YAML
        print_built([], [error])
        return False
    spaces = {known.dataset(name).classes for text in pairs for name in text.split(":")}
    try:
        chosen = known.select_models(models)
    except UsageError:
        if not errors:  # else the model may well be one whose entry could not be read
            raise
        chosen = {}
    names = [name for name, entry in chosen.items() if not spaces or entry.classes in spaces]
    with stderr().status("loading torch"):
        from evalshift.testbed.building import build_models
    with counted_steps(stderr(), "building", len(names)) as told:
        built = list(build_models(known, names, told))
    print_built(built, errors)
    return not errors and not any(one.error for one in built)


def _check_data(registry: Path | None, pairs: list[str], workers: int | None) -> bool:
    """Verify datasets one after another; whether all are valid."""
    from evalshift.console.output import print_verified
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.plan import datasets_of
    from evalshift.evaluate.progress import counted
    from evalshift.testbed.registry import load_registry
    from evalshift.testbed.state import dataset_state
    from evalshift.testbed.verification import verify_dataset

    known = load_registry(registry)
    named = list(dict.fromkeys(name for pair in pairs for name in datasets_of(known, known.pair(pair))))
    chosen = named or [name for name, entry in known.datasets.items() if dataset_state(entry).is_ready]
    found = {}
    for name in chosen:
        entry = known.dataset(name)
        with counted(stderr(), f"verifying {name}", None) as advance:
            space = known.class_space(entry.classes)
            found[name] = verify_dataset(name, entry, space, workers or os.cpu_count() or 1, advance)
    print_verified(found)
    return not any(one.faults for one in found.values())


@import_app.command("recht2019-cifar10", epilog="Example: evalshift import recht2019-cifar10 --results results")
def import_recht2019_cifar10(
    folder: FromOption = None, results: ResultsOption = Path("results"), force: ForceOption = False
) -> None:
    """Import released CIFAR-10 predictions.

    Recht et al. 2019 released the predictions of 30 models on each image of CIFAR-10 and of both versions of
    CIFAR-10.1. The files are downloaded once from their repository, at a fixed commit, and their checksums verified.
    Models are named as in the paper. Exit code: 0 success, 2 invalid usage or input, and nothing is stored.
    """
    _import_released("recht2019-cifar10", folder, results, force)


@import_app.command("recht2019-imagenet", epilog="Example: evalshift import recht2019-imagenet --from ImageNetV2")
def import_recht2019_imagenet(
    folder: FromOption = None,
    revisions: Annotated[
        bool,
        typer.Option("--revisions", help="The 24 released revisions of MatchedFrequency instead."),
    ] = False,
    results: ResultsOption = Path("results"),
    force: ForceOption = False,
) -> None:
    """Import released ImageNet predictions.

    Recht et al. 2019 released the top-5 predictions of 67 models on each image of ImageNet's validation set and of the
    three ImageNetV2 sets. The files are downloaded once from their repository, at a fixed commit, and compared with
    the published counts. With --revisions, these are predictions on MatchedFrequency as it was at each of 23 reviewing
    passes and in the end: datasets imagenetv2-b-1 to imagenetv2-b-33, of which `evalshift dataset revisions` draws
    figure 7. Exit code: 0 success, 2 invalid usage or input, and nothing is stored.
    """
    name = "recht2019-imagenet-revisions" if revisions else "recht2019-imagenet"
    _import_released(name, folder, results, force)


def _import_released(name: str, folder: Path | None, results: Path, force: bool) -> None:
    with complaints(import_recht2019_imagenet, STOPPED_HALF_WAY):
        from evalshift.console.output import print_import
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.importers.released import import_released

        print_import(import_released(name, results, folder, force=force, say=stderr().print), results)


@import_app.command(
    "predictions", epilog="Example: evalshift import predictions my-net.npy --model my-net --dataset cifar10.1-v6"
)
def import_predictions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An npy, npz, pt, JSON, JSON lines, CSV or Parquet file.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the model.")],
    dataset: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=completion.datasets, help="Name of the dataset.")
    ],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels, with ids or in dataset order, if none are stored.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.classes,
            help="Label space of class numbers: cifar10, imagenet-1k, or your own.",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="K",
            autocompletion=completion.one_of("auto", "top1", "topk", "logits", "probabilities"),
            help="auto, top1, topk, logits or probabilities.",
        ),
    ] = "auto",
    id_column: Annotated[
        str | None, typer.Option("--id-column", metavar="C", help="The column that identifies the images.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="C", help="The column of the predictions; top stands for top1, top2, and so on."),
    ] = None,
    first_class: Annotated[
        int | None,
        typer.Option(
            "--first-class",
            metavar="0|1",
            autocompletion=completion.one_of("0", "1"),
            parser=whole_number,
            help="Number of the first class.",
        ),
    ] = None,
    file_order: Annotated[
        bool, typer.Option("--file-order", help="Rows are in dataset order; names in the file are ignored.")
    ] = False,
    missing: Annotated[
        str,
        typer.Option(
            metavar="M",
            autocompletion=completion.one_of("marked", "incorrect", "error"),
            help="Count images as incorrect if the file marks them as without prediction (marked), also if they have "
            "no row (incorrect), or refuse the file (error).",
        ),
    ] = "marked",
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", autocompletion=completion.families, help="The model's family, shown in the report."
        ),
    ] = None,
    year: Annotated[int | None, typer.Option(metavar="N", parser=whole_number, help="The model's year.")] = None,
    registry: RegistryOption = None,
    results: ResultsOption = Path("results"),
    force: ForceOption = False,
) -> None:
    """Import the predictions of one model.

    The file has one row per image of a dataset: class numbers or names (one, or the k best), logits or probabilities.
    Rows are matched to images by a column of ids, or taken in dataset order if there is none; labels in the file must
    agree with those of the dataset. Each rule applied is printed; ambiguous files are refused. Exit code: 0 success,
    2 invalid usage or input, and nothing is stored.
    """
    with complaints(import_predictions):
        from evalshift.console.output import print_import
        from evalshift.evaluate.importers import predictions

        facts = {name: fact for name, fact in (("family", family), ("year", year)) if fact is not None}
        report = predictions.import_predictions(
            file,
            model,
            dataset,
            results,
            registry=registry,
            labels=labels,
            classes=classes,
            kind=kind,
            id_column=id_column,
            column=column,
            first_class=first_class,
            file_order=file_order,
            missing=missing,
            facts=facts,
            force=force,
        )
        print_import(report, results)


@import_app.command(
    "table", epilog="Example: evalshift import table results-imagenet.csv --column imagenet=top1 --n imagenet=50000"
)
def import_table(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A CSV, Markdown, LaTeX, JSON or Parquet table; or a folder of JSON files."
        ),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATASET=COLUMN",
            help="The top-1 column of a dataset, the original set first; repeatable. With --dataset-column, COLUMN "
            "alone.",
        ),
    ] = None,
    top5: Annotated[
        list[str] | None, typer.Option("--top5", metavar="DATASET=COLUMN", help="The top-5 column of a dataset.")
    ] = None,
    model_column: Annotated[
        str | None,
        typer.Option(
            "--model-column",
            "--model",
            metavar="C",
            help='The column of models, or several columns that identify a model together, such as "model@img_size".',
        ),
    ] = None,
    dataset_column: Annotated[
        str | None,
        typer.Option(
            "--dataset-column", metavar="C", help="The column of datasets, if there is one row per model and dataset."
        ),
    ] = None,
    dataset_name: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset-name",
            metavar="VALUE=DATASET",
            help="The dataset that a value in the table stands for; repeatable.",
        ),
    ] = None,
    percent: Annotated[bool, typer.Option("--percent", help="The numbers are percentages.")] = False,
    fraction: Annotated[bool, typer.Option("--fraction", help="The numbers are fractions between 0 and 1.")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="The numbers are counts of correct predictions.")] = False,
    error: Annotated[bool, typer.Option("--error", help="The numbers are error rates.")] = False,
    means: Annotated[
        bool, typer.Option("--means", help="The numbers are means over several runs; their counts are not exact.")
    ] = False,
    n: Annotated[
        list[str] | None,
        typer.Option("--n", metavar="DATASET=N", help="Number of images of a dataset, if unknown."),
    ] = None,
    registry: RegistryOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Import a table of accuracies or counts.

    One row per model, with a column for each dataset; a table for each dataset; or one row per model and dataset.
    Accuracies are converted to counts of images, or refused. Statistics that need per-image predictions leave these
    models out, and the report says so. Exit code: 0 success, 2 invalid usage or input, and nothing is stored.
    """
    with complaints(import_table):
        from evalshift.console.output import print_import
        from evalshift.evaluate.importers import tables

        report = tables.import_table(
            file,
            tables.parse_columns(column or (), "--column"),
            results,
            top5=tables.parse_assignments(top5 or (), "--top5"),
            model_column=model_column,
            dataset_column=dataset_column,
            dataset_names=tables.parse_assignments(dataset_name or (), "--dataset-name", "VALUE"),
            scale=_one_of("a table has one scale", auto=False, percent=percent, fraction=fraction, counts=counts),
            error=error,
            means=means,
            sizes={name: _size(text) for name, text in tables.parse_assignments(n or (), "--n").items()},
            registry=registry,
        )
        print_import(report, results)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f'"{text}" is not a number of images', expected="--n DATASET=N, such as --n imagenet=50000")
    return int(text)


@cache_app.command("list", epilog="Example: evalshift cache list --json")
def cache_list(
    cache_dir: CacheDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object per file.")] = False,
) -> None:
    """List the decoded images on disk: dataset, size, and time of last use.

    The least recently used come first: they are the first to be removed to make room for others.
    """
    with complaints(cache_list):
        from evalshift.console.output import print_cache
        from evalshift.evaluate.decode_cache import DecodeCache

        print_cache(DecodeCache(cache_dir), as_json)


@cache_app.command("clear", epilog="Example: evalshift cache clear imagenet")
def cache_clear(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="Datasets, by name. [default: all]"),
    ] = None,
    cache_dir: CacheDirOption = None,
) -> None:
    """Remove decoded images from disk. They are decoded again when a run needs them."""
    with complaints(cache_clear):
        from rich.filesize import decimal

        from evalshift.evaluate.decode_cache import DecodeCache

        cache = DecodeCache(cache_dir)
        removed = cache.clear(split(datasets))
        files = f"{len(removed):,} file{'' if len(removed) == 1 else 's'}"
        typer.echo(f"removed   {files}, {decimal(sum(entry.bytes for entry in removed))}, from {cache.folder}")


def _none_or_listed(values: list[str] | None) -> list[str] | None:
    """The names given; none of them where the word none was, and None where nothing was."""
    return None if values is None else [name for name in split(values) if name != "none"]


def _labels(texts: list[str] | None) -> dict[str, str]:
    """NAME=TEXT, each, as a mapping; the first equals sign parts them."""
    labels = {}
    for one in texts or ():
        name, equals, text = one.partition("=")
        if not (name and equals and text):
            raise UsageError("this is not a label (`label`)", found=f'"{one}"', expected="NAME=TEXT")
        labels[name] = text
    return labels


def _corrected(texts: list[str] | None) -> dict[str, str | Path]:
    """DATASET=FILE, each, as a mapping."""
    files: dict[str, str | Path] = {}
    for one in texts or ():
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise UsageError(
                "this names no dataset and file (`corrected_labels`)", found=f'"{one}"', expected="DATASET=FILE"
            )
        files[name] = path
    return files


def _two_numbers(name: str, text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"`{name}` is a range", found=f'"{text}"', expected="LOW,HIGH, such as 60,100") from None
    return low, high


def _batch_size(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _refuse_two_sources(results: Path | None, published: str | None) -> None:
    if results is not None and published is not None:
        raise UsageError(
            "both stored results and a published testbed were given",
            found=f"--results {results} --published {published}",
            expected="one of them",
        )


def _one_of(problem: str, **flags: bool) -> str:
    chosen = [name for name, wanted in flags.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(problem, found=" ".join(f"--{name}" for name in chosen), expected="one of them")
    return chosen[0] if chosen else next(iter(flags))
