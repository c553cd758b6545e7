"""`evalshift figure`: one figure, drawn as a paper wants it."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import (
    AccuracyOption,
    BootstrapOption,
    BootstrapSeedOption,
    ColorByOption,
    HighlightOption,
    LinearOption,
    LogitOption,
    PairOption,
    ProbitOption,
    ReportedModelsOption,
    ScaleOption,
    SizeOption,
    StoredOption,
    WithoutOption,
)
from evalshift.commands.shared import (
    complaints,
    none_or_listed,
    one_of,
    processes_for_figures,
    refuse_two_sources,
    split,
)
from evalshift.console import completion
from evalshift.errors import UsageError

# As in analysis.plot_data.scopes, which takes a moment to import.
_FIGURES = (
    *("agreement", "classes", "decomposition", "grid", "ranks", "reliability", "risk_coverage", "robustness"),
    *("scales", "scatter"),
)


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
    results: StoredOption = None,
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
    models: ReportedModelsOption = None,
    highlight: HighlightOption = None,
    without: WithoutOption = None,
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
    bootstrap: BootstrapOption = 100_000,
    seed: BootstrapSeedOption = 0,
) -> None:
    """Draw a single figure, and compute nothing else.

    Text is 8 points at the width of the figure, and fonts are embedded. By default a figure is as wide as one column
    of a paper, or as the page if it has several panels.
    """
    with complaints(figure), processes_for_figures(out.suffix.removeprefix("."), most=1):
        from evalshift.analysis.report import report as make_report
        from evalshift.console.terminal import stderr

        chosen = one_of("a figure has one scale", auto=False, linear=linear, probit=probit, logit=logit)
        refuse_two_sources(results, published)
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
                without=none_or_listed(without),
                against=against,
                models=split(models) or None,
                highlight=none_or_listed(highlight),
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


def _labels(texts: list[str] | None) -> dict[str, str]:
    """NAME=TEXT, each, as a mapping; the first equals sign parts them."""
    labels = {}
    for one in texts or ():
        name, equals, text = one.partition("=")
        if not (name and equals and text):
            raise UsageError("this is not a label (`label`)", found=f'"{one}"', expected="NAME=TEXT")
        labels[name] = text
    return labels


def _two_numbers(name: str, text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"`{name}` is a range", found=f'"{text}"', expected="LOW,HIGH, such as 60,100") from None
    return low, high
