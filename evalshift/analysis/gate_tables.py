"""The gate's table as it is read: on the page, in Markdown and in LaTeX. CSV holds everything, unrounded."""

from collections.abc import Callable

import pandas as pd

from evalshift.analysis.gate import as_printed
from evalshift.analysis.tables import escape_latex, escape_markdown

_NUMBERS = ("Published (%)", "Found (%)", "Images off", "p (Holm)")


def readable_gate(table: pd.DataFrame, minus: str = "−") -> pd.DataFrame:
    """A row for each published accuracy, farthest off first, all text."""
    return pd.DataFrame(
        {
            "Model": table["model"].astype(str),
            "Test set": table["dataset"].astype(str),
            "Published (%)": [as_printed(accuracy) for accuracy in table["published"]],
            "Found (%)": [f"{100 * accuracy:.2f}" for accuracy in table["accuracy"]],
            "Images off": [f"{images:+,}".replace("-", minus) if images else "0" for images in table["images"]],
            "p (Holm)": ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in table["p_holm"]],
            "Verdict": table["verdict"].astype(str),
            "Likely cause": table["likely_cause"].astype(str),
            "Checkpoint chosen on": table["selected_on"].fillna("").astype(str),
        }
    )


def gate_to_csv(table: pd.DataFrame) -> str:
    """All columns in full precision."""
    return table.to_csv(index=False, lineterminator="\n")


def gate_to_markdown(table: pd.DataFrame) -> str:
    """A table that GitHub renders, escaped."""
    text = readable_gate(table)
    rules = ("---:" if column in _NUMBERS else ":---" for column in text.columns)
    rows = (map(escape_markdown, cells) for cells in text.to_numpy())
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (text.columns, rules, *rows))


def gate_to_latex(table: pd.DataFrame) -> str:
    """A `tabular` for a document that loads booktabs and nothing else, escaped; causes are broken over lines."""
    text = readable_gate(table, minus="-")
    sides = "".join(
        "p{6cm}" if column == "Likely cause" else "r" if column in _NUMBERS else "l" for column in text.columns
    )
    rows = (" & ".join(map(_latex, cells)) for cells in text.to_numpy())
    lines = [
        "% Accuracies beside the published ones; p-values exact, of other images of the same kind.",
        rf"\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        r"\toprule",
        rf"{' & '.join(map(_latex, text.columns))} \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


GATE_TABLES: dict[str, Callable[[pd.DataFrame], str]] = {
    "csv": gate_to_csv,
    "md": gate_to_markdown,
    "tex": gate_to_latex,
}


def _latex(text: str) -> str:
    escaped = escape_latex(text).replace("…", r"\dots{}").replace("×", r"$\times$")
    return f"${escaped}$" if text[:1] in "+-" and text[1:2].isdigit() else escaped
