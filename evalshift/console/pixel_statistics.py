"""What `evalshift dataset stats` prints and writes: means, standard deviations and histograms of pixels."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout
from evalshift.titles import distinct

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.plot_data.sizes import Size
    from evalshift.testbed.pixels import PixelStatistics


def print_stats(found: Sequence["PixelStatistics"], written: Sequence[Path]) -> None:
    """Mean and standard deviation of each channel, as `preprocess` takes them, and where the rest was written.

    Those of the training set stand below, where they are known: models expect these.
    """
    from evalshift.testbed.training_pixels import training_pixels

    def listed(values: Iterable[float]) -> str:
        return f"[{', '.join(f'{value:.4f}' for value in values)}]"

    titles = distinct({one.dataset: one.title or one.dataset for one in found})
    rows = [(titles[one.dataset], f"{one.images:,}", listed(one.mean), listed(one.std)) for one in found]
    for known in dict.fromkeys(filter(None, (training_pixels(one.dataset) for one in found))):
        if known.title in titles.values():
            continue
        source = f" ({known.source})" if known.source else ""
        rows.append((f"{known.title}{source}", f"{known.images:,}", listed(known.mean), listed(known.std)))
    print_table(("dataset", "images", "mean", "std"), rows, "lrll")
    if written:
        stdout().print(f"\n{', '.join(map(str, written))}")


def write_stats(
    found: Sequence["PixelStatistics"], folder: Path, formats: Sequence[str], size: "Size | None" = None
) -> list[Path]:
    """The intensity histograms as a figure and as a table."""
    import pandas as pd

    from evalshift.analysis.figures import intensities_figure, save
    from evalshift.files import file_name, write_atomic

    stem = folder / file_name("_vs_".join(one.dataset for one in found) + "_intensities")
    written = []
    drawn = [format for format in formats if format != "csv"]
    if drawn:
        written += save(intensities_figure(found, size), stem, drawn)
    if "csv" in formats:
        rows = [
            {"dataset": one.dataset, "channel": channel, "intensity": intensity, "pixels": int(count)}
            for one in found
            for channel, counts in enumerate(one.histogram)
            for intensity, count in enumerate(counts)
        ]
        path = stem.with_name(f"{stem.name}.csv")
        write_atomic(path, pd.DataFrame(rows).to_csv(index=False).encode())
        written.append(path)
    return written
