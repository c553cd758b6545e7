"""The texts say what a paper would say: words that evalshift once used for standard terms do not come back.

Run as a script it counts them: `python tests/test_words.py [FOLDER]`, where FOLDER is a checkout of any version.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Pattern of what is not said (a space also matches a line break; an underscore is a space) → what is said.
SAY = {
    r"\banswer(s|ed|ing)?\b": "predictions, to predict; a server responds",
    r"\bbeyond chance\b": "statistically significant",
    r"\btold apart\b|\btell apart\b": "significantly different",
    r"\b(a|one) (row|image|model|class|batch|line|column|set|pair|file|cell|folder) an? (?!time)\w+": "per",
    r"\bmodule a format\b|\b(images|models|points|threads|files|seconds) an? "
    r"(second|batch|class|model|set|core|family|row|year|image)\b|\beach an? (model|image|class|row)\b": "per",
    r"\b(is|are|be|was|were|not) held against\b": "compared with",
    r"\b(models?|it|they|one) takes? (two|three|five|at least|a line)\b": "needs",
    r"\bfor want of\b": "because … is missing",
    r"\berr(s|ed|ing)? (together|alike)\b": "correlated errors",
    r"\bluck(y|iest|ier)?\b|\bunlucky\b": "sampling error",
    r"\bdr(aw|awn|ew) again\b|\bdrawn models\b": "resampled; bootstrap resamples",
    r"\bstand(s|ing)? (off|above|below) the line": "effective robustness; above or below the line",
    r"\bstand(s|ing)? twice\b|\bthere twice\b": "duplicate",
    r"\bleft out is predicted\b|\blines? of the others?\b(?! model)": "leave-one-out error; line of the other models",
    r"\bharder distribution\b": "distribution shift",
    r"\bhow sure\b|\btoo sure\b": "95 % confidence interval",
    r"\b(get|gets|got|getting|gotten) (it |them |these )?(right|wrong)\b": "correct, incorrect",
    r"\b(always|both|all|none|often|never|either|more|fewer|most) (right|wrong)\b(?! order)": "correct, incorrect",
    r"\b(right|wrong) (answer|prediction)s?\b|\bright or wrong\b|\bcount right\b": "correct, incorrect",
    r"\bkept answers\b|\bimage answers\b": "predictions",
    r"\bstamp(s|ed)?\b|\bmark of (the )?(rows|labels|images)\b": "checksum, fingerprint",
    r"\bsurroundings\b": "data access",
    r"\bgates?\b": "expected accuracy check",
    r"\b(bring|brings|brought) in\b": "import",
    r"\bin the place of\b": "overwrite, replace",
    r"\b(taken|takes|take) up where\b": "resume",
    r"\b(not|is|are) to be had\b|\b(can|cannot|could|cannot) be had\b": "available; not computed, because …",
    r"\bwhy not\b": "not computed because",
    r"\bput commas\b": "comma-separated; repeatable",
    r"\bat hand\b": "available, installed, stored, found",
    r"['\"]do:": "fix:",
}
# Words of users' files, which are read whatever they say.
READ = {"evalshift/evaluate/importers/headings.py", "evalshift/testbed/cells.py"}
# Where an earlier name is still read, and the history of the schema names it.
KEPT = {("evalshift/evaluate/store/sealed_files.py", "stamp")}
WHOLE = ("README.md", "CONTRIBUTING.md", "registry.yaml", "Makefile", "examples", "benchmarks", "docs", "evalshift")


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each file; of tests only names, docstrings and comments, of the changelog what is unreleased."""
    for name in WHOLE:
        files = sorted((root / name).rglob("*")) if (root / name).is_dir() else [root / name]
        for file in files:
            if file.suffix in {".py", ".md", ".html", ".js", ".yaml", ""} and file.is_file():
                relative = file.relative_to(root).as_posix()
                if relative not in READ:
                    yield relative, file.read_text("utf-8")
    for file in sorted((root / "tests").rglob("*.py")):
        if file.name != Path(__file__).name:
            yield file.relative_to(root).as_posix(), _spoken(file.read_text("utf-8"))
    yield "CHANGELOG.md", _unreleased((root / "CHANGELOG.md").read_text("utf-8"))


def found(text: str) -> Iterator[tuple[str, int, str]]:
    """Pattern, line and words of each place that does not say the standard term."""
    text = text.replace("_", " ")
    for pattern in SAY:
        for match in re.finditer(pattern.replace(" ", r"[\s#]+"), text, re.IGNORECASE):
            yield pattern, text.count("\n", 0, match.start()) + 1, " ".join(match[0].split())


def _spoken(code: str) -> str:
    """Names of tests, docstrings and comments of Python code, each on its line."""
    lines = [""] * (code.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] += f" {token.string}"
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            if not isinstance(node, ast.Module):
                lines[node.lineno] += f" {node.name}"
            for number, line in enumerate((ast.get_docstring(node) or "").splitlines()):
                lines[node.body[0].lineno + number] += f" {line}"
    return "\n".join(lines[1:])


def _unreleased(changelog: str) -> str:
    """The part on top, without what is quoted: it names what things were called."""
    part = re.split(r"^## ", changelog, flags=re.MULTILINE)[1]
    return re.sub(r"`[^`]*`|\"[^\"]*\"", lambda quoted: re.sub(r"[^\n]", " ", quoted[0]), part)


def test_standard_terms_are_used() -> None:
    places = [
        f"{name}:{line}: {words!r}; say: {SAY[pattern]}"
        for name, text in texts(ROOT)
        for pattern, line, words in found(text)
        if (name, words) not in KEPT
    ]
    assert not places, "\n".join([f"{len(places)} places", *places])


def test_words_are_found_across_lines_in_names_and_comments() -> None:
    code = (
        'def test_ranks_beyond_chance():\n    """Each is stored, a row a\n    model."""\n'
        '    x = "told apart"  # at hand\n'
    )
    assert sorted((line, words) for _, line, words in found(_spoken(code))) == [
        (1, "beyond chance"),
        (2, "a row a model"),
        (4, "at hand"),
    ]


def test_quoted_old_names_of_the_changelog_are_no_fault() -> None:
    changelog = (
        '# Changelog\n\n## Unreleased\n\n- `x`, before: "Beyond chance".\n- Told apart.\n\n## 0.1\n\n- at hand\n'
    )
    assert [(line, words) for _, line, words in found(_unreleased(changelog))] == [(4, "Told apart")]


if __name__ == "__main__":
    counts = Counter(
        pattern
        for name, text in texts(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
        for pattern, _, words in found(text)
        if (name, words) not in KEPT
    )
    for shown in SAY:
        sys.stdout.write(f"{counts[shown]:5}  {shown}\n")
    sys.stdout.write(f"{sum(counts.values()):5}  in all\n")
