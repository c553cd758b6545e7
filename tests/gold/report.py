"""Makes the page of the gold test; run by itself it renews `index.html`."""

import importlib.util
import re
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def gold_page(folder: Path) -> str:
    """The page of a small fixed report, whole."""
    from evalshift.analysis.page import render_page
    from evalshift.analysis.summary.stored import summarize

    fixtures = _module(ROOT / "tests" / "analysis" / "conftest.py")
    store = fixtures.with_letters(fixtures.Store(folder / "results"))
    store.counts("table-old", 1000, {"one": (900, None), "two": (800, None)})
    store.counts("table-new", 500, {"one": (400, None), "two": (350, None)})
    store.results.add_pairs(["table-old:table-new"])
    return render_page(summarize(store.results, resamples=100, command="evalshift report --bootstrap 100"))


def _module(file: Path) -> Any:
    """A Python file by its place: several files are called conftest."""
    spec = importlib.util.spec_from_file_location(f"gold_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scrubbed(page: str) -> str:
    """The page without what changes with time or machine."""
    from evalshift import __version__
    from evalshift.analysis.page.render import _plotly

    page = page.replace(str(_plotly()), "/* plotly's script */")
    page = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "DATE", page)
    return page.replace(__version__, "VERSION")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        whole = gold_page(Path(made))
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "gold.html").write_text(whole, "utf-8")
    (HERE / "index.html").write_text(scrubbed(whole), "utf-8")
