"""A folder of reports for a static site such as GitHub Pages: an index of them, and a preview image of each."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from evalshift.analysis.plot_data.sizes import SLIDE
from evalshift.analysis.summary import Summary
from evalshift.errors import DataError, UsageError, type_and_message
from evalshift.files import json_content, write_atomic
from evalshift.formatting import counted

if TYPE_CHECKING:
    from evalshift.analysis.report.record import Report

PREVIEW = "preview.png"
_FACTS = "evalshift.json"  # file in a report's folder with its index entry
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Published:
    """A report of the site: its folder, its title, its finding in a sentence, and when it was made."""

    name: str
    title: str
    finding: str
    created: str


def check_name(name: str) -> str:
    """The name, if it is valid as a folder in a URL; raises UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "this cannot be the folder of a published report",
            found=f'"{name}"',
            expected="letters, digits, full stops, hyphens and underscores",
        )
    return name


def title_of(summary: Summary) -> str:
    """The title of the report: its pairs."""
    return summary.pairs[0].title if len(summary.pairs) == 1 else f"{counted(len(summary.pairs), 'pair')} of test sets"


def finding_of(summary: Summary) -> str:
    """The first finding of the first pair, without its details."""
    pair = summary.pairs[0]
    metric = pair.metrics.get(summary.metric) or next(iter(pair.metrics.values()))
    return metric.headline(summary.scale)[0].partition(" The smallest ")[0]


def head(summary: Summary, url: str | None) -> Markup:
    """The lines of a page's head for its preview where a link to it is shared.

    `url` is the address of the report's folder; without it, the image has a relative address, which some services do
    not follow.
    """
    base = "" if url is None else f"{url.rstrip('/')}/"
    facts = {
        "og:type": "article",
        "og:title": f"evalshift: {title_of(summary)}",
        "og:description": finding_of(summary),
        "og:image": f"{base}{PREVIEW}",
        "og:image:width": "1200",
        "og:image:height": "675",
        **({} if url is None else {"og:url": base}),
    }
    lines = [Markup('<meta property="{}" content="{}">').format(*fact) for fact in facts.items()]
    return Markup("\n").join([*lines, Markup('<meta name="twitter:card" content="summary_large_image">')])


def publish(report: "Report", site: Path, name: str, url: str | None = None, **choices: Any) -> Path:
    """Write the report to the folder `name` of `site` with a preview image, and update the index; returns its page.

    `url` is the future address of `site`, for previews. `choices` are those of `Report.save`.
    Raises UsageError for an invalid folder name, or formats without a page.
    """
    page = report.save(site / check_name(name), **choices)
    if page.name != "index.html":
        raise UsageError("a published report has a page", found="formats without html", expected="html among them")
    summary, of_report = report.summary, None if url is None else f"{url.rstrip('/')}/{name}"
    before, title, after = page.read_text("utf-8").partition("</title>")
    write_preview(report, page.with_name(PREVIEW))
    write_atomic(page, f"{before}{title}\n{head(summary, of_report)}{after}".encode())
    add_to_index(site, name, summary)
    return page


def write_preview(report: "Report", path: Path) -> None:
    """The scatter plot as an image of 1200 × 675 pixels."""
    figure = report.draw("scatter", size=SLIDE.name)
    figure.set_size_inches(SLIDE.width, SLIDE.width * 675 / 1200)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=1200 / SLIDE.width)
    write_atomic(path, image.getvalue())


def add_to_index(site: Path, name: str, summary: Summary) -> Path:
    """Write the report's index entry to its folder, and the site's index of all reports, newest first."""
    facts = {"title": title_of(summary), "finding": finding_of(summary), "created": summary.created}
    write_atomic(site / name / _FACTS, json.dumps(facts, ensure_ascii=False, indent=1).encode())
    write_atomic(site / ".nojekyll", b"")  # GitHub Pages would leave out names that begin with an underscore
    write_atomic(site / "index.html", _index(_reports(site)).encode())
    return site / "index.html"


def _reports(site: Path) -> list[Published]:
    found = []
    for file in sorted(site.glob(f"*/{_FACTS}")):
        try:
            facts: Mapping[str, Any] = json_content(file.read_text("utf-8"))
            found.append(Published(file.parent.name, *(str(facts[name]) for name in ("title", "finding", "created"))))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(
                "what a published report says of itself cannot be read",
                where=file,
                found=type_and_message(error),
                expected="its title, finding and date, as they were written with the report",
                fix="publish that report again, or delete its folder",
            ) from error
    return sorted(found, key=lambda one: one.created, reverse=True)


_PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>evalshift reports</title>
<style>
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
ul {{ display: grid; gap: 1.5rem; padding: 0; list-style: none; }}
ul {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }}
img {{ display: block; width: 100%; aspect-ratio: 16 / 9; object-fit: contain; background: #fff; }}
h1 {{ font-size: 1.5rem; }} h2 {{ margin: .5rem 0 .2rem; font-size: 1.1rem; }} p {{ margin: 0; }}
time {{ font-size: .85rem; opacity: .8; }}
</style>
</head>
<body>
<main>
<h1>evalshift reports</h1>
<ul>
{reports}
</ul>
</main>
</body>
</html>
""")
_ITEM = Markup(
    '<li><a href="{name}/"><img src="{name}/{preview}" alt="" loading="lazy"></a>'
    '<h2><a href="{name}/">{title}</a></h2><p>{finding}</p><time>{created}</time></li>'
)


def _index(reports: list[Published]) -> str:
    items = [
        _ITEM.format(name=one.name, preview=PREVIEW, title=one.title, finding=one.finding, created=one.created[:10])
        for one in reports
    ]
    return str(_PAGE.format(reports=Markup("\n").join(items)))
