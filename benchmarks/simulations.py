"""What the simulations of coverage share: their one option, tables of cells by setting, and the time that they take."""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits


def simulate_all(description: str | None, tables: Callable[[int], Iterable[Table | str]], testbeds: int) -> None:
    """Print what the command line asks for.

    tables    makes tables, and lines of text, of a number of testbeds
    testbeds  that number, unless the command line says another
    """
    print_timed(tables(parser(description, testbeds).parse_args().testbeds))


def parser(description: str | None, testbeds: int) -> argparse.ArgumentParser:
    """The command line of a simulation, with its number of testbeds."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--testbeds", type=int, default=testbeds, help="testbeds per setting [default: %(default)s]")
    return made


def print_timed(shown: Iterable[Table | str], name: str = "") -> None:
    """Print each when it is made, by one thread, and then how long all took."""
    began = time.process_time()
    with threadpool_limits(1):
        for one in shown:
            Console(width=160).print(one)
    print(f"{name + ': ' if name else ''}{time.process_time() - began:.0f} s of a processor")


def table_of(title: str, corner: str, columns: Iterable[object], rows: Iterable[tuple[str, Sequence[str]]]) -> Table:
    """A table of a name and cells per row; `corner` heads the names."""
    table = Table(title=title)
    table.add_column(corner)
    for column in columns:
        table.add_column(str(column), justify="right")
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def models_table(title: str, corner: str, models: Iterable[int], rows: Iterable[tuple[str, Sequence[str]]]) -> Table:
    """A table with a column per number of models."""
    return table_of(title, corner, (f"{count} models" for count in models), rows)
