"""The table of one metric as CSV for machines, Markdown for GitHub and LaTeX for papers.

CSV holds everything, unrounded. Markdown and LaTeX follow tables 7 and 11 of Recht et al. 2019: accuracies in per cent
to one decimal, rounded from the exact fraction of counts, with their interval.
"""

import re
from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.summary import MetricSummary

BEYOND_CHANCE = "* beyond chance"

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$#])")
# GitHub reads an underscore as emphasis at the edge of a word alone; inside a word it stays readable unescaped.
_MARKDOWN_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def to_csv(summary: MetricSummary) -> str:
    """All columns of the table in full precision: one header, a row a model, fractions and counts, lines end in \\n."""
    return summary.table.to_csv(index=False, lineterminator="\n")


def to_markdown(summary: MetricSummary) -> str:
    """A table that GitHub renders, names escaped."""
    return markdown_of(readable(summary), names=("Model",))


def to_latex(summary: MetricSummary) -> str:
    """A `tabular` for a document that loads booktabs and nothing else, names escaped."""
    comment = f"{100 * summary.level:g} % Clopper-Pearson intervals in brackets; drop in percentage points."
    comment += f" {BEYOND_CHANCE}." if has_real_changes(summary) else ""
    return latex_of(readable(summary, minus="$-$"), comment, names=("Model",))


def markdown_of(table: pd.DataFrame, names: Sequence[str]) -> str:
    """A table of text as GitHub renders it; the columns `names` stand left and are escaped."""
    cells = table.assign(**{column: table[column].map(escape_markdown) for column in names})
    rules = (":---" if column in names else "---:" for column in table.columns)
    return "".join(f"| {' | '.join(row)} |\n" for row in (table.columns, rules, *cells.to_numpy()))


def latex_of(table: pd.DataFrame, comment: str, names: Sequence[str]) -> str:
    """A table of text as a `tabular` under a comment; the columns `names` stand left and are escaped."""
    cells = table.assign(**{column: table[column].map(escape_latex) for column in names})
    header = [escape_latex(column).replace("Δ", r"$\Delta$") for column in table.columns]
    sides = "".join("l" if column in names else "r" for column in table.columns)
    return tabular(comment, sides, header, cells)


def has_real_changes(summary: MetricSummary) -> bool:
    """Whether any Δ rank of the table carries a star."""
    return bool(summary.table["delta_rank_real"].fillna(False).any())


def readable(summary: MetricSummary, minus: str = "−") -> pd.DataFrame:
    """The table as it is read, all text: a row a model, best on the original set first; a star marks a Δ rank that is
    beyond chance.
    """
    table, kind = summary.table, f"top-{METRICS[summary.outcomes.metric]}"
    return pd.DataFrame(
        {
            "Rank": table["original_rank"].astype(str),
            "Model": table["model"],
            f"Original {kind} (%)": _with_intervals(table, "original_accuracy", "original", minus),
            f"New {kind} (%)": _with_intervals(table, "new_accuracy", "new", minus),
            "Drop": [percent(drop, minus) for drop in table["drop"]],
            "New rank": table["new_rank"].astype(str),
            "Δ rank": [
                f"{change}{'*' if real is not pd.NA and real else ''}".replace("-", minus)
                for change, real in zip(table["delta_rank"], table["delta_rank_real"], strict=True)
            ],
        }
    )


def percent(fraction: float, minus: str = "−") -> str:
    """A fraction in per cent to one decimal, without a negative zero.

    >>> percent(0.8248), percent(-0.0213), percent(-0.0001)
    ('82.5', '−2.1', '0.0')
    """
    return f"{100 * fraction:z.1f}".replace("-", minus)


def tabular(comment: str, sides: str, header: list[str], rows: pd.DataFrame) -> str:
    """Cells that LaTeX sets as they stand, as a `tabular` with the rules of booktabs; `comment` goes above it."""
    lines = [
        f"% {comment}",
        rf"\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        r"\toprule",
        rf"{' & '.join(header)} \\",
        r"\midrule",
        *(rf"{' & '.join(cells)} \\" for cells in rows.to_numpy()),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    r"""Text that Markdown shows as it stands, in one table cell.

    >>> print(escape_markdown("a|b _c_ resnet_v2"))
    a\|b \_c\_ resnet_v2
    """
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _MARKDOWN_UNDERSCORE.sub(r"\\_", escaped)


def escape_latex(text: str) -> str:
    r"""Text that LaTeX sets as it stands.

    >>> print(escape_latex("vgg_16 & 50%"))
    vgg\_16 \& 50\%
    """
    escaped = "".join(_LATEX_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
    return escaped.replace("--", "-{}-")  # else two hyphens would become a dash


def _with_intervals(table: pd.DataFrame, value: str, bounds: str, minus: str) -> list[str]:
    columns = (table[value], table[f"{bounds}_low"], table[f"{bounds}_high"])
    return [
        f"{percent(centre, minus)} [{percent(low, minus)}, {percent(high, minus)}]"
        for centre, low, high in zip(*columns, strict=True)
    ]
