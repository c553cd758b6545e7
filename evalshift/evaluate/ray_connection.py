"""Start ray on this machine for the time of a run, or join a cluster if requested."""

import atexit
import logging
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalshift import stopping
from evalshift.errors import UsageError, first_line, type_and_message
from evalshift.evaluate.supervisor import is_watched, remove_if_killed
from evalshift.exit_codes import sigchld_kept

# No usage statistics are sent, and a worker without a GPU leaves the environment unchanged.
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# What models start in workers ends with these, whatever it detached itself from.
# And where one of ray's own processes ends, there is no other to wait for: seconds until that is noticed.
_OWN_SETTINGS = {
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "1",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
}
# What a process of ray's gets to end by itself once it was told to.
_GRACE_SECONDS = 5.0
_REACH_SECONDS = 15.0
# Ray's servers speak gRPC: by HTTP/2, whose two sides begin with a frame of settings.
_HTTP2_SETTINGS = 4
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _HTTP2_SETTINGS, 0, 0, 0, 0, 0])


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
    address = None if address == "local" else address  # as ray calls a cluster that it starts itself
    with sigchld_kept():  # ray ignores it in this process as well, with _OWN_SETTINGS
        _start(ray, address)
    started = [] if address is not None else _children()
    session = None if address is not None else _session(ray)
    with ExitStack() as stack:
        if session is not None:
            stack.callback(shutil.rmtree, session, ignore_errors=True)
            remove_if_killed(session)
            stack.enter_context(stopping.removed_if_stopped(session))
        stack.callback(_leave, ray, started)
        stack.enter_context(_terminated_in_order())
        yield Connection(ray, joined=address is not None)


def _leave(ray: Any, started: list[Any]) -> None:
    """Disconnect, and end the cluster that was started here."""
    if started and stopping.is_stopping():
        atexit.unregister(ray.shutdown)  # all processes are killed, which takes less than to tell them
        _kill(started)
        return
    ray.shutdown()
    _end(started)


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as an exception does; by themselves, ray prints its stack and aborts."""
    if is_watched():
        yield
        return
    if stopping.is_listening():
        stopping.listen_again()
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []

    def end(number: int, _: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _session(ray: Any) -> Path | None:
    """The folder of logs and sockets of the cluster that was started here; None where ray does not tell."""
    with suppress(Exception):
        folder = Path(ray._private.worker._global_node.get_session_dir_path())
        return folder if folder.name.startswith("session_") else None
    return None


def _start(ray: Any, address: str | None) -> None:
    settings = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        # So that nobody else gives this cluster work. Without it, ray writes one of its own into the user's home.
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        for name, value in _OWN_SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            with _quiet("ray"):  # it says on each start that there is a token
                ray.init(address="local", include_dashboard=False, **settings)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise UsageError(
                "ray cannot be started on this machine",
                found=type_and_message(error),
                expected="a folder for temporary files that can be written to (RAY_TMPDIR, else /tmp), and free ports",
                fix='choose the executor "local", which needs no ray',
            ) from error
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


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reach(address: str) -> None:
    """Raise OSError where nothing listens there, or something else than ray: ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return
        connection.sendall(_HTTP2_PREFACE)
        head = b""
        while len(head) < 4 and (more := connection.recv(9)):
            head += more
    if len(head) < 4 or head[3] != _HTTP2_SETTINGS:
        raise OSError("what listens there is not ray")


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

    deadline = time.monotonic() + _GRACE_SECONDS
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _kill(filter(_runs, processes))


def _kill(processes: Iterable[Any]) -> None:
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def _runs(process: Any) -> bool:
    """Whether a process runs. It is not waited for: ray has not given up its children yet."""
    import psutil

    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
