"""Makes hypernyms.txt.xz from WordNet's nouns.

    python -m evalshift.testbed.wordnet.build --from /usr/share/wordnet/data.noun [--out FILE]

data.noun is that of WordNet 3.0, whose positions ImageNet's wnids are: Debian's package `wordnet-base` has it, and so
has https://wordnetcode.princeton.edu/3.0/WordNet-3.0.tar.gz (dict/data.noun). Later versions number synsets otherwise.
"""

import lzma
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evalshift.errors import DataError
from evalshift.files import write_atomic
from evalshift.testbed.wordnet.hypernyms import CIFAR10_SYNSETS, FILE

# "is a kind of" and "is an instance of".
_UPWARDS = ("@", "@i")


def read_nouns(path: Path) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The licence at the head of data.noun, and each synset with those directly above it.

    Raises DataError naming the first line that is no synset. Source of the format: wndb(5WN).
    """
    licence: list[str] = []
    above: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line.startswith("  "):
            licence.append(line.strip().partition(" ")[2].strip())
            continue
        try:
            wnid, hypernyms = _synset(line)
        except (ValueError, IndexError):
            raise DataError(
                "this line is no synset of WordNet",
                where=f"{path}, line {number}",
                found=line[:60],
                expected="a line of data.noun: offset, file, n, words, pointers",
            ) from None
        above[wnid] = hypernyms
    return licence, above


def _synset(line: str) -> tuple[str, tuple[str, ...]]:
    offset, _, kind, words, *rest = line.partition("|")[0].split()
    if kind != "n" or not offset.isdigit():
        raise ValueError(line)
    pointers = rest[2 * int(words, 16) :]
    count = int(pointers[0])
    if len(pointers) < 1 + 4 * count:
        raise ValueError(line)
    symbols, targets = pointers[1 : 1 + 4 * count : 4], pointers[2 : 1 + 4 * count : 4]
    upwards = zip(symbols, targets, strict=True)
    return f"n{offset}", tuple(f"n{target}" for symbol, target in upwards if symbol in _UPWARDS)


def closure(wnids: Iterable[str], above: Mapping[str, tuple[str, ...]], where: object) -> dict[str, tuple[str, ...]]:
    """The synsets and all above them, sorted; DataError naming those that WordNet does not have."""
    wanted = set(wnids)
    if unknown := sorted(wanted - set(above)):
        raise DataError(
            "synsets that are not in this version of WordNet",
            where=where,
            found=f"{len(unknown)}, the first is {unknown[0]}",
            expected="WordNet 3.0",
        )
    found: set[str] = set()
    while wanted:
        found |= wanted
        wanted = {wnid for one in wanted for wnid in above[one]} - found
    return {wnid: above[wnid] for wnid in sorted(found)}


def write(above: Mapping[str, tuple[str, ...]], licence: Iterable[str], out: Path) -> None:
    """One line per synset, its hypernyms after it, below the licence; the same bytes each time."""
    head = ["Each synset of WordNet 3.0 and its hypernyms: those of ImageNet, and all above them.", "", *licence]
    lines = [f"# {line}".rstrip() for line in head] + [" ".join((wnid, *more)) for wnid, more in above.items()]
    write_atomic(out, lzma.compress("\n".join((*lines, "")).encode("ascii"), preset=9 | lzma.PRESET_EXTREME))


def _timm_tables() -> Path:
    import timm

    return Path(timm.__file__).parent / "data" / "_info"


def main(
    nouns: Annotated[Path, typer.Option("--from", help="WordNet's data.noun.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = FILE,
) -> None:
    """Take the classes of ImageNet and CIFAR-10, and all synsets above them, out of WordNet."""
    licence, above = read_nouns(nouns)
    tables = (_timm_tables() / f"{name}_synsets.txt" for name in ("imagenet22k", "imagenet"))
    wnids = [wnid for table in tables for wnid in table.read_text("utf-8").split()]
    kept = closure([*wnids, *CIFAR10_SYNSETS.values()], above, nouns)
    write(kept, licence, out)
    Console().print(f"{len(kept):,} synsets of {len(above):,}, {out.stat().st_size:,} bytes: {out}")


if __name__ == "__main__":
    typer.run(main)
