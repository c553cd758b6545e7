"""README's commands are run, in README's order, with the files that README gives: make's in a clone, the others without
the repository, by the wheel that it makes.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|python|yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:py|yaml))\n")
# The first time in a row it is the demo's; then a reader's own model is among the stored ones.
WITH_OWN_MODEL = "evalshift report --probit"
# That one is drawn and written in every format, the other reports in these.
QUICKLY = "--format html,csv"
# The first has a test of its own; the second would run these tests again, the third needs the network.
ELSEWHERE = ("make demo", "make test", 'pip install ".[run]"', "pip install .")


def blocks() -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in BLOCK.findall(README) if kind != "text"]


def commands(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if "    # needs " not in line]  # what the reader has, or the network
    return [line.split("    #")[0].strip() for line in kept if line.split("    #")[0].strip() not in ELSEWHERE]


def quickly(command: str) -> str:
    """The command; a report that is not of the reader's own model without the figures, most of its time."""
    return f"{command} {QUICKLY}" if command.startswith("evalshift report") and command != WITH_OWN_MODEL else command


def run(command: list[str] | str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", **variables}
    done = subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def clone(folder: Path) -> Path:
    """The repository as git would give it, its environment ready: installing again would only test the network."""
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if tracked.returncode == 0:
        for name in tracked.stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
    else:  # unpacked from an archive
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "results", "report"))
    venv = folder / ".venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    for stamp in (".installed", ".installed-test"):
        (venv / stamp).touch()
    return folder


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("clone") / "evalshift")


@pytest.fixture(scope="module")
def demo(cloned: Path) -> str:
    """What `make demo` prints: what `evalshift run` and `evalshift report --probit` do."""
    done = run(["make", "demo"], cloned)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run([*build, "--wheel-dir", str(folder), str(ROOT)], folder)
    run([sys.executable, "-m", "zipfile", "-e", str(next(folder.glob("*.whl"))), str(folder / "site")], folder)
    return folder / "site"


@pytest.fixture(scope="module")
def followed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder in which someone did all that README says, and what each command printed first."""
    folder = tmp_path_factory.mktemp("reader")
    printed: dict[str, str] = {}
    made = [WITH_OWN_MODEL]  # by `make demo` already; the next time, there is more to report
    for kind, text in blocks():
        named = FILE_NAME.match(text)
        if named:
            (folder / named.group(1)).write_text(text, "utf-8")
        elif kind == "python":
            run([sys.executable, "-W", "error", "-c", text], folder, PYTHONPATH=str(site))
        else:
            for command in commands(text):
                if command in made:
                    made.remove(command)
                else:
                    done = run(quickly(command), folder, PYTHONPATH=str(site))
                    if command == WITH_OWN_MODEL and command not in printed:  # later ones write to the same place
                        shutil.copytree(folder / "report", folder / "first-report")
                    printed.setdefault(command, done.stdout + done.stderr)
    return folder, printed


@pytest.mark.late
def test_every_command_of_the_readme_runs(followed: tuple[Path, dict[str, str]]) -> None:
    folder, printed = followed
    assert {"evalshift run", "evalshift report --probit", "evalshift run --registry mine.yaml"} <= printed.keys()
    assert (folder / "results/predictions/digits/my-network.parquet").is_file()
    assert (folder / "results/predictions/digits-fainter/digits-ridge.parquet").is_file()
    assert (folder / "report/index.html").is_file()


@pytest.mark.late
def test_the_readers_own_model_is_named_in_terminal_figure_and_page(followed: tuple[Path, dict[str, str]]) -> None:
    folder, printed = followed
    said = printed[WITH_OWN_MODEL]
    assert re.search(r"^  my-network: [\d.]+ % on Digits \(rank ", said, re.MULTILINE)
    assert re.search(r"^▸ my-network +\d", said, re.MULTILINE)
    figure = folder / "first-report/figures/digits_vs_digits-new-writers_top1_probit.svg"
    assert 'id="highlighted"' in figure.read_text("utf-8")
    page = (folder / "first-report/index.html").read_text("utf-8")
    assert '<span class="star" title="highlighted">★</span> my-network</th>' in page


@pytest.mark.late
def test_an_installed_wheel_needs_nothing_of_the_repository(site: Path, followed: tuple[Path, dict[str, str]]) -> None:
    _, printed = followed
    assert printed["evalshift run"].startswith(f"registry  {site}/evalshift/registry.yaml\n")


@pytest.mark.late
def test_make_demo_runs_and_names_the_page(cloned: Path, demo: str) -> None:
    assert re.search(r"^page: .*/report/index\.html$", demo, re.MULTILINE), demo
    assert (cloned / "report/index.html").is_file()
    assert "python -m pytest" in run(["make", "--dry-run", "test"], cloned).stdout


@pytest.mark.late
def test_output_in_the_readme_is_what_the_program_prints(demo: str) -> None:
    shown = [text for kind, text in BLOCK.findall(README) if kind == "text"]
    assert len(shown) == 2, "README shows what run and report print"
    there = {plain(line) for line in demo.splitlines()}
    for text in shown:
        # Speeds, paths and devices differ from machine to machine; the findings do not.
        wanted = [plain(line) for line in text.splitlines() if line.strip() not in ("", "…")]
        assert [line for line in wanted if line not in there] == [], demo


def plain(line: str) -> str:
    line = re.sub(r"[\d,]+ images/s", "N/s", line)
    return re.sub(r"^(registry|device|page|results)\b.*", r"\1", " ".join(line.split()))


def test_commands_that_need_the_network_name_what_the_registry_has() -> None:
    from evalshift.testbed.registry_reading import load_registry
    from evalshift.testbed.state import fetch_all

    registry = load_registry()
    needing = [line for line in README.splitlines() if "# needs the network" in line]
    assert len(needing) == 6
    assert registry.pair("cifar10:cifar10.1-v6")
    assert len(registry.select_models(["resnet*-akamaster"])) == 6
    assert fetch_all(registry, ["cifar10", "cifar10.1-v6", "resnet*-akamaster"])
