"""`evalshift dataset classes`: accuracy by class on one dataset."""

from pathlib import Path
from typing import Annotated

import typer

from evalshift.commands.options import ModelsOption, ResultsOption, SizeOption
from evalshift.commands.shared import complaints, split
from evalshift.console import completion


def dataset_classes(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="A dataset in the results folder."),
    ],
    models: ModelsOption = None,
    results: ResultsOption = Path("results"),
    metric: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            autocompletion=completion.several_of("top1", "top5"),
            help="top1, top5 or both. Comma-separated.",
        ),
    ] = "top1,top5",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder for the figure and the table.")] = None,
    size: SizeOption = None,
) -> None:
    """Rank the classes of a dataset by each model's accuracy.

    Prints the classes that each model classifies best, worst and in between, and draws the accuracy of all classes in
    order (figure 6 of Chrabaszcz et al. 2017). Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_classes):
        from evalshift.analysis.figures import class_curves_figure, save
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.summary.set_classes import set_classes
        from evalshift.console.datasets import print_written
        from evalshift.console.statistic_tables import print_statistics, write_statistics
        from evalshift.evaluate.store import Results

        drawn_for = None if size is None else find_size(size)
        table = set_classes(Results(results), dataset, split(models), split([metric]))
        print_statistics({table.name: table})
        if out is not None:
            write_statistics({table.name: table}, out)
            print_written(
                save(class_curves_figure(table.frame, drawn_for), out / "class_accuracy", ["png", "pdf", "svg"])
            )
