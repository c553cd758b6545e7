"""Every figure has an example, every example draws its picture offline, and the gallery shows them as they are."""

import functools
import importlib.util
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import matplotlib.image
import pytest

from evalshift.analysis import figures
from evalshift.analysis import report as reports

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def load_gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs/images/make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all examples run in, so that each finds what another has run.

    Figures are drawn in the same way from fewer resamples, in a third of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("examples")
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "agg")
        patch.setattr(reports, "report", functools.partial(reports.report, resamples=1_000))
        patch.setenv("EVALSHIFT_DATA", str(folder / "nothing-was-downloaded"))
        yield folder


@pytest.mark.late
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_draws_its_picture_into_the_folder_that_is_named(
    example: Path, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import matplotlib as mpl

    monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path)])
    with mpl.rc_context():
        runpy.run_path(str(example), run_name="__main__")

    assert [path.name for path in tmp_path.iterdir()] == [f"{example.stem}.png"]
    picture = matplotlib.image.imread(tmp_path / f"{example.stem}.png")
    assert picture.std() > 0.01, "an empty picture"
    assert {path.name for path in here.iterdir()} <= {"results"}


def test_without_an_argument_it_draws_into_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["intensities.py"])
    runpy.run_path(str(ROOT / "examples/intensities.py"), run_name="__main__")
    assert [path.name for path in tmp_path.iterdir()] == ["intensities.png"]


def test_every_figure_has_an_example_of_its_name() -> None:
    named = {name.removesuffix("_figure") for name in figures.__all__ if name.endswith("_figure")}
    assert named > set(figures.FIGURES)
    assert named - {path.stem for path in EXAMPLES} == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short(example: Path) -> None:
    assert len(example.read_text("utf-8").splitlines()) <= 30


def test_the_gallery_is_what_make_gallery_writes() -> None:
    gallery = load_gallery()
    assert sorted(gallery.ORDER) == [path.stem for path in EXAMPLES]
    assert gallery.PAGE.read_text("utf-8") == gallery.page(), "make gallery"
    assert sorted(path.name for path in gallery.PICTURES.iterdir()) == [f"{path.stem}.png" for path in EXAMPLES]


def test_the_pictures_are_light() -> None:
    pictures = list((ROOT / "docs/images/gallery").iterdir())
    assert sum(path.stat().st_size for path in pictures) < 2_000_000
