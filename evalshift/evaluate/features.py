"""Features of images: what the last layer of a network is given."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from evalshift.errors import ModelError
from evalshift.evaluate.devices import Execution, set_precision, usual_batch
from evalshift.evaluate.images import ImageReader
from evalshift.evaluate.inference import forward, place
from evalshift.shapes import Images
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier

# On which the last layer is found.
_FEW = 2


def penultimate_features(
    classifier: Classifier,
    dataset: Dataset,
    device: torch.device,
    workers: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Float32[np.ndarray, "n f"]:
    """The input of the network's last linear layer for each image, float32 (n, f): fc7 of a VGG.

    Of a last layer that is a 1 × 1 convolution, the mean of its input over all positions. `advance(n)` is told of every
    n images done. Raises ModelError where no layer gives the logits, and what the network raises.
    Source of the use: Recht et al. 2019, appendix C.1.4.
    """
    reader = ImageReader(dataset, workers, 0)
    sample = reader.first(_FEW, classifier.preprocess)
    batch_size = usual_batch(device, sample.shape[1] * sample.shape[2])
    execution = Execution(device, "fp32", batch_size, "contiguous")
    parts = []
    with set_precision("fp32", device):
        place(classifier, execution)
        layer = last_layer(classifier, sample, execution)
        with (
            _input_of(layer) as seen,
            closing(reader.batches(batch_size, classifier.preprocess)) as batches,
        ):
            for batch in batches:
                forward(classifier, batch, execution)
                parts.append(_flat(seen.pop(), len(batch)).float().cpu().numpy())
                seen.clear()
                advance(len(batch))
    return np.concatenate(parts)


def last_layer(classifier: Classifier, sample: Images, execution: Execution) -> nn.Module:
    """The linear layer or convolution that ran last on its way to as many numbers as there are logits.

    Raises ModelError where the network has none, as one that was exported, or one that is no network of layers.
    """
    ran: list[tuple[nn.Module, int]] = []

    def note(layer: nn.Module, _: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            ran.append((layer, output.shape[-1 if isinstance(layer, nn.Linear) else 1]))

    layers = [part for part in classifier.module.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        logits = forward(classifier, sample, execution)
    finally:
        for handle in handles:
            handle.remove()
    fitting = [layer for layer, width in ran if width >= logits.shape[1]]
    if not fitting:
        raise ModelError(
            "this model has no layer before its logits",
            where=f"model {classifier.name}",
            found=type(classifier.module).__name__,
            expected="a torch network that ends in a linear layer",
            fix="take features of another model",
        )
    return fitting[-1]


@contextmanager
def _input_of(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _flat(given: torch.Tensor, images: int) -> torch.Tensor:
    """Features (n, f): a mean over positions of an image, where a layer is given several."""
    if given.ndim == 4:
        return given.mean(dim=(2, 3))
    if given.ndim == 3:
        return given.mean(dim=1)
    return given.reshape(images, -1)
