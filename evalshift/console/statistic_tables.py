"""Tables of statistics as several commands print and write them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.analysis.tables.table import StatisticTable


def print_statistics(tables: Mapping[str, "StatisticTable"]) -> None:
    """Tables in readable form, each under its title."""
    from evalshift.analysis.tables.read import readable_statistic

    for table in tables.values():
        text = readable_statistic(table)
        sides = "".join("l" if column.is_text else "r" for column in table.shown)
        stdout().print(f"\n{table.title}", style="bold")
        print_table(list(text.columns), text.to_numpy().tolist(), sides)


def write_statistics(tables: Mapping[str, "StatisticTable"], folder: Path) -> None:
    """Tables as CSV, with all rows in full precision, and as Markdown."""
    from evalshift.analysis.tables.read import WRITERS
    from evalshift.files import write_atomic

    for name, table in tables.items():
        for suffix in ("csv", "md"):
            write_atomic(folder / f"{name}.{suffix}", WRITERS[suffix](table).encode())
