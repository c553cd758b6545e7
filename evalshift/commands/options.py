"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, no_type_check

import typer

from evalshift.commands.shared import complaints, whole_number
from evalshift.console import completion
from evalshift.near_names import near_match


@no_type_check  # the context that typer gives is of another class than the one that it has callbacks ask for
def _use_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Let a file of options stand for those that are not given; called before any of them is read."""
    if path is not None and not ctx.resilient_parsing:
        with complaints(ctx.command.callback):
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

ProbitOption = Annotated[bool, typer.Option("--probit", help="Fit the line to Φ⁻¹(accuracy).")]

LogitOption = Annotated[bool, typer.Option("--logit", help="Fit the line to the log-odds of accuracy.")]

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
        help="Color models in the scatter plot by this field of the registry, with a line per group and a test "
        "of equal slopes. [default: none; on the page, family without lines]",
    ),
]

CacheDirOption = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="Folder for decoded images. [default: EVALSHIFT_CACHE, else inside the folder for downloads]",
    ),
]
RegistryOption = Annotated[
    Path | None,
    typer.Option("--registry", metavar="FILE", help="Registry. [default: ./registry.yaml, else the packaged one]"),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        metavar="GLOB",
        help='Models, such as "resnet*". Comma-separated; repeatable.',
        autocompletion=completion.models,
    ),
]
ReportedModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        metavar="GLOB",
        help='These models only, such as "resnet*". Comma-separated; repeatable.',
        autocompletion=completion.stored_models,
    ),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FAMILY",
        autocompletion=completion.families,
        help="Family to leave out of the line fits; a report's second figure includes it. Comma-separated; repeatable. "
        "[default: none; for a published testbed or release, the families that its publication leaves out]",
    ),
]
BootstrapOption = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Resamples of the models.")]
BootstrapSeedOption = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the bootstrap.")]
StoredOption = Annotated[
    Path | None, typer.Option("--results", metavar="DIR", help="Folder of stored predictions. [default: results]")
]
ResultsOption = Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of stored predictions.")]
AccuracyOption = Annotated[
    str,
    typer.Option(
        "--metric",
        metavar="top1|top5",
        autocompletion=completion.one_of("top1", "top5"),
        help="Which accuracy.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="D",
        help="auto, cpu, cuda, cuda:1 or mps; auto uses a GPU if there is one.",
        autocompletion=completion.one_of("auto", "cpu", "cuda", "mps"),
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="column|page|slide",
        autocompletion=completion.one_of("column", "page", "slide"),
        help="Size of figures: one column of a paper (3.4 in wide), the full page width (7 in), or a slide (10 in, "
        "large text). [default: column; page for several panels]",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder for downloads. [default: EVALSHIFT_DATA, else the user cache]"
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole_number, help="Threads that decode images. [default: one per core]"),
]
