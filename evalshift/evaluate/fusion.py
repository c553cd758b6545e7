"""The same network in fewer steps, for CPUs: batch norm folded into convolutions, activations and sums joined to them.

A convolutional network on a CPU spends much of its time carrying pictures to memory and back between operations that
each do little. oneDNN, which computes torch's convolutions there, takes the operations that follow along; torch itself
asks it to only in compiled networks. Predictions equal those of the plain network up to rounding of the last digits,
as with another batch size or memory layout: each fused network is compared with the plain one before it is used.
"""

import dataclasses
import operator
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from evalshift.errors import type_and_message
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import forward
from evalshift.evaluate.repeatability import NotApplied, Reference, take_reference
from evalshift.evaluate.streams import copies_of, has_hooks
from evalshift.shapes import Images
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import apply_arithmetic

# What comes after a convolution -> what oneDNN calls it, and its numbers.
_ACTIVATIONS: dict[Any, tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    F.relu: ("relu", []),
    torch.relu: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    F.relu6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    F.silu: ("swish", []),
    nn.Hardswish: ("hardswish", []),
    F.hardswish: ("hardswish", []),
}
_SUMS = (operator.add, operator.iadd, torch.add)


def fuse(classifier: Classifier, images: Images, reference: Reference | None = None) -> Classifier:
    """The classifier with its operations joined where oneDNN can do them in one, for a network on the CPU.

    images      the first few, uint8 (n, h, w, c), on which both forms must agree
    reference   what the network gives for them; None takes it from the network
    The fused form shares all tensors with the network but those of folded convolutions; the network stays as it was.
    Raises NotApplied for a network that cannot be traced (its path depends on values), that has hooks, in which there
    is nothing to join, or that gives other logits when it is fused.
    """
    if not torch.backends.mkldnn.is_available():
        raise NotApplied("torch was built without oneDNN")
    if has_hooks(classifier.module):
        raise NotApplied("the network has hooks")
    execution = Execution(torch.device("cpu"), "fp32", len(images), "contiguous")
    try:
        reference = reference or _reference(classifier, images, execution)
        with torch.no_grad():  # not in inference mode: what is made there, some operations of torch refuse
            # Of a copy: what tracing leaves in a network, later calls would read.
            module = copies_of(classifier, 2)[1].module
            graph = fx.GraphModule(module, fx.Tracer().trace(module), type(module).__name__)
            _drop_what_does_nothing(graph)
            _fold_batch_norms(graph)
            ShapeProp(graph).propagate(apply_arithmetic(torch.from_numpy(images), classifier.preprocess))
            joined = _join_to_convolutions(graph)
            _sum_in_place(graph)
        if not joined:
            raise NotApplied("there is nothing to fuse")
        fused = dataclasses.replace(classifier, module=graph.eval().requires_grad_(False))
        reference.check(forward(fused, images, execution))
    except NotApplied:
        raise
    except Exception as error:  # someone else's network: the tracer and the operations refuse whatever they do not know
        raise NotApplied(f"the network cannot be fused: {type_and_message(error)}") from error
    return fused


def _reference(classifier: Classifier, images: Images, execution: Execution) -> Reference:
    def run(one: Classifier, part: Images) -> torch.Tensor:
        return forward(one, part, execution)

    logits = run(classifier, images)
    return take_reference(classifier, images, run, logits, logits, execution.precision)[0]


class JoinedConvolution(nn.Module):
    """A convolution with what follows it as one operation of oneDNN: f(conv(x)), or f(conv(x) + other).

    in_place   whether the sum may be written over `other`, which saves a trip to memory

    Source: torch.ops.mkldnn._convolution_pointwise, which torch's own compiler uses on CPUs.
    """

    def __init__(self, convolution: nn.Conv2d, activation: tuple[str, list[float]] | None) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.geometry = (
            list(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        )
        self.activation, self.scalars = activation or (None, [])
        self.in_place = False

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, *self.geometry, self.activation or "none", self.scalars, ""
            )
        how = (self.weight, self.bias, *self.geometry, "add", 1.0, self.activation, self.scalars, "")
        if self.in_place:
            return torch.ops.mkldnn._convolution_pointwise_.binary(other, x, *how)
        return torch.ops.mkldnn._convolution_pointwise.binary(x, other, *how)


def _drop_what_does_nothing(graph: fx.GraphModule) -> None:
    """Remove identities, and dropout, which is one in evaluation mode."""
    for node in list(graph.graph.nodes):
        if type(_module_of(graph, node)) in (nn.Identity, nn.Dropout) and len(node.args) == 1 and not node.kwargs:
            node.replace_all_uses_with(node.args[0])
    _tidy(graph)


def _fold_batch_norms(graph: fx.GraphModule) -> None:
    """Put each batch norm that follows a convolution, and nothing else does, into the convolution's weights."""
    for node in list(graph.graph.nodes):
        norm = _module_of(graph, node)
        # Its own class alone: timm's subclasses carry an activation with them.
        if type(norm) is not nn.BatchNorm2d or norm.running_mean is None:
            continue
        convolution = _sole_convolution(graph, node.args[0])
        if convolution is None:
            continue
        source = node.args[0]
        name = f"folded_{source.name}"
        graph.add_submodule(name, fuse_conv_bn_eval(convolution, norm))
        _replace(graph, node, name, source.args)
    _tidy(graph)


def _join_to_convolutions(graph: fx.GraphModule) -> int:
    """Join activations and sums to the convolutions before them; says how many convolutions were joined to."""
    joined = 0
    order = {node: position for position, node in enumerate(graph.graph.nodes)}
    # Activations first, with the sums before them: a sum that was joined alone would leave its activation out.
    for with_activation in (True, False):
        for node in list(graph.graph.nodes):
            activation = _activation_of(graph, node)
            if (activation is not None) != with_activation:
                continue
            start = node.args[0] if activation else node
            if not isinstance(start, fx.Node) or (activation and len(start.users) != 1):
                continue
            convolution, inputs = _sole_convolution(graph, start) if activation else None, start.args
            if convolution is None:
                convolution, inputs = _sum_with_convolution(graph, start, order)
            if convolution is None:
                continue
            name = f"joined_{joined}"
            graph.add_submodule(name, JoinedConvolution(convolution, activation))
            order[_replace(graph, node, name, inputs)] = order[node]
            joined += 1
        _tidy(graph)
    return joined


def _sum_in_place(graph: fx.GraphModule) -> None:
    """Let sums be written over what is added where nobody reads that any more.

    That is a tensor which a joined convolution made, which convolutions alone read (others may give a view of it), and
    the sum last of all; not the one that is convolved.
    """
    order = {node: position for position, node in enumerate(graph.graph.nodes)}
    for node in graph.graph.nodes:
        joined = _module_of(graph, node)
        if not isinstance(joined, JoinedConvolution) or len(node.args) != 2 or node.args[0] is node.args[1]:
            continue
        other = node.args[1]
        readers = [_module_of(graph, reader) for reader in other.users]
        joined.in_place = (
            isinstance(_module_of(graph, other), JoinedConvolution)
            and all(isinstance(reader, JoinedConvolution | nn.Conv2d) for reader in readers)
            and max(other.users, key=lambda reader: order[reader]) is node
        )


def _sum_with_convolution(
    graph: fx.GraphModule, node: fx.Node, order: dict[fx.Node, int]
) -> tuple[nn.Conv2d | None, tuple]:
    """The convolution that `node` adds something of equal shape to, and the inputs of both; None where there is none.

    The last of two convolutions is taken: what it is added to must be there before it.
    """
    if node.op != "call_function" or node.target not in _SUMS or len(node.args) != 2 or node.kwargs:
        return None, ()
    terms = [term for term in node.args if isinstance(term, fx.Node)]
    if len(terms) != 2 or terms[0] is terms[1] or _shape(terms[0]) != _shape(terms[1]):
        return None, ()
    if node.target is operator.iadd and len(terms[0].users) != 1:
        return None, ()  # the sum is written over its first term, which someone else reads
    for term, other in sorted(zip(terms, terms[::-1], strict=True), key=lambda pair: order[pair[0]], reverse=True):
        convolution = _sole_convolution(graph, term)
        if convolution is not None:
            return convolution, (*term.args, other)
    return None, ()


def _shape(node: fx.Node) -> Any:
    known = node.meta.get("tensor_meta")
    return (known.shape, known.dtype) if known is not None else None


def _sole_convolution(graph: fx.GraphModule, node: Any) -> nn.Conv2d | None:
    """The convolution at this node if nothing but one later node reads what it gives, and oneDNN can take it on."""
    convolution = _module_of(graph, node)
    if type(convolution) is not nn.Conv2d or len(node.users) != 1 or len(node.args) != 1 or node.kwargs:
        return None
    plain = convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)
    return convolution if plain and convolution.weight.dtype == torch.float32 else None


def _activation_of(graph: fx.GraphModule, node: fx.Node) -> tuple[str, list[float]] | None:
    module = _module_of(graph, node)
    if module is not None:
        return _ACTIVATIONS.get(type(module))
    known = node.op == "call_function" and len(node.args) == 1 and not node.kwargs.keys() - {"inplace"}
    return _ACTIVATIONS.get(node.target) if known else None


def _module_of(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    called = isinstance(node, fx.Node) and node.op == "call_module"
    return graph.get_submodule(str(node.target)) if called else None


def _replace(graph: fx.GraphModule, node: fx.Node, name: str, inputs: tuple) -> fx.Node:
    """Let the module `name` do what `node` does; what only `node` needed is left to `_tidy`."""
    with graph.graph.inserting_before(node):
        instead = graph.graph.call_module(name, inputs)
    instead.meta = dict(node.meta)
    node.replace_all_uses_with(instead)
    return instead


def _tidy(graph: fx.GraphModule) -> None:
    """Drop what nothing reads any more."""
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
