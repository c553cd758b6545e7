"""`evalshift dataset`: its commands in the order of --help."""

import typer

from evalshift.commands.dataset_classes import dataset_classes
from evalshift.commands.dataset_duplicates import dataset_discriminate, dataset_duplicates
from evalshift.commands.dataset_making import dataset_cinic10, dataset_corrupt, dataset_downsample
from evalshift.commands.dataset_samples import dataset_sample, dataset_split
from evalshift.commands.dataset_views import (
    dataset_compare,
    dataset_groups,
    dataset_revisions,
    dataset_show,
    dataset_stats,
)

dataset_app = typer.Typer(
    help="Build and examine test sets: duplicates, samples, pixels, groups.",
    epilog="Example: evalshift dataset stats cinic10-cifar cinic10-imagenet",
    no_args_is_help=True,
    rich_markup_mode=None,
)

dataset_app.command("stats", epilog="Example: evalshift dataset stats cinic10-cifar cinic10-imagenet --out figures")(
    dataset_stats
)
dataset_app.command(
    "show", epilog="Example: evalshift dataset show cifar10 cifar10.1-v6 --per-class 10 --classes cat,dog"
)(dataset_show)
dataset_app.command("compare", epilog="Example: evalshift dataset compare cifar10 cifar10.1-v6")(dataset_compare)
dataset_app.command("groups", epilog="Example: evalshift dataset groups waterbirds --results results --out groups")(
    dataset_groups
)
dataset_app.command("classes", epilog="Example: evalshift dataset classes imagenet32 --models wrn-28-5 --out classes")(
    dataset_classes
)
dataset_app.command("revisions", epilog="Example: evalshift dataset revisions --results results --models resnet152")(
    dataset_revisions
)
dataset_app.command(
    "duplicates", epilog="Example: evalshift dataset duplicates cifar10 cifar10-train --metric l2,ssim --top 10"
)(dataset_duplicates)
dataset_app.command(
    "discriminate", epilog="Example: evalshift dataset discriminate cifar10 cifar10.1-v6 --model resnet20-akamaster"
)(dataset_discriminate)
dataset_app.command(
    "sample", epilog="Example: evalshift dataset sample pool.csv --matched reference.csv --per-class 10"
)(dataset_sample)
dataset_app.command("split", epilog="Example: evalshift dataset split cifar10 --folds 5 --stratify")(dataset_split)
dataset_app.command("downsample", epilog="Example: evalshift dataset downsample ILSVRC2012/val --size 32 --filter box")(
    dataset_downsample
)
dataset_app.command(
    "corrupt", epilog="Example: evalshift dataset corrupt cifar10 --kind gaussian-noise,fog --severity 1-5 --out noisy"
)(dataset_corrupt)
dataset_app.command(
    "cinic10", epilog="Example: evalshift dataset cinic10 --cifar cifar-10-python.tar.gz --imagenet fall11 --out cinic"
)(dataset_cinic10)
