"""`report --publish`: a folder of reports with an index, and previews of links."""

import re
from pathlib import Path

import pytest
from PIL import Image

from evalshift.analysis.report import Report
from evalshift.analysis.report.publication import publish
from evalshift.analysis.summary.stored import summarize
from evalshift.errors import UsageError


@pytest.fixture
def made(letters) -> Report:
    return Report(summarize(letters.results, resamples=20))


def test_reports_share_an_index_and_have_previews(made, tmp_path: Path):
    site = tmp_path / "site"
    page = publish(made, site, "first", "https://me.github.io/shift/", formats="html")
    publish(made, site, "second", formats="html")

    assert page == site / "first" / "index.html"
    facts = dict(re.findall(r'<meta property="([^"]+)" content="([^"]*)">', page.read_text("utf-8")))
    assert facts["og:image"] == "https://me.github.io/shift/first/preview.png"
    assert facts["og:url"] == "https://me.github.io/shift/first/"
    assert "old → new" in facts["og:title"]
    with Image.open(site / "first" / "preview.png") as preview:
        assert preview.size == (1200, 675)
    index = (site / "index.html").read_text("utf-8")
    assert set(re.findall(r'<h2><a href="([^"]+)">', index)) == {"first/", "second/"}
    assert "accuracy" in index
    assert (site / ".nojekyll").is_file()


def test_a_name_that_leads_elsewhere_is_refused(made, tmp_path: Path):
    for name in ("../elsewhere", "", ".git", "a/b"):
        with pytest.raises(UsageError, match="cannot be the folder"):
            publish(made, tmp_path / "site", name)
    with pytest.raises(UsageError, match="has a page"):
        publish(made, tmp_path / "site", "tables", formats="csv")
