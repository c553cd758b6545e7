"""Start ray on this machine for the time of a run, or join a cluster where that is asked for."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from evalshift.errors import UsageError, first_line

# No usage statistics are sent, and a worker without a GPU leaves the environment unchanged.
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# What a process of ray's gets to end by itself once it was told to.
_GRACE_SECONDS = 5.0
_REACH_SECONDS = 15.0


@dataclass(frozen=True)
class Connection:
    """ray, connected.

    ray     the module
    joined  whether the cluster was there before
    """

    ray: Any
    joined: bool

    def words(self) -> str:
        """What runs the models, in a line."""
        resources = self.ray.cluster_resources()
        machines = len(self.alive())
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        parts = [f"{machines} machine{'s' if machines != 1 else ''}"] if self.joined else []
        parts += [f"{gpus} GPU{'s' if gpus != 1 else ''}"] if gpus else []
        parts += [f"{cores} core{'s' if cores != 1 else ''}"]
        place = f"joined at {self.ray.get_runtime_context().gcs_address}" if self.joined else "ray, on this machine"
        return f"{place}: {', '.join(parts)}"

    def alive(self) -> frozenset[str]:
        """The machines that are there now."""
        return frozenset(node["NodeID"] for node in self.ray.nodes() if node["Alive"])


@contextmanager
def connected(address: str | None) -> Iterator[Connection]:
    """ray, connected to the cluster at `address`, or to one that is started here and ends with the block.

    A cluster is joined only on request: RAY_ADDRESS alone changes nothing. One that the calling program is connected to
    already is used, and left as it is. Raises UsageError where ray is not installed, or no cluster responds.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if hasattr(os, "nice"):  # else ray's workers give way to all other work on the machine, as no run without it does
        os.environ.setdefault("RAY_worker_niceness", str(os.nice(0)))
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "the executor ray needs ray", found="no such package", fix='pip install "evalshift[ray]"'
        ) from error
    if ray.is_initialized():
        yield Connection(ray, joined=True)
        return
    _start(ray, address)
    started = [] if address is not None else _children()
    try:
        yield Connection(ray, joined=address is not None)
    finally:
        ray.shutdown()
        _end(started)


def _start(ray: Any, address: str | None) -> None:
    settings = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        # So that nobody else gives this cluster work. Without it, ray writes one of its own into the user's home.
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init(address="local", include_dashboard=False, **settings)
        return
    try:
        _reach(address)
        ray.init(address=address, **settings)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UsageError(
            "no ray cluster responds",
            where=address,
            found=first_line(error),
            expected="the address of a running cluster, such as 10.0.0.1:6379, or auto",
            fix="start one with `ray start --head`, or leave `ray_address` out: ray is then started on this machine",
        ) from error


def _reach(address: str) -> None:
    """Raise OSError where nothing listens there: ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS).close()


def _children() -> list[Any]:
    """The processes that ray started beneath this one."""
    import psutil

    return [one for one in psutil.Process().children(recursive=True) if "ray" in " ".join(_command(one))]


def _command(process: Any) -> list[str]:
    import psutil

    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _end(processes: list[Any]) -> None:
    """End what ray left behind of its own: agents outlive it now and then."""
    import psutil

    deadline = time.monotonic() + _GRACE_SECONDS
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in filter(_runs, processes):
        with suppress(psutil.Error):
            process.kill()


def _runs(process: Any) -> bool:
    """Whether a process runs. It is not waited for: ray has not given up its children yet."""
    import psutil

    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
