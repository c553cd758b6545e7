"""Make the gallery (`make gallery`): run every example, keep its figure, and write docs/gallery.md."""

import ast
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples"
PICTURES = HERE / "gallery"
PAGE = ROOT / "docs" / "gallery.md"
WORK = ROOT / "build" / "gallery"

# In the order of the page, which has them all.
ORDER = (
    "scatter",
    "scatter_probit",
    "scales",
    "multiples",
    "grid",
    "scatter_against",
    "color_by",
    "robustness",
    "ranks",
    "classes",
    "class_curves",
    "agreement",
    "reliability",
    "risk_coverage",
    "decomposition",
    "intensities",
    "revisions",
    "own_figure",
)

_HEAD = """\
# Gallery

All figures of evalshift, each with the script that draws it from data that come with evalshift, without a download.
`python examples/scatter.py` writes `scatter.png` to the current folder, `python examples/scatter.py figures` writes it
to the folder `figures`. (`make gallery` generates this page.)
"""


def main() -> None:
    for folder in (WORK, PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    # Outside the repository, which may hold your own results. Examples share their results.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    for name in ORDER:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(PICTURES)]
        subprocess.run(command, check=True, cwd=WORK, env=environment)
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The text of the gallery: title, docstring, figure and code of each example."""
    return "\n".join([_HEAD, *map(_section, ORDER)])


def _section(name: str) -> str:
    source = (EXAMPLES / f"{name}.py").read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None, f"{name}.py has no docstring"
    title, text = docstring.split("\n\n", 1)
    code = source.split('"""', 2)[2].strip()
    picture = f"![{title}](images/gallery/{name}.png)"
    return (
        f"## {title}\n\n{text}\n\n{picture}\n\n[examples/{name}.py](../examples/{name}.py)\n\n```python\n{code}\n```\n"
    )


if __name__ == "__main__":
    main()
