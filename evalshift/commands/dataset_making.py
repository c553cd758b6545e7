"""`evalshift dataset downsample`, `corrupt` and `cinic10`: test sets made from others."""

import os
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalshift.commands.dataset_shared import counted_images, threads_of
from evalshift.commands.options import DataDirOption, RegistryOption, WorkersOption
from evalshift.commands.shared import STOPPED_HALF_WAY, complaints, data_access_of, split, whole_number
from evalshift.console import completion
from evalshift.errors import UsageError
from evalshift.files import read_text

if TYPE_CHECKING:
    from evalshift.testbed.datasets import Dataset
    from evalshift.testbed.registry import Registry

# From so many corrupted arrays on, processes save more time than they take to start.
_MANY = 20_000


def dataset_downsample(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder with one folder per wnid, or with ImageNet's validation images."),
    ],
    size: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Pixels per side.")] = 32,
    filter: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="F",
            autocompletion=completion.one_of("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"),
            help="Resampling filter: nearest, box, bilinear, hamming, bicubic or lanczos.",
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
        Path | None,
        typer.Option(
            metavar="PATH", help="The devkit, if DIR contains validation images and the devkit is not next to them."
        ),
    ] = None,
    mean: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Training batch whose mean image is stored in val_data.npz. [default: one in the "
            "output folder, if any]",
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="npz|tree",
            autocompletion=completion.one_of("npz", "tree"),
            help="npz for arrays, or tree for PNG files in one folder per wnid.",
        ),
    ] = "npz",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder. [default: imagenetN]")] = None,
    workers: WorkersOption = None,
) -> None:
    """Downsample ImageNet to the format of Downsampled ImageNet.

    Writes val_data.npz, or train_data_batch_1.npz and so on: one row per image with one channel after the other, labels
    from 1 in the order of the devkit, and the mean image of the training set, which val_data.npz takes from a training
    batch. With --to tree, writes PNG files in one folder per wnid, which any library can read. If it is interrupted,
    the same command resumes. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_downsample, STOPPED_HALF_WAY):
        from evalshift.testbed.downsampling import downsample, downsample_to_tree

        if to not in ("npz", "tree"):
            raise UsageError("unknown format (`to`)", found=f'"{to}"', expected="npz or tree")
        target, threads = out or Path(f"imagenet{size}"), threads_of(workers)
        with counted_images(f"{size} × {size}, {filter}", None) as advance:
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


def dataset_corrupt(
    name: Annotated[str, typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="A dataset.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completion.corruptions,
            help="Corruptions, such as gaussian-noise; all for the 15 of CIFAR-10-C. Comma-separated; repeatable.",
        ),
    ] = None,
    severity: Annotated[
        str, typer.Option(metavar="LIST", help="Severities from 1 to 5, such as 3, 1-5 or 1,3,5.")
    ] = "1-5",
    style: Annotated[
        str | None,
        typer.Option(
            metavar="cifar10-c|imagenet-c",
            autocompletion=completion.one_of("cifar10-c", "imagenet-c"),
            help="Benchmark whose severities are used. [default: cifar10-c for images of at most "
            "64 pixels per side, else imagenet-c]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", parser=whole_number, min=0, help="Seed of the noise.")] = 0,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number, min=1, help="Corrupt only N images, balanced over the classes."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Output folder. [default: DATASET-corrupted]")] = None,
    registry: RegistryOption = None,
    workers: WorkersOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Corrupt a dataset as in CIFAR-10-C and ImageNet-C.

    Adds noise, blur, weather or digital artefacts. Writes one dataset per kind and severity, and registry.yaml, whose
    pairs compare the original with each of them. The severities are those of Hendrycks and Dietterich 2019. The same
    seed makes the same images. The new datasets are not the official files, which were made with other random numbers
    and libraries; their entries say so. If it is interrupted, the same command resumes. Exit code: 0 success, 2 invalid
    usage or input.
    """
    with complaints(dataset_corrupt, STOPPED_HALF_WAY), data_access_of(data_dir):
        from evalshift.console.datasets import print_corrupted
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.progress import counted
        from evalshift.files import file_name, write_atomic
        from evalshift.testbed.corrupted import choose_style, corrupt_dataset
        from evalshift.testbed.corruptions import check_kinds, check_severities
        from evalshift.testbed.registry_reading import load_registry

        kinds, severities = check_kinds(split(kind)), check_severities(severity)
        known = load_registry(registry)
        dataset, kept = _plain(known, name)
        dataset = dataset if limit is None else dataset.limited(limit)
        folder = out or Path(f"{file_name(name)}-corrupted")
        total = len(dataset) * len(kinds) * len(severities)
        chosen = choose_style(dataset, style)
        with counted(stderr(), f"corrupting {name}", total) as advance:
            made = corrupt_dataset(
                dataset,
                folder,
                kinds,
                severities,
                style=chosen,
                seed=seed,
                pool=_pool(dataset, total, workers or os.cpu_count() or 1),
                advance=advance,
            )
        entries = {new: {**entry, **kept} for new, entry in made.entries.items()}
        described = folder / "registry.yaml"
        earlier = read_text(described) if described.is_file() else ""
        write_atomic(described, _registry(name, entries, known, earlier).encode())
        print_corrupted(made, entries, dataset, folder)


def _plain(known: "Registry", name: str) -> tuple["Dataset", dict[str, Any]]:
    """A dataset with the labels that its source has, and the field by which its view is kept in a new entry."""
    from evalshift.testbed.datasets import load_dataset
    from evalshift.testbed.views import BUILT_IN_VIEWS

    entry = known.dataset(name)
    if entry.view is not None and str(entry.view) not in BUILT_IN_VIEWS:
        raise UsageError("a dataset in a view of its own registry", where=name, fix="name the dataset without the view")
    plain = entry.model_copy(update={"view": None, "attributes": None, "corrected_labels": None})
    plain._seen = None
    dataset = load_dataset(name, plain, known.class_space(plain.classes))
    return dataset, {} if entry.view is None else {"view": str(entry.view)}


def _pool(dataset: "Dataset", total: int, workers: int) -> Executor:
    """Processes for many small images, of which Python itself does much of the work; else threads."""
    from multiprocessing import get_context

    import numpy as np

    if total < _MANY or workers == 1 or not isinstance(dataset.images, np.ndarray):
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _registry(original: str, entries: Mapping[str, Mapping[str, Any]], known: "Registry", earlier: str) -> str:
    """A registry of the new datasets with a pair for each; it extends the one that the original is in.

    earlier  the registry of earlier runs that wrote to the same folder with the same settings: its datasets stay
    """
    import yaml

    from evalshift.testbed.registry_path import is_default

    before = yaml.safe_load(earlier) or {}
    content = {
        "extends": "default" if is_default(known.path) else str(known.path.resolve()),
        "datasets": {**before.get("datasets", {}), **{name: dict(entry) for name, entry in entries.items()}},
        "pairs": list(dict.fromkeys([*before.get("pairs", []), *(f"{original}:{name}" for name in entries)])),
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def dataset_cinic10(
    cifar: Annotated[Path, typer.Option(metavar="PATH", help="cifar-10-python.tar.gz, or its unpacked folder.")],
    imagenet: Annotated[
        Path, typer.Option(metavar="DIR", help="Synsets of ImageNet's Fall 2011 release: folders or .tar files.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")] = Path("CINIC-10"),
    per_class: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, help="Images of ImageNet per class, a multiple of 3.")
    ] = 21_000,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=whole_number, min=0, help="Seed of the random choice of images.")
    ] = 0,
    contributors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="imagenet-contributors.csv, for the authors' images instead of random ones."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own synsets of each class, in lines such as n02691156,airplane. [default: the authors' synsets]",
        ),
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Make CINIC-10 from CIFAR-10 and ImageNet.

    Follows the paper: assigns images of ImageNet's synsets to CIFAR-10's classes, chooses 21,000 of each class at
    random, resizes them to 32 × 32 pixels with the box filter, and distributes all images equally among train, valid
    and test. Writes PNG files named like the official ones, and checks their numbers. Classes that an earlier run
    finished are kept. Exit code: 0 success, 2 invalid usage or input.
    """
    with complaints(dataset_cinic10, STOPPED_HALF_WAY):
        from evalshift.console.datasets import print_cinic10
        from evalshift.console.terminal import stderr
        from evalshift.evaluate.progress import counted
        from evalshift.testbed.cinic10_making import PER_CLASS, make_cinic10

        total = None if contributors is not None else 60_000 + 10 * per_class
        with counted(stderr(), "CINIC-10", total) as advance:
            made = make_cinic10(
                cifar,
                imagenet,
                out,
                per_class=per_class,
                seed=seed,
                contributors=contributors,
                groups=groups,
                workers=workers or os.cpu_count() or 1,
                advance=advance,
            )
        print_cinic10(made, out, per_class == PER_CLASS or contributors is not None)
