"""Values that training scripts save beside weights: named one by one, and read as placeholders that hold nothing.

torch's weights_only reader refuses a whole checkpoint for the sake of a best accuracy that is a NumPy number. None of
these is needed, so none is built: a NumPy array made out of a stranger's bytes could crash Python or forge pointers,
and what reads as a path or a date here is an object without content. Mappings keep theirs, where weights may lie.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_NUMPY = [
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *(f"numpy.{name}" for name in ("ndarray", "dtype", "bool_", "bool", "str_", "float16", "float32", "float64")),
    *(f"numpy.{name}" for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intc")),
    *(f"numpy.dtypes.{kind}{bits}DType" for kind in ("Float", "Int", "UInt") for bits in (8, 16, 32, 64)),
    *("numpy.dtypes.BoolDType", "numpy.dtypes.StrDType", "numpy.dtypes.ObjectDType"),
]
_PYTHON = [
    *("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath"),
    *("pathlib.PurePath", "pathlib._local.Path", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
    *("datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone"),
    *("argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal", "fractions.Fraction"),
    *("collections.deque", "functools.partial", "enum.Enum", "typing.Any", "torch.torch_version.TorchVersion"),
    *(f"builtins.{name}" for name in ("int", "float", "bool", "str", "bytes", "list", "dict", "tuple", "object")),
    *(f"builtins.{name}" for name in ("frozenset", "range", "slice")),
]
_LIBRARIES = [
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "base.ContainerMetadata")),
    *(f"omegaconf.{name}" for name in ("base.Metadata", "nodes.AnyNode", "nodes.IntegerNode", "nodes.FloatNode")),
    *(f"omegaconf.{name}" for name in ("nodes.StringNode", "nodes.BooleanNode")),
    *(
        f"{library}.callbacks.model_checkpoint.ModelCheckpoint"
        for library in ("pytorch_lightning", "lightning.pytorch")
    ),
    *(f"{library}.callbacks.early_stopping.EarlyStopping" for library in ("pytorch_lightning", "lightning.pytorch")),
    "mmengine.logging.history_buffer.HistoryBuffer",
]
_MAPPINGS = [
    *("collections.defaultdict", "easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode", "munch.Munch"),
    *("mmcv.utils.config.ConfigDict", "mmengine.config.config.ConfigDict", "ml_collections.config_dict.ConfigDict"),
    *(f"{library}.utilities.parsing.AttributeDict" for library in ("pytorch_lightning", "lightning.pytorch")),
    *("lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict"),
]
_reading = threading.Lock()


class Beside:
    """A value that no network needs: it takes what it was made of and keeps nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "Beside":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _AsMapping:
    """Makes an ordinary mapping instead of a library's."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


def _named(place: str, kind: type) -> type:
    """A class of that kind that torch knows under another name; nothing is imported."""
    module, _, name = place.rpartition(".")
    return type(name, (kind,), {"__module__": module, "__qualname__": name})


SAFE_TYPES = [_named(name, Beside) for name in (*_NUMPY, *_PYTHON, *_LIBRARIES)]
SAFE_TYPES += [_named(name, _AsMapping) for name in _MAPPINGS]


@contextmanager
def placeholders() -> Iterator[None]:
    """Let torch.load(weights_only=True) meet these types, for this long only."""
    serialization: Any = torch.serialization
    with _reading:
        # safe_globals adds to what this process allowed elsewhere, which would build real objects under the same names.
        before = serialization.get_safe_globals()
        serialization.clear_safe_globals()
        try:
            with serialization.safe_globals(SAFE_TYPES):
                yield
        finally:
            serialization.add_safe_globals(before)
