"""What a model's code may change for the whole process is put back, so that the models after it run as before."""

import builtins
import io
import locale
import logging
import os
import random
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from evalshift.errors import DataError
from evalshift.evaluate.devices import set_precision
from evalshift.evaluate.model_run import _Logged
from evalshift.evaluate.process_state import process_state_kept

_TORCH: Any = torch
_CPU = torch.device("cpu")


def umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before


def ignore_signals() -> None:
    for one in (signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM):
        signal.signal(one, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.setitimer(signal.ITIMER_REAL, 1000)


def signals() -> object:
    handlers = [signal.getsignal(one) for one in (signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM)]
    return handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getitimer(signal.ITIMER_REAL)[0] > 0


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def draw() -> None:
    random.random()
    np.random.rand()  # noqa: NPY002


def drawn() -> object:
    return random.getstate(), str(np.random.get_state())  # noqa: NPY002


def silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = io.StringIO()


class Mode(TorchFunctionMode):
    pass


def switch_torch() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.inference_mode().__enter__()
    torch.autograd.set_detect_anomaly(True)
    torch.use_deterministic_algorithms(True)
    torch.set_autocast_enabled("cpu", True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.mkldnn.conv.fp32_precision = "bf16"  # pyright: ignore[reportAttributeAccessIssue]
    torch.set_flush_denormal(True)
    _TORCH.backends.quantized.engine = torch.backends.quantized.supported_engines[-1]
    torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    torch.manual_seed(3)


def torch_settings() -> object:
    hooks: Any = torch.nn.modules.module
    return (
        torch.get_default_dtype(), torch.get_default_device(),
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
        torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled(), torch.is_autocast_enabled("cpu"),
        torch.get_float32_matmul_precision(), _TORCH.backends.mkldnn.conv.fp32_precision,
        bool(torch.tensor(1e-310, dtype=torch.float64, device="cpu") * 0.5 != 0), torch.backends.quantized.engine,
        len(hooks._global_forward_hooks), torch.get_rng_state().tolist(),
    )  # fmt: skip


def other_attention() -> None:
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_math_sdp(False)
    torch.backends.mha.set_fastpath_enabled(False)
    _TORCH._C._set_nnpack_enabled(False)


def attention() -> object:
    cuda = torch.backends.cuda
    return (
        cuda.flash_sdp_enabled(),
        cuda.math_sdp_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
        _TORCH._C._get_nnpack_enabled(),
    )


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "folder": (lambda: os.chdir("/"), Path.cwd),
    "umask": (lambda: os.umask(0o777), umask),
    "environment": (lambda: os.environ.update(HOME="/nowhere", CUDA_VISIBLE_DEVICES=""), lambda: dict(os.environ)),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), lambda: locale.setlocale(locale.LC_ALL)),
    "signals": (ignore_signals, signals),
    "limits": (few_files, lambda: resource.getrlimit(resource.RLIMIT_NOFILE)),
    "streams": (silence, lambda: (id(sys.stdout), os.fstat(1).st_ino, os.fstat(1).st_dev)),
    "recursion": (lambda: sys.setrecursionlimit(900), sys.getrecursionlimit),
    "warnings": (lambda: warnings.simplefilter("error", BytesWarning), lambda: list(warnings.filters)),
    "logging": (lambda: logging.disable(logging.CRITICAL), lambda: logging.root.manager.disable),
    "errors of numpy": (lambda: np.seterr(all="raise"), np.geterr),
    "random numbers": (draw, drawn),
    "pillow": (lambda: setattr(Image, "MAX_IMAGE_PIXELS", 1), lambda: Image.MAX_IMAGE_PIXELS),
    "cores": (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}), lambda: os.sched_getaffinity(0)),
    "path": (lambda: sys.path.insert(0, "/nowhere"), lambda: list(sys.path)),
    "torch": (switch_torch, torch_settings),
    "attention": (other_attention, attention),
    "dispatch": (lambda: TorchDispatchMode().__enter__(), lambda: _TORCH._C._len_torch_dispatch_stack()),
    "modes of torch": (lambda: Mode().__enter__(), lambda: _TORCH._C._len_torch_function_stack()),
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="some of these are Linux's own")
@pytest.mark.parametrize("what", CHANGES)
def test_what_code_changes_is_put_back(what: str) -> None:
    change, look = CHANGES[what]
    before = look()
    with process_state_kept():
        change()
    assert look() == before


def replaced(name: str, place: Any, code: str) -> Any:
    """What a user's file replaces a function with."""
    scope: dict[str, Any] = {"__name__": f"evalshift_user_{name}", "place": place}
    exec(code, scope)
    return scope


def test_functions_that_a_file_replaced_are_put_back() -> None:
    before = torch.load, torch.Tensor.softmax, builtins.print, np.concatenate
    with process_state_kept():
        for place, name in ((torch, "load"), (torch.Tensor, "softmax"), (builtins, "print"), (np, "concatenate")):
            replaced("networks", place, f"place.{name} = lambda *_, **__: None")
    assert (torch.load, torch.Tensor.softmax, builtins.print, np.concatenate) == before
    assert "softmax" not in vars(torch.Tensor)  # it is inherited


def test_layers_whose_methods_a_file_replaced_are_as_before() -> None:
    before = torch.nn.Linear.forward, torch.nn.Conv2d.__init__
    with process_state_kept():
        replaced("networks", torch.nn.Linear, "place.forward = lambda self, x: x")
        replaced("networks", torch.nn.Conv2d, "place.__init__ = lambda *_: None")
        replaced("networks", torch.nn.ReLU6, "place.forward = lambda self, x: x")  # which inherits it
    assert (torch.nn.Linear.forward, torch.nn.Conv2d.__init__) == before
    assert "forward" not in vars(torch.nn.ReLU6)


LOWERS = """
import os, resource
from evalshift.evaluate.process_state import process_state_kept
def look():
    return {"priority": os.nice(0), "limit RLIMIT_NOFILE": resource.getrlimit(resource.RLIMIT_NOFILE)}
before, said = look(), []
with process_state_kept(said.append):
    os.nice(1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
for what, value in look().items():
    told = f"the {what} of this process was lowered for all models after this one" in said
    assert told == (value != before[what]), (what, value, said)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_what_was_lowered_is_put_back_or_told_of(python: Callable[..., str]) -> None:
    """The one for administrators, the other else."""
    python(LOWERS)


def test_functions_that_a_package_replaced_stay_and_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", torch.load)  # put back after the test
    monkeypatch.setitem(sys.modules, "some_package", sys)
    said: list[str] = []
    with process_state_kept(said.append):
        exec("torch.load = lambda: 'theirs'", {"__name__": "some_package.patches", "torch": torch})
        sys.modules["some_package.patches"] = sys
    del sys.modules["some_package.patches"]
    assert said == ["some_package replaced torch.load for all models after this one"]
    assert torch.load() == "theirs"  # pyright: ignore[reportCallIssue]


def test_modules_of_one_model_are_not_those_of_the_next(tmp_path: Path) -> None:
    """Two repositories that are put on Python's path each have a module `nets_of_a_test`."""
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nets_of_a_test.py").write_text(f"which = {name!r}")
        with process_state_kept():
            sys.path.insert(0, str(tmp_path / name))
            found.append(__import__("nets_of_a_test").which)
    assert found == ["one", "other"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends, "fp32_precision", "tf32"),
        lambda: setattr(_TORCH.backends.cuda.matmul, "fp32_precision", "tf32"),
        lambda: setattr(_TORCH.backends.mkldnn.conv, "fp32_precision", "bf16"),
    ],
)
def test_fp32_is_fp32_whichever_switches_a_builder_set(change: Callable[[], object]) -> None:
    """Those of torch 2.9 and the older ones, which torch refuses to mix."""
    with process_state_kept():
        change()
        with set_precision("fp32", _CPU):
            assert torch.get_float32_matmul_precision() == "highest"
            assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (False, False)
            assert {_TORCH.backends.fp32_precision, _TORCH.backends.mkldnn.conv.fp32_precision} == {"none"}


STRANGE = """

class NothingFromTrain(Shades):
    def train(self, mode=True):
        super().train(mode)


class NoInit(nn.Module):
    def __init__(self):
        pass


class Adapts(Shades):
    def forward(self, images):
        with torch.enable_grad():
            return super().forward(images) * torch.ones(1, requires_grad=True)


def strange(kind):
    return globals()[kind](*() if kind == "NoInit" else ((0.1, 0.4, 0.6, 0.9),))


def lets_damaged_images_through():
    from PIL import ImageFile
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    return shades()


def talks_long():
    raise ValueError("x" * 100_000)
"""


@pytest.fixture
def strange(project: Any) -> Any:
    with (project.path / "networks.py").open("a") as file:
        file.write(STRANGE)
    return project


def test_networks_that_break_rules_of_torch_fail_alone_or_run(strange: Any) -> None:
    for kind in ("NothingFromTrain", "NoInit", "Adapts"):
        strange.model(kind, "strange", arguments={"kind": kind})
    strange.model("talks", "talks_long")
    results, said = strange.run()
    assert results.models("new") == ["Adapts", "NothingFromTrain"]
    assert "NoInit failed: the model cannot be built\n" in said
    assert len(max(said.splitlines(), key=len)) < 700


def test_a_log_whose_arguments_do_not_fit_its_text_is_passed_on() -> None:
    kept = _Logged(logging.WARNING)
    kept.emit(logging.LogRecord("x", logging.WARNING, "x.py", 1, "%d of them", ("three",), None))
    assert kept.texts == ["%d of them"]


def test_a_damaged_image_is_refused_whatever_a_builder_lets_pillow_do(strange: Any) -> None:
    for number, name in enumerate(("black", "white")):
        (strange.path / "pictures" / name).mkdir(parents=True)
        noise = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(strange.path / "pictures" / name / "1.png")
    damaged = strange.path / "pictures" / "white" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:-800])
    strange.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    preprocess = {"resize": 8, "crop": 8}
    strange.model("m", "lets_damaged_images_through", preprocess=preprocess)
    with pytest.raises(DataError) as caught:
        strange.run()
    assert caught.value.where == f"dataset new, {damaged}"
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
