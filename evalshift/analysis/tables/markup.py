"""Text that Markdown and LaTeX show as it stands."""

import re

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$#])")
# GitHub reads an underscore as emphasis at the edge of a word alone; inside a word it stays readable unescaped.
_MARKDOWN_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")

_LATEX_SPECIAL = str.maketrans(
    {
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
)


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
    escaped = " ".join(text.split()).translate(_LATEX_SPECIAL)
    return escaped.replace("--", "-{}-")  # else two hyphens would become a dash


def escape_label(name: str) -> str:
    """A name as a label of LaTeX, which takes letters, digits and a few signs.

    >>> escape_label("digits_vs_new_top1")
    'digits-vs-new-top1'
    """
    return re.sub(r"[^A-Za-z0-9.:+-]+", "-", name)
