"""Contact sheets: a few images of each class of one or two datasets, side by side, framed by correct and incorrect."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from evalshift.errors import UsageError, did_you_mean
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.thumbnails import data_url, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Blue and orange of the palette of Okabe and Ito: distinguishable with any colour vision.
CORRECT, INCORRECT = "#0072B2", "#D55E00"
_GAP, _FRAME, _LABEL = 4, 3, 22


@dataclass(frozen=True, eq=False)
class Chosen:
    """The images of a sheet: for each class, positions in each dataset.

    correct  for each dataset the images classified correctly, or None
    """

    datasets: tuple[Dataset, ...]
    rows: Mapping[int, tuple[tuple[int, ...], ...]]
    correct: tuple[Bool[np.ndarray, " n"] | None, ...]

    def name(self, label: int) -> str:
        """What the class is called."""
        return self.datasets[0].classes.names[label]


def choose_images(
    datasets: Sequence[Dataset],
    per_class: int = 10,
    seed: int = 0,
    classes: Sequence[str] = (),
    correct: Sequence[Bool[np.ndarray, " n"] | None] | None = None,
) -> Chosen:
    """Up to `per_class` images of each class of each dataset, drawn at random.

    classes  names of those shown; none for all
    The same seed draws the same images of a class, whatever other classes are shown. Raises UsageError for a class that
    there is not, and for datasets of different label spaces.
    """
    first = datasets[0]
    if any(one.classes.names != first.classes.names for one in datasets):
        raise UsageError(
            "these datasets have other classes",
            found=" and ".join(one.classes.name for one in datasets),
            expected="datasets of one label space",
        )
    names = first.classes.names
    for name in classes:
        if name not in names:
            raise UsageError(f'there is no class "{name}" (`classes`)', fix=did_you_mean(name, names))
    present = np.unique(np.concatenate([one.labels for one in datasets])).tolist()
    wanted = [names.index(name) for name in classes] or present

    def draw(side: int, dataset: Dataset, label: int) -> tuple[int, ...]:
        places = np.flatnonzero(dataset.labels == label)
        rng = np.random.default_rng([seed, side, label])
        return tuple(sorted(rng.permutation(places)[:per_class].tolist()))

    rows = {label: tuple(draw(side, one, label) for side, one in enumerate(datasets)) for label in wanted}
    return Chosen(tuple(datasets), rows, tuple(correct or [None] * len(datasets)))


def sheet_picture(chosen: Chosen, size: int = 64) -> "Image":
    """The sheet as one picture: a row per class with its name, the datasets side by side, `size` pixels per image."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    cell = size + 2 * _FRAME + _GAP
    counts = [max((len(row[side]) for row in chosen.rows.values()), default=0) for side in range(len(chosen.datasets))]
    titles = [_title(one) for one in chosen.datasets]
    widths = [max(count * cell, round(font.getlength(title))) for count, title in zip(counts, titles, strict=True)]
    names = {label: chosen.name(label) for label in chosen.rows}
    left = round(max((font.getlength(name) for name in names.values()), default=0)) + 3 * _GAP
    starts = [left + sum(widths[:side]) + 4 * _GAP * side for side in range(len(widths))]
    total = (starts[-1] + widths[-1] + _GAP, _LABEL + cell * len(chosen.rows) + _GAP)
    picture = Image.new("RGB", total, "white")
    draw = ImageDraw.Draw(picture)
    for start, title in zip(starts, titles, strict=True):
        draw.text((start, _GAP), title, fill="black", font=font)
    for line, (label, sides) in enumerate(chosen.rows.items()):
        top = _LABEL + line * cell
        draw.text((_GAP, top + cell // 2 - 8), names[label], fill="black", font=font)
        for side, positions in enumerate(sides):
            for column, position in enumerate(positions):
                at = (starts[side] + column * cell, top)
                colour = _frame(chosen, side, position)
                if colour:
                    draw.rectangle((*at, at[0] + cell - _GAP - 1, at[1] + cell - _GAP - 1), fill=colour)
                small = _square(picture_of(chosen.datasets[side].images[position]), size)
                picture.paste(small, (at[0] + _FRAME, at[1] + _FRAME))
    return picture


def sheet_page(chosen: Chosen, size: int = 96) -> str:
    """The sheet as one HTML file that loads nothing; a picture says its id and class when pointed at."""
    heads = "".join(f"<th>{html.escape(_title(one))}</th>" for one in chosen.datasets)
    rows = "\n".join(
        f"<tr><th>{html.escape(chosen.name(label))}</th>"
        + "".join(
            "<td>" + "".join(_image(chosen, side, position, size) for position in positions) + "</td>"
            for side, positions in enumerate(sides)
        )
        + "</tr>"
        for label, sides in chosen.rows.items()
    )
    title = html.escape(" and ".join(_title(one) for one in chosen.datasets))
    legend = (
        f'<p><b style="color:{CORRECT}">Blue</b>: classified correctly, <b style="color:{INCORRECT}">orange</b>: '
        "incorrectly.</p>"
        if any(one is not None for one in chosen.correct)
        else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en" data-ready>
<head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1rem; }}
th {{ text-align: left; font-weight: 600; padding: 0 1rem .3rem 0; vertical-align: middle; }}
td {{ padding: 0 1.5rem .3rem 0; }}
img {{ width: {size}px; height: {size}px; object-fit: cover; border: 3px solid transparent; margin: 0 3px 0 0; }}
img.small {{ image-rendering: pixelated; }}
img.correct {{ border-color: {CORRECT}; }}
img.incorrect {{ border-color: {INCORRECT}; }}
</style></head>
<body><h1>{title}</h1>{legend}
<table><thead><tr><th></th>{heads}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def write_sheets(chosen: Chosen, stem: Path, formats: Sequence[str], size: int = 64) -> list[Path]:
    """Write the sheet as .png, .pdf and .html, those asked for; gives the files."""
    import io

    from evalshift.files import write_atomic

    written = []
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        if kind == "html":
            content = sheet_page(chosen).encode()
        else:
            buffer = io.BytesIO()
            sheet_picture(chosen, size).save(buffer, kind.upper())
            content = buffer.getvalue()
        write_atomic(path, content)
        written.append(path)
    return written


def _image(chosen: Chosen, side: int, position: int, size: int) -> str:
    dataset = chosen.datasets[side]
    said = html.escape(f"{dataset.ids[position]} · {dataset.classes.names[int(dataset.labels[position])]}", quote=True)
    known = chosen.correct[side]
    kind = "" if known is None else " correct" if known[position] else " incorrect"
    url = data_url(dataset.images[position], 2 * size)
    small = "small" if url.startswith("data:image/png") else "photo"
    return f'<img class="{small}{kind}" src="{url}" alt="{said}" title="{said}" loading="lazy">'


def _frame(chosen: Chosen, side: int, position: int) -> str | None:
    known = chosen.correct[side]
    return None if known is None else CORRECT if known[position] else INCORRECT


def _square(picture: "Image", size: int) -> "Image":
    """The middle square, `size` pixels on a side; small images are enlarged without smoothing."""
    from PIL import Image, ImageOps

    way = Image.Resampling.NEAREST if max(picture.size) <= size else Image.Resampling.LANCZOS
    return ImageOps.fit(picture.convert("RGB"), (size, size), way)


def _title(dataset: Dataset) -> str:
    return dataset.title or dataset.name
