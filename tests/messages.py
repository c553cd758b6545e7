"""The texts of errors: a test names the fields that are behaviour; the whole text is held in `messages.txt` for review.

`pytest --renew-messages` (`make messages`) writes the texts of the tests that are run into that file.
"""

import fcntl
import os
import re
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("messages.txt")
ROOT = FILE.parents[1]
UNNAMED: Any = object()
_BETWEEN = "\n    --\n"


class Snapshot:
    """The texts of `messages.txt` by test, and what the tests of this process have said."""

    def __init__(self) -> None:
        self.renew = False
        self.temporary = Path("/nonexistent")
        self.kept = read() if FILE.is_file() else {}
        self.said: dict[str, list[str]] = {}

    def scrubbed(self, text: str) -> str:
        """The text without what changes with machine and run: folders, ports, the number of a temporary folder."""
        text = re.sub(rf"{re.escape(str(self.temporary))}/[^/\s,;:'\")]+", "TMP", text)
        for folder, name in ((ROOT, "ROOT"), (sys.prefix, "PYTHON"), (Path.home(), "HOME")):
            text = text.replace(str(folder), name)
        return re.sub(r"(127\.0\.0\.1|localhost):\d+", "HOST", text)

    def check(self, text: str) -> None:
        """Compare the next text of the running test with the stored one, or store it."""
        test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" (", 1)[0]
        said = self.said.setdefault(test, [])
        said.append(self.scrubbed(text))
        if not self.renew:
            kept = self.kept.get(test, [])
            assert len(said) <= len(kept), f"not in {FILE.name}, `make messages` adds it:\n{said[-1]}"
            assert said[-1] == kept[len(said) - 1]

    def write(self, tests: set[str], in_part: set[str]) -> None:
        """Store what was said; texts go whose tests are gone from their file.

        tests    all that were found in the files that were read, whether they ran or not
        in_part  the files of which only some were looked for; all texts of these stay
        """
        files = {test.partition("::")[0] for test in tests} - in_part
        with FILE.open("a+", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # tests run in several processes
            gone = {test for test in read() if test.partition("::")[0] in files and test not in tests}
            texts = {test: said for test, said in (read() | self.said).items() if test not in gone}
            FILE.write_text("\n".join(_section(test, texts[test]) for test in sorted(texts)), "utf-8")


def read(file: Path | None = None) -> dict[str, list[str]]:
    """Test → its texts, in the order in which it checks them; from `FILE`, or another."""
    sections = re.split(r"^(?=\S)", (file or FILE).read_text("utf-8"), flags=re.MULTILINE)
    texts = {}
    for section in filter(None, sections):
        test, _, body = section.rstrip("\n").partition("\n")
        texts[test] = [re.sub(r"^    ", "", text, flags=re.MULTILINE) for text in body.split(_BETWEEN)]
    return texts


def _section(test: str, texts: list[str]) -> str:
    body = _BETWEEN.join(re.sub(r"^(?=.)", "    ", text, flags=re.MULTILINE) for text in texts)
    return f"{test}\n{body}\n"


def says(
    message: object, *, where: Any = UNNAMED, found: Any = UNNAMED, expected: Any = UNNAMED, fix: Any = UNNAMED
) -> None:
    """The message has these fields, and the words that `messages.txt` has for it.

    `expected` and `fix` are named where they are computed; `messages.txt` then has … for them.
    """
    text = str(message).rstrip("\n")  # a command ends its line
    named = {"where": where, "found": found, "expected": expected, "fix": fix}
    fields = dict(re.findall(r"^ {2}(where|found|expected|fix): +(.*(?:\n(?! {2}\w+: ).+)*)", text, re.MULTILINE))
    given = {label: str(value) for label, value in named.items() if value is not UNNAMED}
    assert {label: fields.get(label) for label in given} == given
    for label in {"expected", "fix"} & set(given):
        text = text.replace(f"  {label + ':':<10}{given[label]}", f"  {label + ':':<10}…")
    SNAPSHOT.check(text)


SNAPSHOT = Snapshot()
