"""Many short lines, such as error bars, drawn together: matplotlib takes each through the whole drawing by itself.

What is drawn is the same; in a PDF the choice of a colour space that nothing is filled in is missing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_pdf import PdfFile, RendererPdf
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.collections import Collection, LineCollection
from matplotlib.path import Path

_prepare: Any = getattr(Collection, "_prepare_points", None)
_draw: Any = RendererBase.draw_path_collection
# What is used of the writers of files, which another version of matplotlib may lack.
_KNOWN = _prepare is not None and all(
    hasattr(renderer, name)
    for renderer, names in (
        (PdfFile, ("pathOperations", "write")),
        (RendererPdf, ("check_gc",)),
        (RendererSVG, ("_make_flip_transform", "_convert_path", "_get_clip_attrs", "_get_style")),
    )
    for name in names
)


@contextmanager
def quick_lines() -> Iterator[None]:
    """Have matplotlib place the lines of a collection at once, and settle their common style once."""
    if not _KNOWN:
        yield
        return
    drawing: Any = RendererBase
    preparing: Any = Collection
    before = preparing._prepare_points, drawing.draw_path_collection
    preparing._prepare_points, drawing.draw_path_collection = _prepared, _drawn
    try:
        yield
    finally:
        preparing._prepare_points, drawing.draw_path_collection = before


def _prepared(collection: Any) -> Any:
    """As `_prepare_points`, but for lines on curved axes, which it would place one by one."""
    transform, paths = collection.get_transform(), collection.get_paths()
    apart = isinstance(collection, LineCollection) and not transform.is_affine and not collection.have_units()
    if not (apart and paths and _are_lines(paths)):
        return _prepare(collection)
    ends = transform.transform_non_affine(np.concatenate([path.vertices for path in paths])).reshape(-1, 2, 2)
    _, offset_transform, offsets, _ = _prepare(_Unplaced(collection, transform.get_affine()))
    return transform.get_affine(), offset_transform, offsets, [Path(line) for line in ends]


def _are_lines(paths: Sequence[Path]) -> bool:
    return all(np.shape(path.vertices) == (2, 2) and path.codes is None for path in paths)


class _Unplaced:
    """A collection without its lines, of which the rest is prepared."""

    def __init__(self, collection: Any, transform: Any) -> None:
        self._collection, self._transform = collection, transform

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    def get_transform(self) -> Any:
        return self._transform

    def get_paths(self) -> list[Path]:
        return []


def _drawn(
    renderer: Any,
    gc: Any,
    master_transform: Any,
    paths: Sequence[Path],
    all_transforms: Sequence[Any],
    *style: Any,
    **choices: Any,
) -> None:
    """As `draw_path_collection`, but for lines of one style that a PDF or SVG file is to have one by one."""
    common = None
    if len(paths) > 1 and not len(all_transforms) and isinstance(renderer, RendererPdf | RendererSVG):
        common = _common_style(renderer, gc, *style) if _are_lines(paths) else None
    if common is None:
        _draw(renderer, gc, master_transform, paths, all_transforms, *style, **choices)
        return
    lines = Path(np.concatenate([path.vertices for path in paths]), [Path.MOVETO, Path.LINETO] * len(paths))
    if isinstance(renderer, RendererPdf):
        _write_pdf(renderer, common, lines, master_transform)
    else:
        _write_svg(renderer, common, lines, master_transform)
    common.restore()


def _common_style(renderer: Any, gc: Any, offsets: Any, offset_trans: Any, faces: Any, *strokes: Any) -> Any:
    """A graphics context with the style of all lines; None where they have several, are filled, or are moved."""
    *stroke, urls, _ = strokes  # colours, widths, dashes, antialiasing
    several = any(len(one) != 1 for one in stroke) or len(offsets) != 1 or np.any(offset_trans.transform(offsets))
    special = len(faces) or gc.get_hatch() is not None or gc.get_sketch_params() is not None
    if several or special or any(url is not None for url in urls):
        return None
    (colour,), (width,), (dashes,), (antialiased,) = stroke
    if len(colour) != 4 or not colour[3]:
        return None
    common = renderer.new_gc()
    common.copy_properties(gc)
    common.set_linewidth(width)
    common.set_dashes(*dashes)
    common.set_foreground(tuple(colour), isRGBA=True)
    common.set_antialiased(antialiased)
    return common


def _write_pdf(renderer: Any, common: Any, lines: Path, transform: Any) -> None:
    """Lines, each drawn by an operator of its own: together they would not shine through each other."""
    renderer.check_gc(common, None)
    file = renderer.file
    (placed,) = file.pathOperations(lines, transform, (0.0, 0.0, file.width * 72, file.height * 72), simplify=False)
    file.write(placed.pdfRepr().replace(b" l\n", b" l\n" + renderer.gc.paint().pdfRepr() + b"\n"))


def _write_svg(renderer: Any, common: Any, lines: Path, transform: Any) -> None:
    flipped = renderer._make_flip_transform(transform).frozen()
    clip, style = renderer._get_clip_attrs(common), renderer._get_style(common, None)
    for placed in renderer._convert_path(lines, flipped, clip=True, simplify=False).split("M")[1:]:
        renderer.writer.element("path", d=f"M{placed}", **clip, style=style)
