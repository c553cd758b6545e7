"""Checks before operations that trust their arguments: with forged ones they read or write memory beyond their tensors.

Each is the condition under which the operation itself is right, on tensors as they are when the program runs: what the
file says of their shapes may be forged too. Found with torch 2.14 and torchvision 0.29.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import fx

from evalshift.errors import ModelError

Arguments = Mapping[str, Any]
_KINDS = {"ScalarType": torch.dtype, "Layout": torch.layout, "MemoryFormat": torch.memory_format}
_ROWS_PER_UNIT = {"lstm": 4, "gru": 3, "rnn_relu": 1, "rnn_tanh": 1}


def guard(module: torch.nn.Module, where: str) -> None:
    """Have each such operation of a program, and of its parts, checked whenever it runs.

    It then raises ModelError where its tensors do not fit together.
    """
    for part in module.modules():
        if not isinstance(part, fx.GraphModule):
            continue
        changed = False
        for node in part.graph.nodes:
            _refuse_numbers(node, where)
            check = _check_of(node.target)
            if check is not None:
                node.target = _checked(node.target, check, where)
                changed = True
        if changed:
            part.recompile()


def _refuse_numbers(node: fx.Node, where: str) -> None:
    """Raise ModelError for a number instead of a type or layout: torch looks it up in a table without a check."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    given = _bound(node.target, node.args, node.kwargs)
    for one in node.target._schema.arguments:
        kind = next((kind for name, kind in _KINDS.items() if name in str(one.real_type)), None)
        value = given.get(one.name)
        if kind is not None and value is not None and one.name in {*_named(node)} and not isinstance(value, kind):
            raise ModelError(
                "an operation of the exported program has a number instead of a type",
                where=where,
                found=f"{one.name}={value!r} of {node.target}",
                expected=f"a torch.{kind.__name__}",
                fix="export the network again",
            )


def _named(node: fx.Node) -> Iterable[str]:
    """The arguments that a node gives; defaults are torch's own."""
    arguments = node.target._schema.arguments  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    return (*(one.name for one, _ in zip(arguments, node.args, strict=False)), *node.kwargs)


def _check_of(target: object) -> "Callable[[Arguments], bool] | None":
    if not isinstance(target, torch._ops.OpOverload):
        return None
    return CHECKS.get(target._schema.name.partition("::")[2])


def _checked(target: torch._ops.OpOverload, check: Callable[[Arguments], bool], where: str) -> Callable[..., Any]:
    def call(*positional: Any, **named: Any) -> Any:
        if not check(_bound(target, positional, named)):
            raise ModelError(
                "an operation of the exported program has tensors that do not fit together",
                where=where,
                found=f"{target} of {', '.join(_shapes((*positional, *named.values())))}",
                expected="shapes as torch.export wrote them",
                fix="export the network again",
            )
        return target(*positional, **named)

    call.__name__ = str(target).replace(".", "_")
    return call


def _bound(target: torch._ops.OpOverload, positional: Iterable[Any], named: Arguments) -> Arguments:
    arguments = target._schema.arguments
    given = {one.name: one.default_value for one in arguments if one.has_default_value()}
    return given | dict(zip((one.name for one in arguments), positional, strict=False)) | dict(named)


def _shapes(values: Iterable[Any]) -> list[str]:
    return [str(tuple(one.shape)) for one in values if isinstance(one, torch.Tensor)]


def _one_per_channel(given: Arguments) -> bool:
    """Statistics and weights of a normalization over batches."""
    channels = given["input"].shape[1]
    names = ("weight", "bias", "running_mean", "running_var")
    return all(given.get(name) is None or tuple(given[name].shape) == (channels,) for name in names)


def _attention(given: Arguments) -> bool:
    """A value for each key."""
    return given["key"].shape[-2] == given["value"].shape[-2] and given["query"].shape[-1] == given["key"].shape[-1]


def _fused_attention(given: Arguments) -> bool:
    """Keys and values for each query of each image, and heads in groups of one size."""
    query, key, value = given["query"], given["key"], given["value"]
    alike = query.ndim == key.ndim == value.ndim == 4 and query.shape[0] == key.shape[0]
    return bool(
        alike
        and key.shape[:3] == value.shape[:3]
        and key.shape[1] > 0
        and query.shape[1] % key.shape[1] == 0
        and _attention(given)
    )


def _distances(given: Arguments) -> bool:
    """As many sets of points on both sides."""
    return given["x1"].shape[:-2] == given["x2"].shape[:-2] and given["x1"].shape[-1] == given["x2"].shape[-1]


def _weight_norm(given: Arguments) -> bool:
    """A length for each row of a weight, or one for the whole."""
    weight, length, dim = given["v"], given["g"], given["dim"]
    return weight.numel() > 0 and length.numel() == (1 if dim == -1 else weight.shape[dim])


def _deformed(given: Arguments) -> bool:
    """Places that are numbers, in steps forward."""
    steps = ("stride_h", "stride_w", "dilation_h", "dilation_w", "groups", "offset_groups")
    return all(given[name] > 0 for name in steps) and not given["offset"].isnan().any()


def _recurrent(rows_per_unit: int) -> Callable[[Arguments], bool]:
    def fits(given: Arguments) -> bool:
        """The weights of each layer and direction, in the order of torch.nn."""
        if "batch_sizes" in given:  # packed sequences, which no image is
            return False
        states = given["hx"] if isinstance(given["hx"], list | tuple) else [given["hx"]]
        out, hidden = states[0].shape[-1], states[-1].shape[-1]
        directions = 2 if given["bidirectional"] else 1
        sets = [
            shape
            for layer in range(given["num_layers"])
            for _ in range(directions)
            for shape in _weights(
                rows_per_unit * hidden, out * directions if layer else given["input"].shape[-1], out, given
            )
            + ([(out, hidden)] if out != hidden else [])
        ]
        return [tuple(one.shape) for one in given["params"]] == sets

    return fits


def _weights(rows: int, width: int, out: int, given: Arguments) -> list[tuple[int, ...]]:
    return [(rows, width), (rows, out), *([(rows,), (rows,)] if given["has_biases"] else [])]


_NORMS = ("native_batch_norm", "_batch_norm_no_update", "_native_batch_norm_legit")
_ATTENTION = ("cudnn", "efficient", "flash", "fused")
CHECKS: Mapping[str, Callable[[Arguments], bool]] = {
    **dict.fromkeys((*_NORMS, "_native_batch_norm_legit_no_training"), _one_per_channel),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys((f"_scaled_dot_product_{kind}_attention" for kind in _ATTENTION[:3]), _fused_attention),
    "_scaled_dot_product_flash_attention_for_cpu": _fused_attention,
    "_scaled_dot_product_fused_attention_overrideable": _fused_attention,
    "_cdist_forward": _distances,
    **dict.fromkeys(("_weight_norm", "_weight_norm_interface"), _weight_norm),
    "deform_conv2d": _deformed,
    **{name: _recurrent(rows_per_unit) for name, rows_per_unit in _ROWS_PER_UNIT.items()},
}
