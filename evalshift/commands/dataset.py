"""`evalshift dataset`: build test sets, look at them, and compare two."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from evalshift.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from evalshift.testbed.datasets import Dataset
    from evalshift.testbed.duplicates import Decisions
    from evalshift.testbed.models import Classifier
    from evalshift.testbed.registry import Registry

# Images on the review page.
_REVIEWED = 300

dataset_app = typer.Typer(
    help="Build and examine test sets: duplicates, samples, pixels, groups.",
    epilog="Example: evalshift dataset stats cinic10-cifar cinic10-imagenet",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dataset_app.command("stats", epilog="Example: evalshift dataset stats cinic10-cifar cinic10-imagenet --out figures")
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
    """Compute means, standard deviations and intensity histograms of one or two datasets.

    Prints the mean and standard deviation of each channel, on the scale of `preprocess`, and draws histograms of the
    intensities. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_stats), data_access_of(data_dir):
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.report import check_formats
        from evalshift.console.output import print_stats, write_stats
        from evalshift.testbed.pixels import pixel_statistics
        from evalshift.testbed.registry import load_registry

        wanted = check_formats(formats, ("png", "pdf", "svg", "csv"), "pixel statistics are")
        drawn_for = None if size is None else find_size(size)
        known, found = load_registry(registry), []
        for dataset in [_load(known, name) for name in dict.fromkeys(filter(None, (one, other)))]:
            with _counted(dataset.name, len(dataset)) as advance:
                found.append(pixel_statistics(dataset, _threads(workers), advance))
        print_stats(found, write_stats(found, out, wanted, drawn_for))


@dataset_app.command("groups", epilog="Example: evalshift dataset groups waterbirds --results results --out groups")
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
    """Report accuracy by group of images, and each model's worst group.

    Groups are the values of the images' attributes: further columns of a list or of imported labels, or of the table
    that `attributes:` names in the registry. Models whose names end in a seed (erm-seed0, erm-seed1) are averaged.
    Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_groups):
        from evalshift.analysis.summary.set_groups import set_groups
        from evalshift.console.output import print_statistics, write_statistics
        from evalshift.evaluate.store import Results

        tables, notes = set_groups(Results(results), dataset, metric)
        print_statistics({name: table for name, table in tables.items() if name != "groups" or len(table.frame) <= 40})
        for note in notes:
            typer.echo(f"note: {note}")
        if out is not None:
            write_statistics(tables, out)


@dataset_app.command("downsample", epilog="Example: evalshift dataset downsample ILSVRC2012/val --size 32 --filter box")
def dataset_downsample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Wnid folders, or ImageNet's validation images.")],
    size: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Pixels per side.")] = 32,
    filter: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="F",
            autocompletion=completion.one_of("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"),
            help="nearest, box, bilinear, hamming, bicubic or lanczos.",
        ),
    ] = "box",
    split: Annotated[
        str,
        typer.Option(
            metavar="val|train",
            autocompletion=completion.one_of("val", "train"),
            help="Name of the split; train is shuffled.",
        ),
    ] = "val",
    batches: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Number of files of a train split.")
    ] = 1,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the shuffling.")] = 0,
    devkit: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The devkit, if it is not next to flat images.")
    ] = None,
    mean: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Training batch whose mean image val_data.npz gets. [default: one in the output folder, if any]",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="npz|tree", autocompletion=completion.one_of("npz", "tree"), help="Arrays, or PNG files by wnid."
        ),
    ] = "npz",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder. [default: imagenetN]")] = None,
    workers: WorkersOption = None,
) -> None:
    """Downsample ImageNet to the format of Downsampled ImageNet.

    Writes val_data.npz, or train_data_batch_1.npz and so on: one row per image with the channels in sequence, labels
    from 1 in the order of the devkit, and the mean image of the training set, which val_data.npz takes from a training
    batch. With --to tree, writes PNG files in a folder per wnid, which any library reads. An interrupted run is
    resumed. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_downsample, STOPPED_HALF_WAY):
        from evalshift.testbed.downsampling import downsample, downsample_to_tree

        if to not in ("npz", "tree"):
            raise UsageError("unknown format (`to`)", found=f'"{to}"', expected="npz or tree")
        target, threads = out or Path(f"imagenet{size}"), _threads(workers)
        with _counted(f"{size} × {size}, {filter}", None) as advance:
            if to == "tree":
                made = downsample_to_tree(folder, target, size, filter, devkit=devkit, workers=threads, advance=advance)
            else:
                made = downsample(
                    folder,
                    target,
                    size,
                    filter,
                    split=split,
                    batches=batches,
                    seed=seed,
                    devkit=devkit,
                    mean=mean,
                    workers=threads,
                    advance=advance,
                )
        ready = f", {made.found_ready:,} of them from an earlier run" if made.found_ready else ""
        typer.echo(f"{made.images:,} images{ready}: {', '.join(map(str, made.files))}")
        if made.mean_from is not None:
            typer.echo(f"mean image: of the training images, from {made.mean_from}")
        elif to == "npz" and split == "val":
            typer.echo("without a mean image, which is the training set's: make the train split here first, or --mean")


@dataset_app.command(
    "duplicates", epilog="Example: evalshift dataset duplicates cifar10 cifar10-train --metric l2,ssim --top 10"
)
def dataset_duplicates(
    one: Annotated[
        str,
        typer.Argument(metavar="A", autocompletion=completion.datasets, help="The dataset whose images are looked up."),
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]", autocompletion=completion.datasets, help="Where they are looked up. [default: A itself]"
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="l2|ssim|features",
            autocompletion=completion.one_of("l2", "ssim", "features"),
            help="How images are compared. Comma-separated.",
        ),
    ] = "l2",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Model whose last layer's input is the features.", autocompletion=completion.models
        ),
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", parser=whole_number, help="Nearest neighbours per image.")] = 30,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Pixels on a side at which images are compared. [default: their own, 32 where sizes differ]",
        ),
    ] = None,
    among: Annotated[
        str,
        typer.Option(metavar="N|all", help="Images of B per image of A, the nearest by pixels, that ssim compares."),
    ] = "100",
    prefilter: Annotated[
        str,
        typer.Option(
            metavar="N|auto|none",
            help="Compare by l2 and ssim only with the N images whose perceptual hashes are most similar. auto: 300 "
            "where A or B has more than 100,000 images, else none.",
        ),
    ] = "auto",
    review: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole_number, help="Images on the review page, likeliest first; 0 for no page."
        ),
    ] = _REVIEWED,
    beside: Annotated[
        int, typer.Option(metavar="K", parser=whole_number, help="Neighbours beside each image on the page.")
    ] = 8,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Decisions saved by the review page, or a list of ciFAIR.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Predictions on A: accuracy with and without near-duplicates.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the neighbours and the review page.")] = Path(),
    registry: RegistryOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Find exact and near-duplicates between two datasets, or within one.

    Counts images with equal pixels, finds the nearest neighbours of each image of A in B, and writes them as CSV with a
    page on which you decide by eye: y or n, a key each. The page saves your decisions as a file; with --decisions the
    command gives the share of near-duplicates, and with --results the accuracy of each model without them and the lines
    for the registry (near_duplicates). l2 and features are searched exactly; ssim among the nearest by pixels.
    Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_duplicates), data_access_of(data_dir):
        from evalshift.console import datasets as printed
        from evalshift.evaluate.comparable_images import search_duplicates, usual_prefilter
        from evalshift.files import file_name, write_atomic
        from evalshift.image_pages.review import review_page
        from evalshift.testbed import duplicates
        from evalshift.testbed.pixel_arrays import pixel_hashes
        from evalshift.testbed.registry import load_registry

        metrics, threads = duplicates.check_metrics(metric), _threads(workers)
        most = _number_or("all", "among", among)
        kept = None if prefilter == "auto" else _number_or("none", "prefilter", prefilter)
        known = load_registry(registry)
        first, second = _load(known, one), None if other is None else _load(known, other)
        decided = (
            None
            if decisions is None
            else duplicates.read_decisions(decisions, first.ids, first.name, (second or first).ids)
        )
        classifier = None if model is None else _load_model(known, model)

        hashes = []
        for dataset in filter(None, (first, second)):
            with _counted(f"equal pixels of {dataset.name}", len(dataset)) as advance:
                hashes.append(pixel_hashes(dataset, threads, advance))
        printed.print_equal(duplicates.equal_images(*hashes), first, second)
        if prefilter == "auto":
            kept = usual_prefilter(len(first), len(second or first))
        if kept is not None and {"l2", "ssim"} & set(metrics):
            printed.print_prefilter(kept)
        found = search_duplicates(
            first,
            second,
            metrics,
            top,
            classifier=classifier,
            size=size,
            among=most,
            prefilter=kept,
            device=device,
            workers=threads,
            counting=_counted,
        )
        printed.print_search(found)
        stem = out / file_name("_in_".join(filter(None, (one, other or one))))
        written = [stem.with_name(f"{stem.name}_neighbours.csv")]
        write_atomic(written[0], duplicates.neighbours_csv(found))
        if review:
            written.append(stem.with_name(f"{stem.name}_review.html"))
            write_atomic(written[1], review_page(found, review, beside, decided).encode())
        printed.print_written(written)
        if decisions is not None and decided is not None:
            printed.print_recall(found, decided, review or _REVIEWED)
            _print_duplicates(decided, len(first), decisions, results, one)


def _number_or(word: str, name: str, text: str) -> int | None:
    """A whole number of at least 1; None for `word`."""
    if text == word:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f"`{name}` is a number of images", found=f'"{text}"', expected=f"1, 2, … or {word}")
    return int(text)


def _print_duplicates(decided: "Decisions", images: int, decisions: Path, results: Path | None, dataset: str) -> None:
    """What decisions say of the share of near-duplicates, and stored predictions of the accuracy on them."""
    from evalshift.console import datasets as printed
    from evalshift.console.output import print_statistics

    printed.print_decisions(decided, images, decisions)
    if results is not None and decided.duplicates:
        from evalshift.analysis.summary.set_duplicates import set_duplicates
        from evalshift.evaluate.store import Results

        table, found = set_duplicates(Results(results), dataset, decided.duplicates)
        print_statistics({table.name: table})
        share = len(decided.duplicates) / images
        printed.print_near_duplicates_entry(share, float(found.duplicates.mean()), len(found.duplicates), decisions)


def _counted(name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """Progress of `total` images on the terminal; the value is told of every n images done."""
    from evalshift.console.terminal import stderr
    from evalshift.evaluate.progress import counted

    return counted(stderr(), name, total)


def _threads(workers: int | None) -> int:
    return workers or os.cpu_count() or 1


def _load(known: "Registry", name: str) -> "Dataset":
    from evalshift.testbed.datasets import load_dataset

    entry = known.dataset(name)
    return load_dataset(name, entry, known.class_space(entry.classes))


def _load_model(known: "Registry", name: str) -> "Classifier":
    from evalshift.testbed.models import load_classifier

    chosen = known.select_models([name])
    if len(chosen) != 1:
        raise UsageError("features are those of one model (`model`)", found=f'{len(chosen)} that match "{name}"')
    ((found, entry),) = chosen.items()
    return load_classifier(found, entry, known.class_space(entry.classes))


@dataset_app.command(
    "sample", epilog="Example: evalshift dataset sample pool.csv --matched reference.csv --per-class 10"
)
def dataset_sample(
    pool: Annotated[
        Path, typer.Argument(metavar="CANDIDATES", help="CSV: image, class, frequency (or selected and shown).")
    ],
    matched: Annotated[
        Path | None,
        typer.Option(metavar="REFERENCE", help="CSV of the same form: match its frequencies, class by class."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="F", help="Sample among frequencies of at least F, such as 0.7.")
    ] = None,
    top: Annotated[bool, typer.Option("--top", help="Take the highest frequencies.")] = False,
    per_class: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Images per class.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the sampling.")] = 0,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new dataset.")] = "sample",
    classes: Annotated[str, typer.Option(metavar="NAME", help="Its label space.")] = "imagenet-1k",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the list and the registry entry.")] = Path(),
) -> None:
    """Sample a test set from candidates whose selection frequency is known.

    The selection frequency of an image is the share of people who said that it shows its class. --matched, --threshold
    and --top are the three strategies by which ImageNetV2 was made. Writes NAME.csv, the list of images with their
    classes, and NAME.yaml, a registry whose dataset reads it; prints mean frequencies, and images that could not be
    matched. Where candidates and reference say how many people were shown each image, it also prints what noise in the
    frequencies leaves of the difference that matching was to remove. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_sample):
        from evalshift.console.datasets import print_sample, print_written
        from evalshift.files import file_name, write_atomic
        from evalshift.testbed.candidate_sampling import read_candidates, sample, sample_csv

        strategy = _one_strategy(matched, threshold, top)
        candidates = read_candidates(pool)
        reference = () if matched is None else read_candidates(matched)
        found = sample(
            candidates,
            strategy,
            per_class,
            reference=reference,
            threshold=0.7 if threshold is None else threshold,
            seed=seed,
        )
        if not found.chosen:
            raise UsageError("no candidate fits", where=pool, found=f"{len(candidates):,} candidates")
        listed = out / f"{file_name(name)}.csv"
        write_atomic(listed, sample_csv(found.chosen))
        entry = {"source": "list", "labels": listed.name, "path": str(pool.parent.resolve()), "classes": classes}
        described = out / f"{file_name(name)}.yaml"
        write_atomic(described, _registry_text(name, entry).encode())
        print_sample(found, candidates, reference)
        print_written([listed, described])


def _one_strategy(matched: Path | None, threshold: float | None, top: bool) -> str:
    given = {"matched": matched is not None, "threshold": threshold is not None, "top": top}
    chosen = [strategy for strategy, wanted in given.items() if wanted]
    if len(chosen) != 1:
        raise UsageError(
            "one strategy is needed",
            found=" ".join(f"--{strategy}" for strategy in chosen) or "none",
            expected="--matched REFERENCE, --threshold F or --top",
        )
    return chosen[0]


def _registry_text(name: str, entry: Mapping[str, str]) -> str:
    import yaml

    return yaml.safe_dump({"extends": "default", "datasets": {name: dict(entry)}}, sort_keys=False, allow_unicode=True)


@dataset_app.command("revisions", epilog="Example: evalshift dataset revisions --results results --models resnet152")
def dataset_revisions(
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help="What the names of the revisions begin with, before a number.")
    ] = "imagenetv2-b-",
    models: ModelsOption = None,
    results: ResultsOption = Path("results"),
    metric: AccuracyOption = "top1",
    reviews: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="data/dataset_reviews of a checkout of ImageNetV2: shares of classes and images that were reviewed.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the figure and the table.")] = None,
    size: SizeOption = None,
) -> None:
    """Accuracy by revision of a test set.

    Prints the accuracy of each model on each stored revision, and draws it (figure 7 of Recht et al. 2019): whether
    reviewing a test set changed how hard it is. Where images have names, it also says how many stayed to the last
    revision. Import the released revisions of MatchedFrequency first, with
    `evalshift import recht2019-imagenet --revisions`. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_revisions):
        from evalshift.analysis.figures import revisions_figure, save
        from evalshift.analysis.plot_data.sizes import find_size
        from evalshift.analysis.summary.set_series import series_of, set_series
        from evalshift.console.datasets import print_written
        from evalshift.console.output import print_statistics, write_statistics
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


@dataset_app.command(
    "discriminate", epilog="Example: evalshift dataset discriminate cifar10 cifar10.1-v6 --model resnet20-akamaster"
)
def dataset_discriminate(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[
        str,
        typer.Argument(metavar="B", autocompletion=completion.datasets, help="Another dataset of the same classes."),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|pixels",
            help="What the discriminator sees: features of a model's last layer, or the pixels.",
            autocompletion=completion.models,
        ),
    ] = "pixels",
    method: Annotated[
        str,
        typer.Option(metavar="logistic|ridge", autocompletion=completion.one_of("logistic", "ridge")),
    ] = "logistic",
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Pixels on a side, for pixels. [default: their own, 32 where sizes differ]",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number, help="At most N images of each dataset, balanced."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the split.")] = 0,
    registry: RegistryOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Train a linear classifier to tell two datasets apart, and test it on held-out images.

    Both datasets are reduced to as many images of each class; half of them train the discriminator, half test it.
    Prints its accuracy with a 95 % confidence interval and the p-value of 50 %, the accuracy by chance, over all
    classes and per class (Holm-adjusted). Near 50 %, it found no difference that is linear in what it saw.
    Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_discriminate), data_access_of(data_dir):
        from evalshift.analysis.summary.discriminators import discriminator_table
        from evalshift.console.output import print_statistics
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.comparable_images import features_of, pixels_of
        from evalshift.testbed.discrimination import check_method, discriminate
        from evalshift.testbed.registry import load_registry

        check_method(method)
        known = load_registry(registry)
        datasets = [_load(known, name) for name in (one, other)]
        datasets = [dataset if limit is None else dataset.limited(limit) for dataset in datasets]
        first, second = datasets
        if first.classes.names != second.classes.names:
            raise UsageError(
                "these datasets have other classes",
                found=f"{first.classes.name} and {second.classes.name}",
                expected="two datasets of one label space",
            )
        threads = _threads(workers)

        if model == "pixels":
            arrays = pixels_of(first, second, size, threads, _counted)
            values = [array.reshape(len(array), -1) for array in arrays]
        else:
            classifier = _load_model(known, model)
            values = [features_of(classifier, dataset, device, threads, _counted) for dataset in (first, second)]
        with stderr().status("training the discriminator"):
            found = discriminate(values[0], values[1], (first.labels, second.labels), method, seed=seed)
        table = discriminator_table(found.correct, found.total, found.by_class, first.classes.names)
        print_statistics({table.name: table})
        typer.echo(table.note)
        typer.echo(f"{method} on {model}: trained on {found.trained:,} images, penalty {found.penalty:.3g}")


@dataset_app.command("compare", epilog="Example: evalshift dataset compare cifar10 cifar10.1-v6")
def dataset_compare(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[str, typer.Argument(metavar="B", autocompletion=completion.datasets, help="Another dataset.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the tables as CSV and Markdown.")] = None,
    registry: RegistryOption = None,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Compare two datasets: classes, attributes, sizes, files, intensities, and images that both have.

    Prints how many images of A are in B pixel by pixel; widths, heights, formats and JPEG qualities; means and standard
    deviations of intensities; and images per class and per value of each attribute that both have, with a test of equal
    shares. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_compare), data_access_of(data_dir):
        from evalshift.analysis.summary.dataset_comparison import balance_tables, files_table
        from evalshift.console import datasets as printed
        from evalshift.console.output import print_statistics, print_stats, write_statistics
        from evalshift.testbed.duplicates import equal_images
        from evalshift.testbed.file_facts import file_facts
        from evalshift.testbed.pixel_arrays import pixel_hashes
        from evalshift.testbed.pixels import pixel_statistics
        from evalshift.testbed.registry import load_registry

        known, threads = load_registry(registry), _threads(workers)
        first, second = _load(known, one), _load(known, other)
        hashes, facts, intensities = [], [], []
        for dataset in (first, second):
            with _counted(dataset.name, 3 * len(dataset)) as advance:
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


@dataset_app.command(
    "show", epilog="Example: evalshift dataset show cifar10 cifar10.1-v6 --per-class 10 --classes cat,dog"
)
def dataset_show(
    one: Annotated[str, typer.Argument(metavar="A", autocompletion=completion.datasets, help="A dataset.")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="[B]", autocompletion=completion.datasets, help="Another dataset, shown beside it."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Images of each class and dataset.")
    ] = 10,
    classes: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Classes that are shown. Comma-separated; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the choice of images.")] = 0,
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
            help="Classes of these ranks by the accuracy of --model on A, 1 the best. Comma-separated; repeatable.",
        ),
    ] = None,
    same: Annotated[
        bool,
        typer.Option("--same", help="Show the same images of A and B: by class and name, or by place in arrays."),
    ] = False,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filters",
            metavar="F",
            help="Instead of B: A made small by these filters, such as box or nearest; all for six. Comma-separated; "
            "repeatable.",
        ),
    ] = None,
    pixels: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Pixels on a side that --filters make.")
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
            help="Of png, pdf, html.",
        ),
    ] = "png,html",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the sheet.")] = Path(),
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Draw a contact sheet: a few images of each class, of one dataset or of two side by side.

    Images are drawn at random; the same seed draws the same ones. With --model, images that the model classifies
    correctly are framed in blue, others in orange. With --same, B shows the same images as A, such as those that
    `downsample` or `corrupt` made of them; with --filters, each image is shown beside the small ones that filters make
    of it. Exit code: 0 success, 2 invalid usage or input.
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
        from evalshift.testbed.registry import load_registry

        wanted = check_formats(formats, ("png", "pdf", "html"), "contact sheets are")
        known = load_registry(registry)
        datasets = [_load(known, name) for name in (one, other) if name is not None]
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


@dataset_app.command("split", epilog="Example: evalshift dataset split cifar10 --folds 5 --stratify")
def dataset_split(
    name: Annotated[str, typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="A dataset.")],
    folds: Annotated[int, typer.Option(metavar="K", parser=whole_number, help="Number of folds.")] = 5,
    stratify: Annotated[
        bool, typer.Option("--stratify/--no-stratify", help="As many images of each class in every fold, within one.")
    ] = True,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the split.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the list.")] = Path(),
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Split a dataset into folds.

    Writes DATASET_folds.csv: the id of each image and its fold, from 1. As the `attributes:` of the dataset in a
    registry, it makes `evalshift dataset groups` and reports give the accuracy on each fold. Exit code: 0 success,
    2 invalid usage or input.
    """
    with complaints(dataset_split), data_access_of(data_dir):
        from evalshift.console.datasets import print_written
        from evalshift.files import file_name, write_atomic
        from evalshift.testbed.folds import fold_numbers, folds_csv
        from evalshift.testbed.registry import load_registry

        dataset = _load(load_registry(registry), name)
        found = fold_numbers(dataset.labels, folds, seed, stratify=stratify)
        path = out / f"{file_name(name)}_folds.csv"
        write_atomic(path, folds_csv(dataset.ids, found))
        sizes = ", ".join(f"{(found == fold).sum():,}" for fold in range(1, folds + 1))
        typer.echo(f"{len(dataset):,} images in folds of {sizes}")
        print_written([path])
