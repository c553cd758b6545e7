"""The report as one self-contained HTML file, in light and dark, for screen, phone and print."""

from evalshift.analysis.page.gallery import hard_thumbnails, picture_sources
from evalshift.analysis.page.render import render_page

__all__ = ["hard_thumbnails", "picture_sources", "render_page"]
