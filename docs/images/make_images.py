"""Makes README's pictures from real data: `make images`.

The embedded models run on the embedded pair, the report is written, and its page is opened in Chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "build" / "images"


def main() -> None:
    evalshift = [sys.executable, "-m", "evalshift"]
    results, report = OUT / "results", OUT / "report"
    subprocess.run([*evalshift, "run", "--results", results], check=True)
    subprocess.run([*evalshift, "report", "--results", results, "--probit", "--out", report], check=True)
    drawn = report / "figures" / "digits_vs_digits-new-writers_top1_probit.png"
    shutil.copy(drawn, HERE / "digits_probit.png")
    photograph(report / "index.html", HERE / "page.png")


def photograph(page: Path, picture: Path) -> None:
    """The top of a page, with its scatter, as it looks on a wide screen."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import Opened, browser

    with browser() as started:
        opened = Opened(started, page, width=1280, height=1420)
        opened.page.wait_for_selector(".chart.main[data-drawn]")
        opened.page.screenshot(path=picture)


if __name__ == "__main__":
    main()
