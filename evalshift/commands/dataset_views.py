"""`evalshift dataset stats`, `groups`, `compare`, `show` and `revisions`: look at test sets."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalshift.commands.dataset_shared import counted_images, load_all, threads_of
from evalshift.commands.options import (
    AccuracyOption,
    DataDirOption,
    ModelsOption,
    RegistryOption,
    ResultsOption,
    SizeOption,
    WorkersOption,
)
from evalshift.commands.shared import complaints, data_access_of, split, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from evalshift.testbed.datasets import Dataset


def dataset_stats(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="[B]", autocompletion=completion.datasets, help="Another dataset, for comparison."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder for the figure and the histograms.")] = Path(),
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            autocompletion=completion.several_of("png", "pdf", "svg", "csv"),
            help="Any of png, pdf, svg, csv.",
        ),
    ] = "png,pdf,svg,csv",
    size: SizeOption = None,
    registry: RegistryOption = None,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show intensity means, standard deviations and histograms.

    For one or two datasets, prints the mean and standard deviation of each channel, on the scale of `preprocess`, and
    draws histograms of the intensities. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_stats), data_access_of(data_dir):
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.report import check_formats
        from evalshift.console.pixel_statistics import print_stats, write_stats
        from evalshift.testbed.pixels import pixel_statistics
        from evalshift.testbed.registry_reading import load_registry

        wanted = check_formats(formats, ("png", "pdf", "svg", "csv"), "pixel statistics are")
        drawn_for = None if size is None else find_size(size)
        known, found = load_registry(registry), []
        for dataset in load_all(known, *dict.fromkeys((one, other))):
            with counted_images(dataset.name, len(dataset)) as advance:
                found.append(pixel_statistics(dataset, threads_of(workers), advance))
        print_stats(found, write_stats(found, out, wanted, drawn_for))


def dataset_groups(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="A dataset in the results folder."),
    ],
    results: ResultsOption = Path("results"),
    metric: AccuracyOption = "top1",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder for the tables as CSV and Markdown.")
    ] = None,
) -> None:
    """Report accuracy by group of images, and the worst groups.

    Groups are the values of the images' attributes: further columns of a list or of imported labels, or of the table
    given by `attributes:` in the registry. Models whose names differ only in a seed at the end (erm-seed0, erm-seed1)
    are averaged. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_groups):
        from evalshift.analysis.summary.set_groups import set_groups
        from evalshift.console.statistic_tables import print_statistics, write_statistics
        from evalshift.evaluate.store import Results

        tables, notes = set_groups(Results(results), dataset, metric)
        print_statistics({name: table for name, table in tables.items() if name != "groups" or len(table.frame) <= 40})
        for note in notes:
            typer.echo(f"note: {note}")
        if out is not None:
            write_statistics(tables, out)


def dataset_compare(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[str, typer.Argument(metavar="B", autocompletion=completion.datasets, help="Another dataset.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder for the tables as CSV and Markdown.")
    ] = None,
    registry: RegistryOption = None,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Compare two datasets: classes, sizes, files, shared images.

    Prints the number of images of A that are in B with equal pixels; widths, heights, formats and JPEG qualities; means
    and standard deviations of intensities; and images per class and per value of each attribute that both sets have,
    with a test of equal shares. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_compare), data_access_of(data_dir):
        from evalshift.analysis.summary.dataset_comparison import balance_tables, files_table
        from evalshift.console import datasets as printed
        from evalshift.console.pixel_statistics import print_stats
        from evalshift.console.statistic_tables import print_statistics, write_statistics
        from evalshift.testbed.duplicates import equal_images
        from evalshift.testbed.file_facts import file_facts
        from evalshift.testbed.pixel_arrays import pixel_hashes
        from evalshift.testbed.pixels import pixel_statistics
        from evalshift.testbed.registry_reading import load_registry

        known, threads = load_registry(registry), threads_of(workers)
        first, second = load_all(known, one, other)
        hashes, facts, intensities = [], [], []
        for dataset in (first, second):
            with counted_images(dataset.name, 3 * len(dataset)) as advance:
                facts.append(file_facts(dataset, threads, advance))
                hashes.append(pixel_hashes(dataset, threads, advance))
                intensities.append(pixel_statistics(dataset, threads, advance))
        printed.print_equal(equal_images(*hashes), first, second)
        printed.print_frame(files_table((first.name, second.name), (facts[0], facts[1])))
        typer.echo()
        print_stats(intensities, [])
        tables = balance_tables(first, second)
        for name, table in tables.items():
            print_statistics({name: table})
            typer.echo(table.note)
        if out is not None:
            write_statistics(tables, out)


def dataset_show(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="[B]", autocompletion=completion.datasets, help="Another dataset, shown next to it."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Images per class and dataset.")
    ] = 10,
    classes: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Classes to show. Comma-separated; repeatable.")
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Seed of the random choice of images.")
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Frame images by this model's stored predictions.",
            autocompletion=completion.stored_models,
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="top1|top5",
            autocompletion=completion.one_of("top1", "top5"),
            help="What counts as correct for --model.",
        ),
    ] = "top1",
    ranks: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            help="Show the classes with these ranks by the accuracy of --model on A, 1 for the "
            "best. Comma-separated; repeatable.",
        ),
    ] = None,
    same: Annotated[
        bool,
        typer.Option(
            "--same", help="Show the same images of A and B, matched by class and name, or by position in arrays."
        ),
    ] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filters",
            metavar="F",
            help="Instead of B, show A downsampled by these filters, such as box or nearest; all for all six. "
            "Comma-separated; repeatable.",
        ),
    ] = None,
    pixels: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Pixels per side of the images made by --filters.")
    ] = 32,
    results: ResultsOption = Path("results"),
    size: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, min=8, help="Pixels per image, in PNG and PDF.")
    ] = 64,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            autocompletion=completion.several_of("png", "pdf", "html"),
            help="Any of png, pdf, html.",
        ),
    ] = "png,html",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path(),
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Draw a contact sheet of one dataset, or of two side by side.

    Shows a few images of each class, chosen at random; the same seed chooses the same ones. With --model, images that
    the model classifies correctly are framed in blue, others in orange. With --same, B shows the same images as A, such
    as the output of `downsample` or `corrupt`; with --filters, each image is shown next to its downsampled versions.
    Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_show), data_access_of(data_dir):
        from evalshift.analysis.report import check_formats
        from evalshift.console.datasets import print_written
        from evalshift.files import file_name
        from evalshift.image_pages.contact_sheet import (
            choose_images,
            filtered,
            paired,
            ranked_classes,
            same_images,
            write_sheets,
        )
        from evalshift.testbed.downsampling import FILTERS
        from evalshift.testbed.registry_reading import load_registry

        wanted = check_formats(formats, ("png", "pdf", "html"), "contact sheets are")
        known = load_registry(registry)
        datasets = load_all(known, one, other)
        by_filters = FILTERS if split(filters) == ["all"] else split(filters)
        if by_filters and other is not None:
            raise UsageError("a sheet shows B or what `filters` make of A, not both", found=other)
        if same and other is None:
            raise UsageError("the same images (`same`) are shown of two datasets", found=one)
        correct = None if model is None else [_correct_of(results, dataset, model, metric) for dataset in datasets]
        named, said = split(classes), {}
        if ranks:
            if correct is None or named:
                raise UsageError("`ranks` of classes take a model (`model`), and no `classes`")
            named, said = ranked_classes(datasets[0], correct[0], [whole_number(rank) for rank in split(ranks)])
        if same:
            shared = same_images(*datasets)
            datasets = [one.only(places) for one, places in zip(datasets, shared, strict=True)]
            sides = [None, None] if correct is None else correct
            ours, theirs = (None if one is None else one[places] for one, places in zip(sides, shared, strict=True))
            chosen = choose_images(datasets[:1], per_class, seed, named, [ours])
            chosen = paired(chosen, datasets[1], theirs)
        else:
            chosen = choose_images(datasets, per_class, seed, named, correct)
        chosen = replace(filtered(chosen, by_filters, pixels) if by_filters else chosen, said=said)
        stem = out / (file_name("_and_".join(dataset.name for dataset in datasets)) + "_sheet")
        print_written(write_sheets(chosen, stem, wanted, size))


def _correct_of(results: Path, dataset: "Dataset", model: str, metric: str) -> "np.ndarray":
    """The images that a model classifies correctly, by its stored predictions; in the order of the dataset."""
    import numpy as np

    from evalshift.evaluate.store import Results

    if metric not in ("top1", "top5"):
        raise UsageError("unknown `metric`", found=f'"{metric}"', expected="top1 or top5")
    stored = Results(results)
    if dataset.name not in stored.datasets() or model not in stored.models(dataset.name):
        raise UsageError(
            f"there are no predictions of {model} on {dataset.name}",
            where=results,
            fix="run the model on the dataset first",
        )
    images, predictions = stored.load_dataset(dataset.name), stored.load_predictions(dataset.name, model)
    if tuple(images.ids) != dataset.ids:
        raise UsageError("the stored predictions are of other images", where=f"{results}, {dataset.name}")
    truth = images.truth
    counted = predictions.top[:, : 1 if metric == "top1" else 5, None]
    return np.asarray((counted == truth.reshape(len(truth), 1, -1)).any(axis=(1, 2)))


def dataset_revisions(
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help="Prefix of the revisions' names, before the number.")
    ] = "imagenetv2-b-",
    models: ModelsOption = None,
    results: ResultsOption = Path("results"),
    metric: AccuracyOption = "top1",
    reviews: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="data/dataset_reviews of a checkout of ImageNetV2; adds shares of classes and "
            "images that were reviewed.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder for the figure and the table.")] = None,
    size: SizeOption = None,
) -> None:
    """Show accuracy by revision of a test set.

    Prints and draws the accuracy of each model on each stored revision (figure 7 of Recht et al. 2019), which shows
    whether reviewing a test set made it easier or harder. If images have names, it also prints how many of each
    revision are in the last one. First import the released revisions of MatchedFrequency with
    `evalshift import recht2019-imagenet --revisions`. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_revisions):
        from evalshift.analysis.figures import revisions_figure, save
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.summary.set_series import series_of, set_series
        from evalshift.console.datasets import print_written
        from evalshift.console.statistic_tables import print_statistics, write_statistics
        from evalshift.evaluate.importers.releases.reviews import read_reviews
        from evalshift.evaluate.store import Results
        from evalshift.testbed.classes import built_in

        drawn_for = None if size is None else find_size(size)
        stored = Results(results)
        series = series_of(stored, prefix)
        found = None if reviews is None else read_reviews(reviews, series, built_in("imagenet-1k"))
        table = set_series(stored, series, metric, split(models), reviews=found)
        print_statistics({table.name: table})
        typer.echo(table.words)
        if out is not None:
            write_statistics({table.name: table}, out)
            print_written(save(revisions_figure(table.frame, drawn_for), out / "revisions", ["png", "pdf", "svg"]))
