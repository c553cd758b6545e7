"""What a release consists of: one version everywhere, and distributions that a package index shows well."""

import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import evalshift

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BIBTEX = re.compile(r"@software\{evalshift,.*?^\}", re.DOTALL | re.MULTILINE)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    cited = [BIBTEX.findall((ROOT / name).read_text("utf-8")) for name in ("README.md", "docs/citing.md")]
    assert cited[0] == cited[1]
    assert len(cited[0]) == 1
    (in_bibtex,) = re.findall(r"version = \{(.*?)\}", cited[0][0])
    assert {evalshift.__version__, PROJECT["version"], citation["version"], in_bibtex} == {PROJECT["version"]}
    released = f"## {PROJECT['version']} - {citation['date-released']}\n"
    assert released in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_citation_file_has_what_its_schema_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "date-released", "license"} <= citation.keys()
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Homepage"]


def test_pages_and_project_name_one_repository() -> None:
    home = PROJECT["urls"]["Homepage"]
    assert f"repo_url: {home}\n" in (ROOT / "mkdocs.yml").read_text("utf-8")
    assert f"site_url: {PROJECT['urls']['Documentation']}\n" in (ROOT / "mkdocs.yml").read_text("utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `make release-check` builds it."""
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    pytest.importorskip("hatch_fancy_pypi_readme", reason="hatch-fancy-pypi-readme is not installed")
    return Path(next(builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")))))


def test_the_description_has_absolute_links_and_the_text_of_readme(wheel: Path) -> None:
    with ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith("dist-info/METADATA")]
        text = opened.read(name).decode("utf-8").split("\n\n", 1)[1]  # the description follows the fields
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    home = PROJECT["urls"]["Homepage"]
    raw = home.replace("github.com", "raw.githubusercontent.com")
    relative = text.replace(f"({raw}/main/", "(").replace(f"({home}/blob/main/", "(")
    assert relative.strip() == (ROOT / "README.md").read_text("utf-8").strip()
    assert f"({raw}/main/docs/images/page.png)" in text


def test_a_package_index_accepts_it(wheel: Path) -> None:
    check = pytest.importorskip("twine.commands.check", reason="twine is not installed").check
    assert check([str(wheel)], strict=True) is False  # whether anything failed
