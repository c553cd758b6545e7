"""The simulated cluster of docs/scale.md: every prediction is stored once, whatever is lost."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def simulate_cluster() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "simulate_cluster.py"
    spec = importlib.util.spec_from_file_location("simulate_cluster", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lost_every, machines", [(0.0, 1), (0.0, 3), (0.5, 3)])
def test_all_predictions_are_stored_or_failed(simulate_cluster: ModuleType, lost_every: float, machines: int) -> None:
    simulation = simulate_cluster.Simulation(60, 6, machines, 4, cores=32, lost_every=lost_every, seed=1)
    simulation.crashing = {"model-0007", "model-0031"}
    out = simulation.run()
    # A model that takes its worker down has failed once, on everything.
    assert out.failures == 2
    assert out.stored == 58 * 6
    assert (out.moved > 0) == (lost_every > 0)
    busy = sum(out.busy.values())
    assert busy <= out.hours * 3600 * machines * 4 * 1.0001
    assert out.busy["networks"] > 0.4 * busy


def test_twice_the_machines_take_about_half_the_time(simulate_cluster: ModuleType) -> None:
    one, two = (
        simulate_cluster.Simulation(200, 5, machines, 4, cores=64, lost_every=0.0, seed=0).run() for machines in (1, 2)
    )
    assert 1.8 < one.hours / two.hours < 2.05
