"""Makes the gallery: runs every example, keeps the pictures they draw, and writes docs/gallery.md: `make gallery`."""

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

# In the order in which one meets them; the page has them all.
ORDER = (
    "scatter",
    "scatter_probit",
    "multiples",
    "scatter_against",
    "robustness",
    "ranks",
    "classes",
    "agreement",
    "decomposition",
    "intensities",
    "own_figure",
)

_HEAD = """\
# Gallery

Each picture is what the script beside it draws, from data that comes with evalshift; nothing is downloaded.
`python examples/scatter.py` writes `scatter.png` into the current folder, `python examples/scatter.py figures` into the
folder `figures`. `make gallery` made this page.
"""


def main() -> None:
    for folder in (WORK, PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    # Elsewhere than in the repository, where results of one's own may lie. What one example has run, the next finds.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    for name in ORDER:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(PICTURES)]
        subprocess.run(command, check=True, cwd=WORK, env=environment)
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The gallery's text: of each example its title, what its docstring says, the picture and the code."""
    return "\n".join([_HEAD, *map(_section, ORDER)])


def _section(name: str) -> str:
    source = (EXAMPLES / f"{name}.py").read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None, f"{name}.py says nothing about itself"
    title, text = docstring.split("\n\n", 1)
    code = source.split('"""', 2)[2].strip()
    picture = f"![{title}](images/gallery/{name}.png)"
    return (
        f"## {title}\n\n{text}\n\n{picture}\n\n[examples/{name}.py](../examples/{name}.py)\n\n```python\n{code}\n```\n"
    )


if __name__ == "__main__":
    main()
