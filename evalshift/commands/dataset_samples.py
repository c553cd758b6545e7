"""`evalshift dataset sample` and `split`: lists of images drawn from others."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalshift.commands.dataset_shared import load_named
from evalshift.commands.options import DataDirOption, RegistryOption
from evalshift.commands.shared import complaints, data_access_of, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError

if TYPE_CHECKING:
    pass


def dataset_sample(
    pool: Annotated[
        Path, typer.Argument(metavar="CANDIDATES", help="CSV: image, class, frequency (or selected and shown).")
    ],
    matched: Annotated[
        Path | None,
        typer.Option(metavar="REFERENCE", help="CSV of the same form; match its frequencies, class by class."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="F", help="Sample among images with a frequency of at least F, such as 0.7.")
    ] = None,
    top: Annotated[bool, typer.Option("--top", help="Select the images with the highest frequencies.")] = False,
    per_class: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Images per class.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the sampling.")] = 0,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new dataset.")] = "sample",
    classes: Annotated[str, typer.Option(metavar="NAME", help="Label space of the new dataset.")] = "imagenet-1k",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder for the list and the registry.")] = Path(),
) -> None:
    """Sample a test set from candidates by selection frequency.

    The selection frequency of an image is the share of people who said that it shows its class. --matched, --threshold
    and --top are the three sampling strategies of ImageNetV2. Writes NAME.csv, the list of images with their classes,
    and NAME.yaml, a registry whose dataset reads the list. Prints mean frequencies, and images that could not be
    matched. If candidates and reference say how many people were shown each image, it also prints how much of the
    difference in frequency remains because frequencies are noisy. Exit code: 0 success, 2 invalid usage or input.
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


def dataset_split(
    name: Annotated[str, typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="A dataset.")],
    folds: Annotated[int, typer.Option(metavar="K", parser=whole_number, help="Number of folds.")] = 5,
    stratify: Annotated[
        bool,
        typer.Option("--stratify/--no-stratify", help="Distribute the images of each class equally over the folds."),
    ] = True,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of the split.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path(),
    registry: RegistryOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Split a dataset into folds.

    Writes DATASET_folds.csv: the id of each image and its fold, from 1. If a registry gives this file as `attributes:`
    of the dataset, `evalshift dataset groups` and reports give the accuracy on each fold. Exit code: 0 success, 2
    invalid usage or input.
    """
    with complaints(dataset_split), data_access_of(data_dir):
        from evalshift.console.datasets import print_written
        from evalshift.files import file_name, write_atomic
        from evalshift.testbed.folds import fold_numbers, folds_csv
        from evalshift.testbed.registry_reading import load_registry

        dataset = load_named(load_registry(registry), name)
        found = fold_numbers(dataset.labels, folds, seed, stratify=stratify)
        path = out / f"{file_name(name)}_folds.csv"
        write_atomic(path, folds_csv(dataset.ids, found))
        sizes = ", ".join(f"{(found == fold).sum():,}" for fold in range(1, folds + 1))
        typer.echo(f"{len(dataset):,} images in folds of {sizes}")
        print_written([path])
