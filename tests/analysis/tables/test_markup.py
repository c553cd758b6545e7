"""Names that Markdown and LaTeX show as they stand."""

import pytest

from evalshift.analysis.tables.markup import escape_latex, escape_markdown


@pytest.mark.parametrize(
    "name,escaped",
    [
        ("resnet_v2_50", "resnet_v2_50"),
        ("_private_", "\\_private\\_"),
        ("a|b", "a\\|b"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
        ("$x$ `y` *z* [w]", "\\$x\\$ \\`y\\` \\*z\\* \\[w\\]"),
        ("two\nlines", "two lines"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_markdown_escapes(name, escaped):
    assert escape_markdown(name) == escaped


@pytest.mark.parametrize(
    "name,escaped",
    [
        ("resnet_v2_50", "resnet\\_v2\\_50"),
        ("50% & #1 $", "50\\% \\& \\#1 \\$"),
        ("{x}^2~\\n", "\\{x\\}\\textasciicircum{}2\\textasciitilde{}\\textbackslash{}n"),
        ("<a|b>", "\\textless{}a\\textbar{}b\\textgreater{}"),
        ("a--b---c", "a-{}-b-{}--c"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_escapes(name, escaped):
    assert escape_latex(name) == escaped
