"""`evalshift report` and `evalshift view`: what stored or published predictions say."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import (
    BootstrapOption,
    BootstrapSeedOption,
    ColorByOption,
    HighlightOption,
    LinearOption,
    LogitOption,
    PairOption,
    ProbitOption,
    ReportedModelsOption,
    ResultsOption,
    ScaleOption,
    SizeOption,
    StoredOption,
    TitlesOption,
    WithoutOption,
)
from evalshift.commands.shared import (
    complaints,
    none_or_listed,
    one_of,
    processes_for_figures,
    refuse_two_sources,
    split,
    whole_number,
)
from evalshift.console import completion
from evalshift.errors import UsageError
from evalshift.publishing import inert_text


def report(
    results: StoredOption = None,
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
    without: WithoutOption = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.published,
            help="Compare each model with the line of a published testbed, such as recht2019 or timm.",
        ),
    ] = None,
    models: ReportedModelsOption = None,
    highlight: HighlightOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=completion.models,
            help="Reference model, whose errors normalise corruption errors. [default: alexnet if it has results; on "
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
            help="Corrected labels of a dataset, one or several per image, such as imagenet=real.json; adds "
            "accuracies and ranks by these labels. Repeatable.",
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
    bootstrap: BootstrapOption = 100_000,
    seed: BootstrapSeedOption = 0,
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
            help="Write the report to a subfolder of DIR instead, for a static site such as "
            "GitHub Pages, with an index "
            "of all its reports and preview images. The subfolder is named after --out, or after the results folder.",
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
    with complaints(report), processes_for_figures(formats):
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.report import check_formats
        from evalshift.analysis.report import report as make_report
        from evalshift.analysis.tables.of_accuracies import check_columns
        from evalshift.console.findings import print_findings
        from evalshift.console.terminal import stderr

        scale = one_of("a report has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        as_json = formats.strip().lower() == "json"
        if not as_json:
            check_formats(formats)  # before the work, not after it
        check_columns(split(columns))
        if size is not None:
            find_size(size)
        refuse_two_sources(results, published)
        name = published or (results or Path("results")).resolve().name
        if publish is not None:
            from evalshift.analysis.report.publication import check_name

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
                without=none_or_listed(without),
                against=against,
                registry=registry,
                models=split(models) or None,
                highlight=none_or_listed(highlight),
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
                from evalshift.analysis.report.publication import publish as publish_report

                written = publish_report(made, publish, name, url, **kept)
        print_findings(made.summary, written)


def view(
    results: ResultsOption = Path("results"),
    pair: PairOption = None,
    registry: TitlesOption = None,
    models: ReportedModelsOption = None,
    highlight: HighlightOption = None,
    port: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Port on 127.0.0.1; 0 for any that is free.")
    ] = 0,
) -> None:
    """Show the report in a browser, and update it during a run.

    Serves the page of a results folder on this machine only (127.0.0.1), with images from the datasets on disk, until
    Ctrl-C. evalshift report writes the same page as a single file to share.
    """
    with complaints(view, stopped="stopped; the results are as they were"):
        from evalshift.console.view import serve

        choices = {"pairs": split(pair) or None, "models": split(models) or None}
        choices |= {"highlight": none_or_listed(highlight), "registry": registry}
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
