"""What holds for all tests: how far properties are searched, which files begin, what other processes import."""

import gc
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scipy.stats  # noqa: F401
import shapes_checked
from hypothesis import HealthCheck, settings

# scipy is imported above, for the hook compiles what comes after it.
shapes_checked.install()

pytest.register_assert_rewrite("messages")
from browser import browser  # noqa: E402
from messages import SNAPSHOT  # noqa: E402

# No test fails because the machine is busy, and none because of the hour: the same code is tried with the same examples
# of its properties. `make properties` looks for new ones.
settings.register_profile(
    "evalshift", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("new_examples", settings.get_profile("evalshift"), max_examples=200, derandomize=False)
settings.load_profile("evalshift")


# What a shell sets for its user and the program heeds: where data lie, what is fetched through, how wide and colourful
# the output is. Time zone, language and home are left as they are: nothing depends on them.
OF_THE_SHELL = re.compile(
    r"COLUMNS|LINES|CI|NO_COLOR|FORCE_COLOR|CLICOLOR\w*|PY_COLORS|TTY_\w+|EVALSHIFT_(?!TEST_|FUZZ)\w+|MPLBACKEND"
    r"|(HTTPS?|FTP|ALL|NO)_PROXY|GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX)|RAY_ADDRESS|(HF_HUB|TRANSFORMERS)_OFFLINE"
    r"|PYTHON(WARNINGS|OPTIMIZE|DONTWRITEBYTECODE|IOENCODING)",
    re.IGNORECASE,
)


def forget_the_shell(config: pytest.Config) -> None:
    """The tests see the same environment in every shell; those that fetch from the internet keep their way to it."""
    to_the_internet = "network" in (config.getoption("markexpr") or "")
    for name in filter(OF_THE_SHELL.fullmatch, list(os.environ)):
        if not (to_the_internet and name.upper().endswith("_PROXY")):
            del os.environ[name]
    os.environ |= {"TERM": "xterm", "MATPLOTLIBRC": os.devnull}
    os.umask(0o022)


# Ids of all tests of the files that are run, deselected ones too; and the files of which some tests are named.
FOUND: set[str] = set()
IN_PART: set[str] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-messages", action="store_true", help="write the texts of errors into tests/messages.txt")


def pytest_configure(config: pytest.Config) -> None:
    SNAPSHOT.renew = bool(config.getoption("--renew-messages"))
    forget_the_shell(config)
    # Modules and tests are made once and stay: in search of garbage, Python would go through them again and again.
    gc.disable()
    # Commands that run in another folder are to be those that stand beside the tests, whichever are installed.
    path = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    # Decoded images of tests stay among the files of tests.
    os.environ["EVALSHIFT_CACHE"] = tempfile.mkdtemp(prefix="evalshift-decoded-")
    # A shell makes what it starts in the background deaf to Ctrl-C, and so would be the commands that tests stop by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["EVALSHIFT_CACHE"], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before -k, -m and --deselect take some away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first, so that of two processes none waits at the end for a file that the other began last.

    What must be asked for is left out where nothing is asked for: -m "not network" asks for all else.
    """
    FOUND.update(item.nodeid for item in items)
    named = {str(config.invocation_params.dir / arg.partition("::")[0]) for arg in config.args if "::" in arg}
    failed_before = config.getoption("lf", default=False)  # it looks for these alone in the files that have some
    IN_PART.update(item.nodeid.partition("::")[0] for item in items if failed_before or str(item.path) in named)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if not config.getoption("markexpr"):
        asked = [any(map(item.get_closest_marker, ("network", "late", "thorough"))) for item in items]
        config.hook.pytest_deselected(items=[item for item, out in zip(items, asked, strict=True) if out])
        items[:] = [item for item, out in zip(items, asked, strict=True) if not out]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:  # it may have said a part of its texts alone
        SNAPSHOT.said.pop(report.nodeid, None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser. One for all tests of a process: Playwright runs once in each."""
    with browser() as started:
        yield started


@pytest.fixture(scope="session", autouse=True)
def _messages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The texts of errors know the folder of temporary files, and are stored in the end where that is asked for."""
    SNAPSHOT.temporary = tmp_path_factory.getbasetemp()
    yield
    if SNAPSHOT.renew:
        SNAPSHOT.write(FOUND, IN_PART)
