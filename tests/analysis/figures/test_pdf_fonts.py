import io
from typing import Any

import matplotlib as mpl
import pytest
from fontTools import subset
from fontTools.ttLib import TTFont
from matplotlib.backends import _backend_pdf_ps as of_matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from evalshift.analysis.figures.files import render
from evalshift.analysis.figures.pdf_fonts import quick_fonts


def test_fonts_in_a_pdf_have_the_glyphs_but_not_the_tables_that_combine_letters() -> None:
    figure = Figure()
    figure.text(0.1, 0.5, "fit AVA Φ⁻¹")
    before = subset.load_font, of_matplotlib.get_glyphs_subset
    with mpl.rc_context({"pdf.compression": 0}):
        content = render(figure, "pdf")
    assert b"/FontFile2" in content
    assert b"glyf" in content
    assert b"GPOS" not in content
    assert b"GSUB" not in content
    assert (subset.load_font, of_matplotlib.get_glyphs_subset) == before  # other programs' PDFs are not changed


@pytest.mark.parametrize("text", ["CIFAR-10.1 Δ ≥ −0.5, Φ⁻¹(é)", "ResNet 山 Ж", "\ufb01 ∮"])
def test_an_embedded_font_is_that_of_matplotlib(text: str) -> None:
    if not hasattr(of_matplotlib, "SubsetResults"):
        pytest.skip("matplotlib before 3.11 asks for characters, and is left as it is")
    file = findfont("DejaVu Sans")
    glyphs = {get_font(file).get_char_index(ord(letter)) for letter in text}
    expected, numbers = _embedded(file, glyphs)
    with quick_fonts():
        font, found = _embedded(file, glyphs)
    assert found == numbers
    for table in ("glyf", "loca", "hmtx", "cmap", "post", "name", "OS/2", "fpgm", "prep", "cvt "):
        assert font.getTableData(table) == expected.getTableData(table), table


def _embedded(file: str, glyphs: Any) -> tuple[TTFont, dict[int, int]]:
    with of_matplotlib.get_glyphs_subset(file, glyphs) as made:
        font = TTFont(io.BytesIO(of_matplotlib.font_as_file(made.font).getvalue()))
        return font, {glyph: made.glyph_index_map[glyph] for glyph in glyphs}
