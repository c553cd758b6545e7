"""A Summary -> one self-contained HTML file, for light and dark, screen, phone and print."""

from evalshift.analysis.page.gallery import hard_thumbnails
from evalshift.analysis.page.render import render_page

__all__ = ["hard_thumbnails", "render_page"]
