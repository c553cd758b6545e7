"""`evalshift import`: predictions and accuracies that were made elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import RegistryOption, ResultsOption
from evalshift.commands.shared import STOPPED_HALF_WAY, complaints, one_of, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError

import_app = typer.Typer(
    help="Import existing predictions, or tables of accuracies.",
    epilog="Example: evalshift import recht2019-cifar10 && evalshift report --probit",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="DIR", help="Read a checkout of the authors' repository, or just its predictions, from disk."
    ),
]

ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite predictions from a run.")]


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
        from evalshift.console.imported import print_import
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
        from evalshift.console.imported import print_import
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
        from evalshift.console.imported import print_import
        from evalshift.evaluate.importers import tables

        report = tables.import_table(
            file,
            tables.parse_columns(column or (), "--column"),
            results,
            top5=tables.parse_assignments(top5 or (), "--top5"),
            model_column=model_column,
            dataset_column=dataset_column,
            dataset_names=tables.parse_assignments(dataset_name or (), "--dataset-name", "VALUE"),
            scale=one_of("a table has one scale", auto=False, percent=percent, fraction=fraction, counts=counts),
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
