"""The whole page of one small report, held against the one that was last looked at."""

import difflib
import importlib.util
from pathlib import Path

GOLD = Path(__file__).parent / "gold"


def test_the_page_is_the_one_that_was_last_looked_at(tmp_path):
    spec = importlib.util.spec_from_file_location("gold_report", GOLD / "report.py")
    assert spec is not None
    assert spec.loader is not None
    report = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(report)

    made = report.scrubbed(report.gold_page(tmp_path))

    kept = (GOLD / "index.html").read_text("utf-8")
    if made != kept:
        (tmp_path / "index.html").write_text(made, "utf-8")
    before, after = ([line[:300] for line in page.splitlines()] for page in (kept, made))
    changes = list(difflib.unified_diff(before, after, "tests/gold/index.html", str(tmp_path / "index.html"), n=0))
    assert made == kept, "\n".join(["`make gold` renews it; see tests/gold/README.md", *changes[:40]])
