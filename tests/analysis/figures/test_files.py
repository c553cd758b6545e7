import matplotlib as mpl
from fontTools import subset
from matplotlib.figure import Figure

from evalshift.analysis.figures.files import render


def test_fonts_in_a_pdf_have_the_glyphs_but_not_the_tables_that_combine_letters() -> None:
    figure = Figure()
    figure.text(0.1, 0.5, "fit AVA Φ⁻¹")
    load_font = subset.load_font
    with mpl.rc_context({"pdf.compression": 0}):
        content = render(figure, "pdf")
    assert b"/FontFile2" in content
    assert b"glyf" in content
    assert b"GPOS" not in content
    assert b"GSUB" not in content
    assert subset.load_font is load_font  # other programs' PDFs are not changed
