"""How quickly the command starts: --help beside an import of its two libraries, an idle run, a report.

python benchmarks/bench_start.py
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

COMMAND = [sys.executable, "-m", "evalshift"]


def seconds(command: list[str], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, "COLUMNS": "100"})
    return time.perf_counter() - start


def side_by_side(first: list[str], second: list[str], folder: str, repeats: int = 9) -> tuple[float, float]:
    """Medians of both, run in turn, so that a busy machine slows both."""
    times = [(seconds(first, folder), seconds(second, folder)) for _ in range(repeats)]
    return median(time[0] for time in times), median(time[1] for time in times)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = [sys.executable, "-c", "import typer, rich"]
        ours, theirs = side_by_side([*COMMAND, "--help"], bare, folder)
        print(
            f"evalshift --help           {ours:6.2f} s   import typer, rich {theirs:.2f} s   ratio {ours / theirs:.2f}"
        )
        print(f"evalshift run, all models  {seconds([*COMMAND, 'run'], folder):6.2f} s")
        print(f"evalshift run, nothing new {seconds([*COMMAND, 'run'], folder):6.2f} s")
        print(f"evalshift report --probit  {seconds([*COMMAND, 'report', '--probit'], folder):6.2f} s")


if __name__ == "__main__":
    main()
