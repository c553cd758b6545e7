"""The command line: parse, call, print. What a command does stands in the rooms below."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalshift.errors import EvalshiftError, UsageError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

# rich, torch, pandas and the rest are imported by the command that needs them: `evalshift --help` answers at once.

app = typer.Typer(
    help="How far image classifiers fall from a test set to its replication, how sure that is, and why.",
    epilog="Begin with: evalshift run && evalshift report --probit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    rich_markup_mode=None,
)

RegistryOption = Annotated[
    Path | None,
    typer.Option("--registry", metavar="FILE", help="Registry. [default: ./registry.yaml, else the packaged one]"),
]
PairOption = Annotated[
    list[str] | None,
    typer.Option("--pair", metavar="A:B", help="Original and new test set. Repeat it, or put commas between."),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="GLOB", help='Models, such as "resnet*". Repeat it, or put commas between.'),
]
ResultsOption = Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of stored predictions.")]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="D", help="auto, cpu, cuda, cuda:1 or mps; auto takes a GPU where one is.")
]


def main() -> None:
    """The entry point of the `evalshift` command."""
    app()


@app.command(epilog='Example: evalshift run --registry mine.yaml --pair cifar10:cifar10.1-v6 --models "resnet*"')
def run(
    registry: RegistryOption = None,
    pair: PairOption = None,
    models: ModelsOption = None,
    results: ResultsOption = Path("results"),
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(metavar="P", help="fp32, tf32, bf16 or fp16.")] = "fp32",
    batch_size: Annotated[
        str, typer.Option(metavar="auto|N", help="Images a batch; auto searches for what is quickest here.")
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Threads that decode image files. [default: one a processor]")
    ] = None,
    save_logits: Annotated[bool, typer.Option("--save-logits", help="Keep all logits too, as float16.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is stored and still valid.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and why; run nothing.")] = False,
) -> None:
    """Run models on the original and the new test set, and store what each answered.

    What is stored already and still valid is skipped. Without a registry and a pair, the models that come with
    evalshift run on the embedded pair, which needs no download. Exit code: 0 done, 1 some models failed, 2 wrong
    usage or input.
    """
    with _complaints():
        from evalshift.evaluate.run import run as run_models

        console = _console()
        if dry_run:
            _dry_run(console, registry, _split(pair), _split(models), results, precision, save_logits, force)
            return
        stored = run_models(
            registry,
            _split(pair),
            _split(models),
            results,
            device=device,
            precision=precision,
            batch_size=_batch_size(batch_size),
            workers=workers,
            save_logits=save_logits,
            force=force,
            console=console,
        )
        if stored.failures:
            _say_failures(console, stored.failures, results)
            raise typer.Exit(1)
        console.print(f"results   {results}")


def _dry_run(
    console: "Console",
    registry: Path | None,
    pairs: list[str],
    models: list[str],
    results: Path,
    precision: str,
    save_logits: bool,
    force: bool,
) -> None:
    from evalshift.evaluate.plan import make_plan, stored_fingerprint
    from evalshift.evaluate.run import say_plan
    from evalshift.evaluate.store import Results
    from evalshift.testbed.registry import load_registry

    known, store = load_registry(registry), Results(results)
    plan = make_plan(
        known,
        store,
        pairs=pairs,
        models=models,
        precision=precision,
        save_logits=save_logits,
        force=force,
        fingerprint=lambda name: stored_fingerprint(known, store, name),
    )
    say_plan(plan, known, store, console)
    if plan.jobs:
        rows = [(job.model, job.dataset, job.reason) for job in plan.jobs]
        _print_table(("model", "dataset", "why"), rows)


def _say_failures(console: "Console", failures: Any, results: Path) -> None:
    console.print(f"\n{len(failures)} failed; all else is in {results}:", style="bold red")
    for failure in failures:
        on = f" on {failure.dataset}" if failure.dataset else ""
        console.print(f"  {failure.model}{on}: {failure.error.splitlines()[0]}")


@app.command(epilog="Example: evalshift report --probit --pair cifar10:cifar10.1-v6 --out report")
def report(
    results: ResultsOption = Path("results"),
    pair: PairOption = None,
    linear: Annotated[bool, typer.Option("--linear", help="Fit the line to accuracies. [default]")] = False,
    probit: Annotated[bool, typer.Option("--probit", help="Fit it to Φ⁻¹(accuracy).")] = False,
    logit: Annotated[bool, typer.Option("--logit", help="Fit it to the log-odds of accuracy.")] = False,
    metric: Annotated[str, typer.Option(metavar="top1|top5", help="Which accuracy comes first.")] = "top1",
    bootstrap: Annotated[int, typer.Option(metavar="N", help="Resamples of the models.")] = 100_000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the bootstrap.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")] = Path("report"),
    formats: Annotated[
        str, typer.Option("--format", metavar="LIST", help="Of html, png, pdf, svg, csv, md, tex.")
    ] = "html,png,pdf,csv,md,tex",
) -> None:
    """Turn stored predictions into intervals, ranks, a fitted line, figures, tables and a page.

    Works on a results folder alone: no images, no GPU, no torch.
    """
    with _complaints():
        from evalshift.analysis.report import report as make_report

        scale = _one_of(linear=linear, probit=probit, logit=logit)
        made = make_report(
            results, pairs=_split(pair) or None, scale=scale, metric=metric, resamples=bootstrap, seed=seed
        )
        written = made.save(out, formats)
        console = _console(stderr=False)
        for summary in made.summary.pairs:
            console.print(summary.name, style="bold")
            for sentence in summary.metrics[metric].headline(scale):
                console.print(f"  {sentence}")
            for note in summary.notes:
                console.print(f"  note: {note}", style="yellow")
        for note in made.summary.notes:
            console.print(f"note: {note}", style="yellow")
        console.print(f"page: {written.resolve()}")


@app.command("list", epilog="Example: evalshift list models --registry mine.yaml")
def list_entries(
    what: Annotated[str, typer.Argument(metavar="models|datasets|pairs", help="What to list.")],
    registry: RegistryOption = None,
) -> None:
    """List what a registry names: models, datasets or pairs."""
    with _complaints():
        kinds = {"models": _list_models, "datasets": _list_datasets, "pairs": _list_pairs}
        if what not in kinds:
            raise UsageError(f'"{what}" cannot be listed', expected=", ".join(kinds), remedy=did_you_mean(what, kinds))
        from evalshift.testbed.registry import load_registry

        kinds[what](load_registry(registry))


def _list_models(registry: Any) -> None:
    rows = [
        (
            name,
            entry.classes,
            entry.family or "",
            str(entry.year or ""),
            ", ".join(f"{dataset} {100 * accuracy:.1f} %" for dataset, accuracy in entry.expected.items()),
            entry.source,
        )
        for name, entry in registry.models.items()
    ]
    _print_table(("model", "classes", "family", "year", "expected", "source"), rows)


def _list_datasets(registry: Any) -> None:
    from evalshift.testbed.state import dataset_state

    rows = [
        (name, entry.classes, dataset_state(entry).words, entry.note or "") for name, entry in registry.datasets.items()
    ]
    _print_table(("dataset", "classes", "state", "what it is"), rows)


def _list_pairs(registry: Any) -> None:
    rows = []
    for pair in registry.pairs:
        classes = registry.dataset(pair.original).classes
        rows.append((str(pair), classes, str(sum(model.classes == classes for model in registry.models.values()))))
    _print_table(("pair", "classes", "models"), rows)


@app.command(epilog="Example: evalshift fetch cifar10 cifar10.1-v6 resnet20-akamaster")
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Datasets, and models by name or glob.")],
    registry: RegistryOption = None,
) -> None:
    """Download datasets and weights now, hashed and resumed, so that a later run needs no network.

    Files go to the folder that EVALSHIFT_DATA names, or to the user's cache. EVALSHIFT_MIRROR is tried first.
    """
    with _complaints():
        from evalshift.testbed.registry import load_registry
        from evalshift.testbed.state import fetch_all

        console = _console(stderr=False)
        for name, paths in fetch_all(load_registry(registry), names):
            where = ", ".join(str(path) for path in paths) or "nothing to download"
            console.print(f"{name}: {where}")


@app.command(epilog="Example: evalshift check --registry mine.yaml --pair cifar10:cifar10.1-v6")
def check(
    registry: RegistryOption = None,
    pair: PairOption = None,
    models: ModelsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Validate a registry; say what would run, what is missing, and on which device. Nothing is run or downloaded.

    Exit code: 0 all can run, 1 something is missing that no download brings, 2 the registry is wrong.
    """
    with _complaints():
        from evalshift.evaluate.plan import choose_models
        from evalshift.testbed.registry import load_registry
        from evalshift.testbed.state import dataset_state, model_state

        known = load_registry(registry)
        pairs, fitting, unfit = choose_models(known, _split(pair), _split(models))
        console = _console(stderr=False)
        console.print(f"registry  {known.path}: {len(known.models)} models, {len(known.datasets)} datasets")
        console.print(f"pairs     {', '.join(map(str, pairs))}")
        names = dict.fromkeys(name for one in pairs for name in (one.original, one.new))
        states = [("dataset", name, dataset_state(known.dataset(name))) for name in names]
        states += [("model", name, model_state(entry)) for name, entry in fitting.items()]
        _print_table(("", "name", "state", "from"), [(kind, name, it.words, it.source) for kind, name, it in states])
        if unfit:
            console.print(f"{len(unfit)} models of other classes are left out")
        with console.status("loading torch"):
            from evalshift.evaluate.devices import choose_device, describe
        console.print(f"device    {describe(choose_device(device))}")
        missing = [name for _, name, state in states if not state.can_run]
        if missing:
            console.print(f"missing   {', '.join(missing)}", style="red")
            raise typer.Exit(1)
        console.print("all can run")


@contextmanager
def _complaints() -> Iterator[None]:
    """Complaints as text and an exit code, never as a traceback."""
    try:
        yield
    except EvalshiftError as error:
        typer.echo(f"evalshift: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("\nevalshift: stopped; what was finished is kept, and the same command goes on from there", err=True)
        raise typer.Exit(130) from None


def _console(stderr: bool = True) -> "Console":
    """Progress and complaints go to stderr, answers to stdout."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Where no one watches, a table is as wide as its content: a log or a pipe cuts nothing off.
    return Console(file=stream, width=None if stream.isatty() else 200, highlight=False, markup=False, soft_wrap=True)


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _console(stderr=False).print(table)


def _split(values: list[str] | None) -> list[str]:
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def _batch_size(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _one_of(**flags: bool) -> str:
    chosen = [name for name, wanted in flags.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(
            "a report has one scale", found=" ".join(f"--{name}" for name in chosen), expected="one of them"
        )
    return chosen[0] if chosen else next(iter(flags))
