"""A page to review near-duplicates by eye: an image beside its nearest neighbours, yes or no by a key."""

import hashlib
import json
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from evalshift.files import file_name
from evalshift.publishing import HIDDEN, visible_text
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.duplicates import Decisions, Search
from evalshift.testbed.thumbnails import data_url

# The longer side of a picture in pixels; the page shows small images larger.
_SIZE = 192


def review_page(search: Search, images: int, beside: int, decisions: Decisions | None = None) -> str:
    """One HTML file that loads nothing: the likeliest `images` of the search, `beside` neighbours next to each.

    decisions  those made before; the page begins at the first image without one
    Keys: y yes, n no, 1 to 9 yes and of which, ← and → go back and on, s saves. Decisions are kept by the browser as
    they are made, and saved as CSV that `read_decisions` reads and the page loads again. Names are escaped, and shown
    without what hides letters or turns their order; in the CSV they are as they were.
    """
    shown = search.order[:images].tolist()
    pictures: dict[str, str] = {}

    def picture(dataset: Dataset, side: str, position: int) -> str:
        key = f"{side}{position}"
        if key not in pictures:
            pictures[key] = data_url(dataset.images[position], _SIZE)
        return key

    rows = [
        {
            "image": search.queries.ids[place],
            "class": _class(search.queries, place),
            "picture": picture(search.queries, "q", place),
            "near": [
                {
                    "image": search.references.ids[other],
                    "class": _class(search.references, other),
                    "picture": picture(search.references, "r", other),
                    "distances": _distances(search, place, other),
                }
                for other in search.candidates(place, beside)
            ],
        }
        for place in shown
    ]
    title = (
        f"{_title(search.queries)} in itself"
        if search.queries is search.references
        else f"{_title(search.queries)} in {_title(search.references)}"
    )
    content = {
        "key": hashlib.sha256(json.dumps([row["image"] for row in rows]).encode()).hexdigest()[:16],
        "file": file_name(f"{search.queries.name}-duplicates.csv"),
        "hidden": HIDDEN.pattern,
        "rows": rows,
        "pictures": pictures,
        "decisions": dict(decisions.seen) if decisions else {},
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("evalshift.image_pages").joinpath("review.html").read_text("utf-8")
    return environment.from_string(template).render(title=visible_text(title), content=Markup(_script_json(content)))


def _script_json(content: object) -> str:
    """JSON that may stand in a <script> element: nothing in it ends the element."""
    return json.dumps(content, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _title(dataset: Dataset) -> str:
    return dataset.title or dataset.name


def _class(dataset: Dataset, position: int) -> str:
    return dataset.classes.names[int(dataset.labels[position])]


def _distances(search: Search, place: int, other: int) -> str:
    """By which metrics the other image is near, and how far: SSIM as similarity."""
    said = []
    for metric, found in search.found.items():
        (where,) = (found.position[place] == other).nonzero()
        if len(where):
            far = float(found.distance[place, where[0]])
            said.append(f"SSIM {1 - far:.3f}" if metric == "ssim" else f"{metric} {far:.3g}")
    return ", ".join(said)
