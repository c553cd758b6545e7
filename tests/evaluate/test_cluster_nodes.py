"""Ray with several nodes on this machine, and faults made on purpose: predictions are those of a run without it."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from evalshift.evaluate.store import Results

ray = pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of a head without cores and three nodes of a core each, to which this process is not connected."""
    from ray.cluster_utils import Cluster

    for name, value in {"RAY_AUTH_MODE": "disabled", "RAY_health_check_period_ms": "500"}.items():
        os.environ[name] = value
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(3):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def many(project: Any) -> Any:
    for number in range(8):
        project.model(f"m{number}", arguments={"shades": [0.1, 0.4 + number / 100, 0.6, 0.9], "pause": 0.2})
    return project


def tops(results: Results) -> dict[tuple[str, str], bytes]:
    return {
        (dataset, model): results.load_predictions(dataset, model).top.tobytes()
        for dataset in ("old", "new")
        for model in results.models(dataset)
    }


def on_cluster(project: Any, nodes: Any, results: Path, **options: Any) -> tuple[Results, str]:
    project.results = Results(results)
    return project.run(executor="ray", ray_address=nodes.address, **options)


def test_three_nodes_predict_what_a_run_here_predicts_and_say_what_was_joined(
    many: Any, nodes: Any, tmp_path: Path
) -> None:
    here, _ = many.run()
    there, said = on_cluster(many, nodes, tmp_path / "there")
    assert tops(there) == tops(here)
    assert f"cluster   joined at {nodes.address}: 4 machines, 3 cores\n" in said
    assert said.count("worker    ") == 3
    assert "all       8 models, 160 images, " in said


def test_the_run_that_one_began_the_other_finishes(many: Any, nodes: Any, tmp_path: Path) -> None:
    here, _ = many.run()
    expected = tops(here)
    many.results = Results(tmp_path / "mixed")
    many.run(models=["m0", "m1", "m2"])
    _, said = on_cluster(many, nodes, tmp_path / "mixed")
    assert "skipped   6 predictions stored and still valid" in said
    assert tops(many.results) == expected
    assert "nothing to do" in many.run()[1]
    on_cluster(many, nodes, tmp_path / "other", models=["m0", "m1"])
    _, said = many.run()
    assert "skipped   4 predictions stored and still valid" in said
    assert tops(many.results) == expected


def test_units_of_a_node_that_is_lost_are_run_on_others(many: Any, nodes: Any, tmp_path: Path) -> None:
    here, _ = many.run()
    extra = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    lost = threading.Timer(6, lambda: nodes.remove_node(extra, allow_graceful=False))
    for number in range(8):
        many.content["models"][f"m{number}"]["arguments"]["pause"] = 1.0
    lost.start()
    there, said = on_cluster(many, nodes, tmp_path / "there")
    lost.join()
    assert there.failures == ()
    assert "it is run again" in said
    assert tops(there) == tops(here)


def test_predictions_are_handed_over_through_a_folder(many: Any, nodes: Any, tmp_path: Path) -> None:
    here, _ = many.run()
    place = tmp_path / "place"
    there, _ = on_cluster(many, nodes, tmp_path / "there", handover=str(place))
    assert tops(there) == tops(here)
    assert not list(place.rglob("*.parquet"))


def test_shards_are_those_of_the_whole(project: Any, nodes: Any, tmp_path: Path) -> None:
    project.dataset("old", 20_000)
    project.model("m")
    here, _ = project.run(save_logits=True, batch_size=256)
    there, said = on_cluster(project, nodes, tmp_path / "there", save_logits=True, batch_size=256)
    assert tops(there) == tops(here)
    facts = there.provenance("old", "m")
    assert facts is not None
    assert facts.shards == 3
    np.testing.assert_array_equal(there.load_logits("old", "m"), here.load_logits("old", "m"))
    assert "old 100.0 %" in said


def test_a_model_that_hangs_ends_with_its_time(project: Any, nodes: Any, tmp_path: Path) -> None:
    """Also one that takes the timers and signals of its process for itself."""
    project.model("good")
    with (project.path / "networks.py").open("a") as file:
        file.write(
            "\ndef hangs():\n    import signal\n    signal.setitimer(signal.ITIMER_REAL, 0)\n"
            "    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n    time.sleep(1000)\n"
        )
    project.model("hangs", "hangs")
    there, said = on_cluster(project, nodes, tmp_path / "there", model_timeout=15.0)
    assert there.models("new") == ["good"]
    assert [(one.model, one.error) for one in there.failures] == [("hangs", "no result after 15 s")]
    assert "hangs failed: no result after 15 s" in said


# ------------------------------------------------------------------------------------ the command, with ray of its own


def start(project: Any, home: Path, *options: object, **environment: str) -> subprocess.Popen[str]:
    command = ["run", "--registry", project.save(), "--results", project.results.path, "--device", "cpu"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "evalshift", *map(str, command), "--executor", "ray", *map(str, options)],
        env=clean | {"HOME": str(home), "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=project.path,
    )  # fmt: skip


def descendants(process: subprocess.Popen[str]) -> set[psutil.Process]:
    """What a command started, and what that started, as far as it runs now."""
    try:
        return set(psutil.Process(process.pid).children(recursive=True))
    except psutil.Error:
        return set()


@pytest.mark.parametrize("how", ["done", "SIGINT", "SIGTERM", "SIGKILL"])
def test_a_run_leaves_no_process_and_no_file_at_home(project: Any, tmp_path: Path, how: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    sessions = set(Path("/tmp/ray").glob("session_2*"))
    for number in range(4):
        project.model(f"m{number}", arguments={"pause": 0.0 if how == "done" else 2.0})
    process = start(project, home, RAY_ADDRESS="10.255.255.1:6379")
    deadline, started = time.monotonic() + 120, set[psutil.Process]()
    while process.poll() is None and (how == "done" or not project.results.models("old")):
        assert time.monotonic() < deadline
        started |= descendants(process)
        time.sleep(0.1)
    if how != "done":
        process.send_signal(getattr(signal, how))
    said, _ = process.communicate(timeout=120)
    assert process.returncode in {"done": (0,), "SIGINT": (130,), "SIGTERM": (143,), "SIGKILL": (-9,)}[how], said
    assert not list(home.rglob("*"))
    assert how == "SIGKILL" or set(Path("/tmp/ray").glob("session_2*")) <= sessions
    assert len(started) > 4
    _, left = psutil.wait_procs(started, timeout=90)  # ray's agents look for their parent now and then
    assert left == []
    if how == "done":
        assert "cluster   RAY_ADDRESS is set and not used" in said
        return
    process = start(project, home)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert project.results.models("new") == ["m0", "m1", "m2", "m3"]


@pytest.mark.parametrize("victim", ["gcs_server", "raylet"])
def test_a_run_goes_on_where_a_process_of_rays_own_is_killed(project: Any, tmp_path: Path, victim: str) -> None:
    for number in range(4):
        project.model(f"m{number}", arguments={"shades": [0.1, 0.4 + number / 100, 0.6, 0.9], "pause": 1.0})
    expected = tops(project.run()[0])
    project.results = Results(tmp_path / "killed")
    sessions = set(Path("/tmp/ray").glob("session_2*"))
    process = start(project, tmp_path)
    deadline = time.monotonic() + 120
    while not project.results.models("old"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    started = descendants(process)
    [one.kill() for one in started if one.name() == victim]
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "evalshift: the run ended: ray ended its main process" in said
    assert tops(project.results) == expected
    assert set(Path("/tmp/ray").glob("session_2*")) <= sessions
    assert psutil.wait_procs(started, timeout=30)[1] == []


def test_a_home_that_cannot_be_written_to(project: Any, tmp_path: Path) -> None:
    project.model("m")
    process = start(project, Path("/proc/no-home"))
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said


def test_options_reach_workers_of_a_cluster_that_was_there_before(
    project: Any, nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (project.path / "networks.py").open("a") as file:
        file.write(
            "\ndef tells(into):\n    import json\n"
            "    names = [n for n in os.environ if n.startswith(('EVALSHIFT', 'HF_'))]\n"
            "    with open(into, 'w') as file:\n        json.dump({n: os.environ[n] for n in names}, file)\n"
            "    return shades()\n"
        )
    project.model("m", "tells", arguments={"into": str(tmp_path / "told.json")})
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EVALSHIFT_OFFLINE", "1")
    on_cluster(project, nodes, tmp_path / "there")
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["EVALSHIFT_DATA"] == str(tmp_path / "data")
    assert told["EVALSHIFT_OFFLINE"] == told["HF_HUB_OFFLINE"] == "1"


def test_no_cluster_responds(project: Any) -> None:
    from evalshift.errors import UsageError

    project.model("m")
    with pytest.raises(UsageError) as caught:
        project.run(executor="ray", ray_address="127.0.0.1:1")
    assert caught.value.problem == "no ray cluster responds"


logging.getLogger("ray").setLevel(logging.ERROR)
