"""Networks in bf16 and fp16: weights cast once, and the images on which they are compared with fp32."""

import copy
import dataclasses

import numpy as np
from torch.nn.modules.batchnorm import _BatchNorm

from evalshift.errors import type_and_message
from evalshift.evaluate.devices import HALF
from evalshift.evaluate.repeatability import NotApplied
from evalshift.evaluate.streams import has_hooks
from evalshift.testbed.models import Classifier

# On so many images, spread over the dataset, predictions are compared with those in fp32.
COMPARED_IMAGES = 512


def cast_weights(classifier: Classifier, precision: str) -> Classifier:
    """A copy whose weights and buffers have half precision, which takes images of it; the network stays as it was.

    Autocast casts inputs and weights anew for each operation. Batch norms keep float32: their operation takes both, and
    a running variance loses more by it than a weight.
    Raises NotApplied for a network that cannot be copied, that has hooks, or that has no weights.
    """
    if has_hooks(classifier.module):
        raise NotApplied("the network has hooks")
    try:
        module = copy.deepcopy(classifier.module)
    except Exception as error:  # someone else's network
        raise NotApplied(f"the network cannot be copied: {type_and_message(error)}") from error
    tensors = [
        tensor
        for part in module.modules()
        if not isinstance(part, _BatchNorm)
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False))
        if tensor.is_floating_point()
    ]
    if not tensors:
        raise NotApplied("the network has no weights to cast")
    for tensor in tensors:
        tensor.data = tensor.data.to(HALF[precision])
    return dataclasses.replace(classifier, module=module)


def spread(count: int, wanted: int = COMPARED_IMAGES) -> np.ndarray:
    """Positions of at most `wanted` of `count` images, as far apart as can be, so that sorted classes all take part.

    >>> spread(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))
