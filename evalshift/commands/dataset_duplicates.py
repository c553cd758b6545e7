"""`evalshift dataset duplicates` and `discriminate`: which images of two sets are alike, and whether the sets are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalshift.commands.dataset_shared import counted_images, load_all, load_model, threads_of
from evalshift.commands.options import DataDirOption, DeviceOption, RegistryOption, WorkersOption
from evalshift.commands.shared import complaints, data_access_of, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError

if TYPE_CHECKING:
    from evalshift.testbed.duplicates import Decisions

# Images on the review page.
_REVIEWED = 300


def dataset_duplicates(
    one: Annotated[
        str,
        typer.Argument(
            metavar="A", autocompletion=completion.datasets, help="The dataset whose images are searched for."
        ),
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]", autocompletion=completion.datasets, help="The dataset to search. [default: A itself]"
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="l2|ssim|features",
            autocompletion=completion.one_of("l2", "ssim", "features"),
            help="Metrics by which images are compared. Comma-separated.",
        ),
    ] = "l2",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model for --metric features, the inputs to its last layer.",
            autocompletion=completion.models,
        ),
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", parser=whole_number, help="Nearest neighbours per image.")] = 30,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Pixels per side at which images are compared. [default: their own, 32 if sizes differ]",
        ),
    ] = None,
    among: Annotated[
        str,
        typer.Option(
            metavar="N|all",
            help="Number of images of B, the nearest by pixels, that ssim compares with each image of A.",
        ),
    ] = "100",
    prefilter: Annotated[
        str,
        typer.Option(
            metavar="N|auto|none",
            help="Compare by l2 and ssim only with the N images whose perceptual hashes are most similar. auto: 300 "
            "if A or B has more than 100,000 images, else none.",
        ),
    ] = "auto",
    review: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Images on the review page, most likely duplicates first; 0 for no page.",
        ),
    ] = _REVIEWED,
    beside: Annotated[
        int, typer.Option(metavar="K", parser=whole_number, help="Neighbours shown next to each image on the page.")
    ] = 8,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Decisions saved by the review page, or a list from ciFAIR.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of stored predictions on A, for accuracy with and without near-duplicates."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Output folder for the neighbours and the review page.")
    ] = Path(),
    registry: RegistryOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Find exact and near-duplicates of images.

    Searches between two datasets, or within one. Counts images with equal pixels, finds the nearest neighbours of each
    image of A in B, and writes them as CSV, with a page on which you review them by eye by pressing y or n. The page
    saves your decisions to a file. With --decisions, the command prints the share of near-duplicates; with --results,
    it adds the accuracy of each model with and without them, and the lines for the registry (near_duplicates). The
    search is exact for l2 and features, and among the nearest images by pixels for ssim. Exit code: 0 success, 2
    invalid usage or input.
    """
    with complaints(dataset_duplicates), data_access_of(data_dir):
        from evalshift.console import datasets as printed
        from evalshift.evaluate.comparable_images import search_duplicates, usual_prefilter
        from evalshift.files import file_name, write_atomic
        from evalshift.image_pages.review import review_page
        from evalshift.testbed import duplicates
        from evalshift.testbed.pixel_arrays import pixel_hashes
        from evalshift.testbed.registry_reading import load_registry

        metrics, threads = duplicates.check_metrics(metric), threads_of(workers)
        most = _number_or("all", "among", among)
        kept = None if prefilter == "auto" else _number_or("none", "prefilter", prefilter)
        known = load_registry(registry)
        first, *others = load_all(known, one, other)
        second = next(iter(others), None)
        decided = (
            None
            if decisions is None
            else duplicates.read_decisions(decisions, first.ids, first.name, (second or first).ids)
        )
        classifier = None if model is None else load_model(known, model)

        hashes = []
        for dataset in filter(None, (first, second)):
            with counted_images(f"equal pixels of {dataset.name}", len(dataset)) as advance:
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
            counting=counted_images,
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
    from evalshift.console.statistic_tables import print_statistics

    printed.print_decisions(decided, images, decisions)
    if results is not None and decided.duplicates:
        from evalshift.analysis.summary.set_duplicates import set_duplicates
        from evalshift.evaluate.store import Results

        table, found = set_duplicates(Results(results), dataset, decided.duplicates)
        print_statistics({table.name: table})
        share = len(decided.duplicates) / images
        printed.print_near_duplicates_entry(share, float(found.duplicates.mean()), len(found.duplicates), decisions)


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
            help="Input of the classifier: pixels, or the input to the last layer of a model.",
            autocompletion=completion.models,
        ),
    ] = "pixels",
    method: Annotated[
        str,
        typer.Option(
            metavar="logistic|ridge",
            autocompletion=completion.one_of("logistic", "ridge"),
            help="Kind of classifier.",
        ),
    ] = "logistic",
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Pixels per side, for --model pixels. [default: their own, 32 if sizes differ]",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Use at most N random images of each dataset, balanced over the classes.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the split, and of --limit.")] = 0,
    registry: RegistryOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Test whether a linear classifier distinguishes two datasets.

    Both datasets are reduced to the same number of images per class; half of the images train the classifier, the other
    half test it. Prints its accuracy with a 95 % confidence interval and the p-value of 50 %, the accuracy by chance,
    over all classes and per class (Holm-adjusted). An accuracy near 50 % means that the classifier found no linear
    difference. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_discriminate), data_access_of(data_dir):
        from evalshift.analysis.summary.discriminators import discriminator_table
        from evalshift.console.statistic_tables import print_statistics
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.comparable_images import features_of, pixels_of
        from evalshift.testbed.discrimination import check_method, discriminate, draw_balanced
        from evalshift.testbed.registry_reading import load_registry

        check_method(method)
        known = load_registry(registry)
        datasets = load_all(known, one, other)
        if limit is not None:
            datasets = [dataset.only(draw_balanced(dataset.labels, limit, seed)) for dataset in datasets]
        first, second = datasets
        if first.classes.names != second.classes.names:
            raise UsageError(
                "these datasets have other classes",
                found=f"{first.classes.name} and {second.classes.name}",
                expected="two datasets of one label space",
            )
        threads = threads_of(workers)

        if model == "pixels":
            arrays = pixels_of(first, second, size, threads, counted_images)
            values = [array.reshape(len(array), -1) for array in arrays]
        else:
            classifier = load_model(known, model)
            values = [features_of(classifier, dataset, device, threads, counted_images) for dataset in (first, second)]
        with stderr().status("training the discriminator"):
            found = discriminate(values[0], values[1], (first.labels, second.labels), method, seed=seed)
        table = discriminator_table(found.correct, found.total, found.by_class, first.classes.names)
        print_statistics({table.name: table})
        typer.echo(table.note)
        typer.echo(f"{method} on {model}: trained on {found.trained:,} images, penalty {found.penalty:.3g}")
