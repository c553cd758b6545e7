"""Imports run one way, and torch stays where models run: reports and help start fast, and work where it is absent."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from commandline import copy_to_change, run_apart, run_here, start, write_testbed

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "timm")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter's verdict on the package `evalshift` in `folder`, by the contracts of pyproject.toml there."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as lint; lint()"
    return subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_imports_run_one_way() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts())} kept, 0 broken." in done.stdout


# What each contract forbids, and what import-linter says of it.
FORBIDDEN = {
    "data flows one way": [
        ("testbed/classes.py", "evalshift.evaluate.store"),
        ("evaluate/store/results.py", "evalshift.analysis.statistics.ranks"),
        ("analysis/statistics/scales.py", "evalshift.cli"),
        ("files.py", "evalshift.testbed.registry"),
    ],
    "within analysis": [
        ("analysis/statistics/ranks.py", "evalshift.analysis.outcomes.records"),
        ("analysis/summary/records.py", "evalshift.analysis.figures"),
        ("analysis/plot_data/sizes.py", "evalshift.analysis.page.chart"),
    ],
    "within evaluate": [
        ("evaluate/store/schema.py", "evalshift.evaluate.plan"),
        ("evaluate/model_run.py", "evalshift.evaluate.run"),
    ],
    "leads back to itself": [],  # several of the others run in circles
    "never torch": [
        ("analysis/statistics/drops.py", "torch"),
        ("analysis/tables/read.py", "evalshift.evaluate.inference"),
    ],
}


def test_imports_the_other_way_are_found(tmp_path: Path) -> None:
    copy_to_change(ROOT / "evalshift", tmp_path / "evalshift")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, forbidden in (line for lines in FORBIDDEN.values() for line in lines):
        with (tmp_path / "evalshift" / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n\nimport {forbidden}\n")
    done = lint_imports(tmp_path)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    for words, lines in FORBIDDEN.items():
        (name,) = (contract["name"] for contract in contracts() if words in contract["name"])
        assert f"{name} BROKEN" in said, done.stdout
        for file, forbidden in lines:
            module = file.removesuffix(".py").replace("/", ".")
            assert f"evalshift.{module} -> {forbidden} (l." in said, done.stdout


def contracts() -> list[dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def test_every_room_stands_in_a_layer() -> None:
    for contract in contracts():
        if contract["type"] == "layers":
            (package,) = contract.get("containers", ["evalshift"])
            placed = {name.strip().rpartition(".")[2] for layer in contract["layers"] for name in layer.split("|")}
            folder = ROOT / package.replace(".", "/")
            assert {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()} <= placed


def asked_of(classes: set[str], folder: Path) -> set[str]:
    """Where code below `folder` asks with isinstance whether a value is of one of these classes."""
    found = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                names = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
                names |= {name.attr for name in ast.walk(node.args[1]) if isinstance(name, ast.Attribute)}
                found |= {f"{path.relative_to(folder)}:{node.lineno}"} if names & classes else set()
    return found


def test_missing_results_are_recognised_in_one_module() -> None:
    places = asked_of({"Missing"}, ROOT / "evalshift")
    assert {place.partition(":")[0] for place in places} == {"analysis/pair_statistics/missing.py"}, (
        "use require, or_none, or_missing, either, … of analysis/pair_statistics/missing.py"
    )


def test_code_that_asks_for_missing_results_is_found(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "a = 1\nb = isinstance(a, int | Missing)\nc = isinstance(a, (int, m.Missing))\n"
    )
    assert asked_of({"Missing"}, tmp_path) == {"module.py:2", "module.py:3"}


def loaded_by(code: str) -> set[str]:
    """Which of the heavy libraries are loaded once `code` has run in a new process."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & set(HEAVY)


LIGHT = """
import evalshift
import evalshift.cli
import evalshift.testbed.registry, evalshift.testbed.state, evalshift.testbed.datasets
import evalshift.evaluate.plan, evalshift.evaluate.run, evalshift.evaluate.store
import evalshift.evaluate.importers.released, evalshift.evaluate.importers.tables
from evalshift import *; import evalshift.analysis.figures, evalshift.console.findings, evalshift.console.comparison
"""


def test_torch_stays_unloaded() -> None:
    # One after the other: what none of them has loaded at the end, none has loaded.
    assert loaded_by(LIGHT) == set()


def test_torch_that_is_loaded_is_found() -> None:
    assert "torch" in loaded_by("import evalshift.evaluate.inference")


# Stands in for a machine on which they are not installed.
WITHOUT_TORCH = f"""
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Absent())
"""


def test_report_and_help_work_where_torch_is_not_installed(tmp_path: Path) -> None:
    registry = write_testbed(tmp_path)
    assert run_here("run", "--registry", registry, "--results", tmp_path / "results").code == 0
    reported = run_apart("report", "--bootstrap", "100", "--format", "html", folder=tmp_path, before=WITHOUT_TORCH)
    assert (reported.code, reported.err) == (0, "")
    assert (tmp_path / "report/index.html").is_file()
    assert run_apart("--help", folder=tmp_path, before=WITHOUT_TORCH).code == 0
    assert run_apart("list", "models", folder=tmp_path, before=WITHOUT_TORCH).code == 0
    # A run with nothing to do needs none either.
    idle = run_apart("run", folder=tmp_path, before=WITHOUT_TORCH)
    assert "nothing to do: everything is in results\n" in idle.err


def test_a_dataset_of_torchvision_is_not_available_without_it(tmp_path: Path) -> None:
    """Where a report wants pictures of one, it does without, as of any other dataset that cannot be read."""
    (tmp_path / "usps").mkdir()
    entry = "{source: torchvision, dataset: USPS, path: usps, classes: mnist}"
    (tmp_path / "registry.yaml").write_text(f"datasets:\n  usps: {entry}\n")
    checked = run_apart("check", "--data", folder=tmp_path, before=WITHOUT_TORCH)
    assert checked.code == 1
    assert "torchvision is not installed (No module named 'torchvision')" in checked.out


def test_a_run_would_miss_torch(tmp_path: Path) -> None:
    write_testbed(tmp_path)
    with start("run", folder=tmp_path, before=WITHOUT_TORCH) as process:
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaint.endswith('evalshift: this needs torch, which is not installed: pip install "evalshift[run]"\n')
    assert "Traceback" not in complaint


CLASSES_WITHOUT_TORCH = f"""
import sys
{WITHOUT_TORCH}
from evalshift import run
from evalshift.errors import UsageError
from evalshift.testbed.classes import built_in
from evalshift.testbed.views import built_in_view
print(len(built_in("imagenet-1k")), sum(label is not None for label in built_in_view("imagenet-r").meaning))
try:
    run(pairs="digits:digits-new-writers", results="results")
except UsageError as error:
    print(error)
"""


def test_imagenet_is_known_where_timm_is_not_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLASSES_WITHOUT_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    known, complaint = done.stdout.splitlines()
    assert known == "1000 200"
    assert complaint == 'this needs torch, which is not installed: pip install "evalshift[run]"'
