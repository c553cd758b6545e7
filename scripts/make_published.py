"""Make the counts of a published testbed from its source files: python scripts/make_published.py timm --from FOLDER.

Writes the compressed counts into the testbed's folder in evalshift/testbed/published, or into --out, and prints what
became of every row. Its README.md says which files the folder needs, and at which commit.
"""

import argparse
import sys
from pathlib import Path

import published_geirhos2021
import published_papers
import published_robustbench
import published_taori2020
import published_timm
from published_files import PUBLISHED, Made, write_counts

from evalshift.errors import EvalshiftError

MAKERS = {
    "chrabaszcz2017": published_papers.make_chrabaszcz2017,
    "cinic10": published_papers.make_cinic10,
    "geirhos2021": published_geirhos2021.make,
    "robustbench": published_robustbench.make,
    "taori2020": published_taori2020.make,
    "timm": published_timm.make,
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the file is written, 2 when a source file is not what it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=sorted(MAKERS))
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: the testbed's folder")
    given = parser.parse_args(arguments)
    try:
        made: Made | list[Made] = MAKERS[given.name](given.source)
    except EvalshiftError as error:
        print(error, file=sys.stderr)
        return 2
    folder = given.out or PUBLISHED / given.name
    files = made if isinstance(made, list) else [made]
    print("\n".join(dict.fromkeys(note for one in files for note in one.notes)))
    for one in files:
        write_counts(one, folder / one.file)
        print(f"{folder / one.file}: {len(one.rows)} models, {(folder / one.file).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
