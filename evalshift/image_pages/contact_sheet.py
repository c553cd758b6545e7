"""Contact sheets: a few images of each class of one or two datasets, side by side, framed by correct and incorrect."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Int

from evalshift.errors import UsageError, did_you_mean
from evalshift.evaluate.rows import are_positions, image_keys
from evalshift.formatting import name_some
from evalshift.publishing import visible_text
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.downsampling import check_small, make_small
from evalshift.testbed.thumbnails import data_url, picture_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Blue and orange of the palette of Okabe and Ito: distinguishable with any colour vision.
CORRECT, INCORRECT = "#0072B2", "#D55E00"
_GAP, _FRAME, _LABEL = 4, 3, 22
# Pixels on a side of an original that is shown whole beside small ones.
_WHOLE = 256
# Letters of a name in a picture.
_LONGEST = 100


@dataclass(frozen=True, eq=False)
class Chosen:
    """The images of a sheet: for each class, positions in each dataset.

    correct  for each dataset the images classified correctly, or None
    said     what is said of some classes after their names, such as their accuracy
    """

    datasets: tuple[Dataset, ...]
    rows: Mapping[int, tuple[tuple[int, ...], ...]]
    correct: tuple[Bool[np.ndarray, " n"] | None, ...]
    said: Mapping[int, str] = field(default_factory=dict)

    def name(self, label: int, short: bool = False) -> str:
        """What the class is called, `short` by the first of its synonyms, and what is said of it."""
        name = self.datasets[0].classes.names[label]
        name = _short(name) if short else name
        return f"{name}, {self.said[label]}" if label in self.said else name


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
    present = np.unique(np.concatenate([one.labels for one in datasets])).tolist()
    wanted = [_label_of(first.classes, name) for name in classes] or present
    if absent := [first.classes.names[label] for label in wanted if label not in present]:
        raise UsageError("there is no image of a class (`classes`)", found=name_some(absent))

    def draw(side: int, dataset: Dataset, label: int) -> tuple[int, ...]:
        places = np.flatnonzero(dataset.labels == label)
        rng = np.random.default_rng([seed, side, label])
        return tuple(sorted(rng.permutation(places)[:per_class].tolist()))

    rows = {label: tuple(draw(side, one, label) for side, one in enumerate(datasets)) for label in wanted}
    return Chosen(tuple(datasets), rows, tuple(correct or [None] * len(datasets)))


def _label_of(space: ClassSpace, name: str) -> int:
    """The label of a class by its name, the first of its synonyms, or its folder, such as a wnid."""
    for known in (space.names, [_short(one) for one in space.names], space.folders or ()):
        if list(known).count(name) == 1:
            return list(known).index(name)
    raise UsageError(
        f'there is no class "{name}" (`classes`)',
        fix=did_you_mean(name, [*space.names, *map(_short, space.names)]),
    )


def _short(name: str) -> str:
    """The first of the synonyms of a class.

    >>> _short("tench, Tinca tinca (n01440764)"), _short("cat")
    ('tench', 'cat')
    """
    return name.partition(",")[0].partition(" (n")[0]


def ranked_classes(
    dataset: Dataset, correct: Bool[np.ndarray, " n"], ranks: Sequence[int]
) -> tuple[tuple[str, ...], dict[int, str]]:
    """The classes of some ranks by their accuracy, 1 the best, and what is said of each: "rank 250, 88 %".

    Classes of equal accuracy are in the order of their labels. Raises UsageError for a rank that there is not.
    Source: Chrabaszcz et al. 2017, figure 7.
    """
    total = np.bincount(dataset.labels, minlength=len(dataset.classes))
    accuracy = np.bincount(dataset.labels, correct, len(dataset.classes)) / np.maximum(total, 1)
    best_first = sorted(np.flatnonzero(total).tolist(), key=lambda label: -accuracy[label])
    if outside := [rank for rank in ranks if not 1 <= rank <= len(best_first)]:
        raise UsageError("invalid rank of a class (`ranks`)", found=outside[0], expected=f"1 to {len(best_first):,}")
    labels = [best_first[rank - 1] for rank in ranks]
    said = {label: f"rank {rank:,}, {accuracy[label]:.0%}" for rank, label in zip(ranks, labels, strict=True)}
    return tuple(dataset.classes.names[label] for label in labels), {
        label: text.replace("%", " %") for label, text in said.items()
    }


def same_images(first: Dataset, second: Dataset) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Where the m images that both datasets have stand in each of them.

    Images are the same if class and name are, apart from folders and suffixes. Where one of the datasets has no names,
    as arrays have none, all images are the same if the labels are. Raises UsageError where none are.
    """
    if are_positions(first.ids) or are_positions(second.ids):
        shared = np.arange(len(first)) if np.array_equal(first.labels, second.labels) else np.array([], dtype=int)
        places = shared, shared
    else:
        theirs = _places_by_name(second)
        both = [(place, theirs[key]) for key, place in _places_by_name(first).items() if key in theirs]
        mine, other = np.array(sorted(both), dtype=int).reshape(-1, 2).T
        places = mine, other
    if not len(places[0]):
        raise UsageError(
            "these datasets have no images in common",
            found=f"{first.ids[0]} and {second.ids[0]}",
            expected="images of the same class and name, or arrays with the same labels",
        )
    return places


def _places_by_name(dataset: Dataset) -> dict[tuple[int, str], int]:
    found = {}
    for label in np.unique(dataset.labels).tolist():
        places = np.flatnonzero(dataset.labels == label).tolist()
        keys = image_keys([dataset.ids[place] for place in places])
        found.update(zip(((label, key) for key in keys), places, strict=True))
    return found


def paired(chosen: Chosen, other: Dataset, correct: Bool[np.ndarray, " n"] | None = None) -> Chosen:
    """Beside the images of a sheet of one dataset, those at the same places of another; large ones are shown whole.

    correct  which images of `other` were classified correctly, if that is shown
    """
    (first,), places, rows = chosen.datasets, *_renumbered(chosen, 2)
    sides = tuple(_whole(one.only(places)) for one in (first, other))
    framed = tuple(None if one is None else one[places] for one in (chosen.correct[0], correct))
    return Chosen(sides, rows, framed, chosen.said)


def _renumbered(chosen: Chosen, sides: int) -> tuple[Int[np.ndarray, " m"], dict[int, tuple[tuple[int, ...], ...]]]:
    """The places of all images of a sheet of one dataset, and its rows for datasets of these images alone."""
    places = np.array([place for (row,) in chosen.rows.values() for place in row], dtype=int)
    starts = np.cumsum([0, *(len(row) for (row,) in chosen.rows.values())]).tolist()
    rows = {
        label: (tuple(range(start, start + len(row))),) * sides
        for start, (label, (row,)) in zip(starts, chosen.rows.items(), strict=False)
    }
    return places, rows


def _whole(dataset: Dataset) -> Dataset:
    """The dataset with large images padded to squares, so that a sheet crops none of them."""
    from PIL import ImageOps

    pictures = [picture_of(image).convert("RGB") for image in dataset.images]
    if max(pictures[0].size) <= _WHOLE // 4:
        return dataset
    whole = [np.asarray(ImageOps.pad(one, (_WHOLE, _WHOLE), color="white")) for one in pictures]
    return replace(dataset, images=np.stack(whole))


def filtered(chosen: Chosen, filters: Sequence[str], size: int) -> Chosen:
    """Beside the images of a sheet of one dataset, the same ones made `size` × `size` by filters of Pillow.

    The original is shown whole. Raises UsageError for a filter that Pillow does not have.
    Source: Chrabaszcz et al. 2017, figure 1.
    """
    check_small(size, filters)
    (dataset,), places, rows = chosen.datasets, *_renumbered(chosen, 1 + len(filters))
    shown = dataset.only(places)
    pictures = [picture_of(image).convert("RGB") for image in shown.images]
    sides = [_whole(shown)]
    for name in filters:
        small = np.stack([np.asarray(make_small(one, size, name)) for one in pictures])
        sides.append(replace(shown, images=small, title=f"{name}, {size} pixels"))
    correct = chosen.correct[0]
    framed = (None if correct is None else correct[places],) * len(sides)
    return Chosen(tuple(sides), rows, framed, chosen.said)


def sheet_picture(chosen: Chosen, size: int = 64) -> "Image":
    """The sheet as one picture: a row per class with its name, the datasets side by side, `size` pixels per image."""
    from PIL import Image, ImageDraw, ImageFont

    # Pillow's own font lacks signs that names have, such as × and –.
    font = ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), 12)
    cell = size + 2 * _FRAME + _GAP
    counts = [max((len(row[side]) for row in chosen.rows.values()), default=0) for side in range(len(chosen.datasets))]
    titles = [_drawn(_title(one)) for one in chosen.datasets]
    widths = [max(count * cell, round(font.getlength(title))) for count, title in zip(counts, titles, strict=True)]
    names = {label: _drawn(chosen.name(label, short=True)) for label in chosen.rows}
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
    page = f"""<!DOCTYPE html>
<html lang="en" data-ready>
<head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
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
    return visible_text(page)


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


def _drawn(name: str) -> str:
    """A name as one short line of letters that are seen."""
    line = visible_text(" ".join(name.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _title(dataset: Dataset) -> str:
    return dataset.title or dataset.name
