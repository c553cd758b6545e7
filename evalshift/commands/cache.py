"""`evalshift cache`: decoded images on disk."""

from typing import Annotated

import typer

from evalshift.commands.options import CacheDirOption
from evalshift.commands.shared import complaints, split
from evalshift.console import completion

cache_app = typer.Typer(
    help="List or remove the decoded images that runs cache on disk.",
    epilog="Example: evalshift cache list",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cache_app.command("list", epilog="Example: evalshift cache list --json")
def cache_list(
    cache_dir: CacheDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object per file.")] = False,
) -> None:
    """List the decoded images on disk: dataset, size, and time of last use.

    The least recently used come first: they are the first to be removed to make room for others.
    """
    with complaints(cache_list):
        from evalshift.console.cache import print_cache
        from evalshift.evaluate.decode_cache import DecodeCache

        print_cache(DecodeCache(cache_dir), as_json)


@cache_app.command("clear", epilog="Example: evalshift cache clear imagenet")
def cache_clear(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="DATASET", autocompletion=completion.datasets, help="Datasets, by name. [default: all]"),
    ] = None,
    cache_dir: CacheDirOption = None,
) -> None:
    """Remove decoded images from disk. They are decoded again when a run needs them."""
    with complaints(cache_clear):
        from rich.filesize import decimal

        from evalshift.evaluate.decode_cache import DecodeCache

        cache = DecodeCache(cache_dir)
        removed = cache.clear(split(datasets))
        files = f"{len(removed):,} file{'' if len(removed) == 1 else 's'}"
        typer.echo(f"removed   {files}, {decimal(sum(entry.bytes for entry in removed))}, from {cache.folder}")
