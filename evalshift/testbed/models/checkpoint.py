"""Networks that a function makes, filled from a checkpoint."""

from torch import nn

from evalshift.testbed.checkpoints import load_weights
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import call_function
from evalshift.testbed.own_model_entries import CheckpointModel
from evalshift.testbed.weights import find_weights


def build(entry: CheckpointModel, space: ClassSpace, where: str) -> Built:
    """The network with its weights."""
    weights = find_weights(entry)
    built = bare(entry, space, where)
    left_out = ()
    if isinstance(built.module, nn.Module):
        left_out = load_weights(built.module, entry, weights, where)
    return Built(built.module, sha256=weights.sha256, left_out=left_out)


def bare(entry: CheckpointModel, space: ClassSpace, where: str) -> Built:
    """The network as its builder makes it."""
    return Built(call_function(entry.builder, entry.arguments, where))
