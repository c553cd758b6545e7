"""What the commands below `evalshift dataset` print."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout, wrapped

if TYPE_CHECKING:
    import pandas as pd

    from evalshift.testbed.candidate_sampling import Candidate, Sample
    from evalshift.testbed.cinic10_making import MadeCinic10
    from evalshift.testbed.corrupted import Corrupted
    from evalshift.testbed.datasets import Dataset
    from evalshift.testbed.duplicates import Decisions, Search

_NEAREST_PRINTED = 5


def print_equal(pairs: Sequence[tuple[int, int]], one: "Dataset", other: "Dataset | None") -> None:
    """How many images have equal pixels, and the first few of them."""
    among = one if other is None else other
    where = "in the same dataset" if other is None else f"in {other.name}"
    said = f"{len(pairs):,} of {len(one):,} images of {one.name} are {where} pixel by pixel"
    if other is None:
        said = f"{len(pairs):,} of {len(one):,} images of {one.name} repeat an earlier one pixel by pixel"
    shown = [f"{one.ids[first]} = {among.ids[second]}" for first, second in pairs[:3]]
    differing = sum(one.labels[first] != among.labels[second] for first, second in pairs)
    examples = f" ({', '.join([*shown, *(['…'] if len(pairs) > 3 else [])])})" if pairs else ""
    stdout().print(wrapped(f"{said}{examples}.", ""))
    if differing and one.classes.name == among.classes.name:
        stdout().print(
            wrapped(f"{differing:,} of these {'has' if differing == 1 else 'have'} another label there.", "")
        )


def print_prefilter(kept: int) -> None:
    """That not all pairs are compared."""
    stdout().print(
        wrapped(f"l2 and ssim compare each image with the {kept:,} of the most similar perceptual hash.", "")
    )


def print_search(search: "Search") -> None:
    """Distances of the nearest neighbours by each metric, and the nearest few pairs."""
    from evalshift.testbed.duplicates import quantiles

    rows = [
        (metric, *(f"{value:.4g}" for value in quantiles(found.distance[:, 0]).values()), _same_class(search, metric))
        for metric, found in search.found.items()
    ]
    print_table(("nearest by", "smallest", "1 %", "5 %", "median", "same class"), rows, "lrrrrr")
    for metric, found in search.found.items():
        near = found.distance[:, 0].argsort(kind="stable")[:_NEAREST_PRINTED]
        stdout().print(f"\nnearest by {metric}")
        print_table(
            ("image", "class", "neighbour", "class", "distance"),
            [
                (
                    search.queries.ids[place],
                    search.queries.classes.names[search.queries.labels[place]],
                    search.references.ids[other := int(found.position[place, 0])],
                    search.references.classes.names[search.references.labels[other]],
                    f"{found.distance[place, 0]:.4g}",
                )
                for place in near.tolist()
            ],
            "llllr",
        )


def _same_class(search: "Search", metric: str) -> str:
    if search.queries.classes.names != search.references.classes.names:
        return ""
    near = search.references.labels[search.found[metric].position[:, 0]]
    return f"{100 * (near == search.queries.labels).mean():.1f} %"


def print_decisions(decisions: "Decisions", images: int, path: Path) -> None:
    """How many images were seen, and how many of these are near-duplicates."""
    count = len(decisions.duplicates)
    stdout().print(
        wrapped(
            f"{count:,} of {images:,} images ({100 * count / images:.2f} %) are near-duplicates by {path}, in which "
            f"{len(decisions.seen):,} images were decided; those without a decision count as none.",
            "",
        )
    )


def print_recall(search: "Search", decisions: "Decisions", likely: int) -> None:
    """What each metric finds of the near-duplicates that were decided."""
    from evalshift.testbed.duplicates import recall_of

    recalls = recall_of(search, decisions, likely)
    if not recalls:
        return
    neighbours = next(iter(search.found.values())).position.shape[1]
    stdout().print(f"\nof {recalls[0].pairs:,} near-duplicates whose neighbour was decided:")
    print_table(
        ("metric", "neighbour is nearest", f"among {neighbours:,} nearest", f"image among {likely:,} likeliest"),
        [(one.metric, *(_share(n, one.pairs) for n in (one.first, one.among, one.likely))) for one in recalls],
        "lrrr",
    )


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.1f} %)"


def print_near_duplicates_entry(share: float, accuracy: float, models: int, path: Path) -> None:
    """The lines for the registry that say so."""
    source = f"reviewed by eye, {path.name}; mean accuracy of {models} model{'' if models == 1 else 's'}"
    stdout().print(
        f"for the registry:\n  near_duplicates: {{share: {share:.6g}, accuracy: {accuracy:.4g}, source: "
        f"{_yaml_text(source)}}}",
        soft_wrap=True,
    )


def _yaml_text(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def print_written(paths: Sequence[Path]) -> None:
    """Where files were written."""
    stdout().print(", ".join(map(str, paths)), soft_wrap=True)


def print_sample(found: "Sample", candidates: Sequence["Candidate"], reference: Sequence["Candidate"]) -> None:
    """Mean selection frequencies, what could not be matched, and what noise in the frequencies leaves."""
    rows = [("chosen", f"{len(found.chosen):,}", f"{found.mean_frequency:.3f}")]
    for name, several in (("candidates", candidates), ("reference", reference)):
        if several:
            mean = sum(one.frequency for one in several) / len(several)
            rows.append((name, f"{len(several):,}", f"{mean:.3f}"))
    print_table(("", "images", "mean selection frequency"), rows, "lrr")
    if found.raised:
        share = 100 * len(found.raised) / len(found.chosen)
        stdout().print(
            wrapped(
                f"{len(found.raised):,} images ({share:.1f} %) are from a higher bin than they were to match, which "
                "had run out of candidates.",
                "",
            )
        )
    if found.missing:
        shown = ", ".join(f"{name} {count}" for name, count in list(found.missing.items())[:5])
        more = f" and {len(found.missing) - 5:,} more classes" if len(found.missing) > 5 else ""
        count = sum(found.missing.values())
        stdout().print(wrapped(f"{count:,} images are missing: no candidate was left ({shown}{more}).", ""))
    if noise := _noise(candidates, reference):
        stdout().print(wrapped(noise, ""))


def _noise(candidates: Sequence["Candidate"], reference: Sequence["Candidate"]) -> str | None:
    """What matching on noisy frequencies leaves; None where not all images were shown to as many people."""
    import numpy as np

    from evalshift.analysis.statistics.selection_frequencies import fit_beta_binomial, mean_after_matching

    shown = {one.shown for one in (*candidates, *reference)}
    people = next(iter(shown))
    if not reference or len(shown) != 1 or people is None or min(len(candidates), len(reference)) < 30:
        return None
    fitted = [
        fit_beta_binomial(
            np.array([round(one.frequency * people) for one in several]), np.full(len(several), people, dtype=np.int64)
        )
        for several in (reference, candidates)
    ]
    left = mean_after_matching(fitted[0], fitted[1], people)
    return (
        f"Frequencies of {people} people are noisy: matched on them, the chosen images have a true mean frequency of "
        f"about {left.matched:.3f}, the reference {left.reference:.3f} (beta-binomial fit over all classes; "
        "Engstrom et al. 2020)."
    )


def print_frame(frame: "pd.DataFrame") -> None:
    """A small table of texts with its row names."""
    stdout().print()
    rows = [(str(name), *map(str, row)) for name, row in zip(frame.index, frame.to_numpy(), strict=True)]
    print_table(("", *map(str, frame.columns)), rows, "l" + "l" * len(frame.columns))


def print_corrupted(
    made: "Corrupted", entries: Mapping[str, Mapping[str, object]], dataset: "Dataset", folder: Path
) -> None:
    """How many datasets were made in which style, the entry of the first, and how to evaluate them."""
    import yaml

    print_ = stdout().print
    many = f"{len(made.entries):,} corrupted datasets" if len(made.entries) > 1 else "1 corrupted dataset"
    said = f"{many} of {len(dataset):,} images, severities of {made.style}; made here, not the official files."
    said += f" {made.found_ready:,} corrupted images are from an earlier run." if made.found_ready else ""
    print_(wrapped(said, ""))
    first = next(iter(entries))
    text = yaml.safe_dump({first: dict(entries[first])}, sort_keys=False, allow_unicode=True, width=100)
    print_(f"\nFirst of the entries in {folder / 'registry.yaml'}:\n\n{text}", markup=False, highlight=False)
    print_(f"evalshift run --registry {folder / 'registry.yaml'} --models NAME", markup=False, highlight=False)


def print_cinic10(made: "MadeCinic10", out: Path, as_published: bool) -> None:
    """How many images each split has, and the entries that read them."""
    import yaml

    print_ = stdout().print
    counts = ", ".join(f"{count:,} in {split}" for split, count in made.per_split.items())
    ready = f"; {made.found_ready:,} of ImageNet from an earlier run" if made.found_ready else ""
    print_(wrapped(f"{counts}{ready}.", ""))
    if made.unreadable:
        print_(wrapped(f"{len(made.unreadable):,} files are no images and were replaced: {made.unreadable[0]}, …", ""))
    entry = (
        {"source": "cinic10", "path": str(out.resolve()), "portion": "imagenet"}
        if as_published
        else {"source": "folder", "path": str((out / "test").resolve()), "classes": "cifar10"}
    )
    entry["note"] = "made by evalshift, not the official files"
    text = yaml.safe_dump({"cinic10-made": entry}, sort_keys=False, allow_unicode=True, width=100)
    print_(f"\nFor the registry:\n\n{text}", markup=False, highlight=False)
