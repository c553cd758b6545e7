"""How many predictions change where JPEG files are decoded at a reduced size."""

import torch

from evalshift.evaluate.half_precision import spread
from evalshift.evaluate.images import ImageReader, SharedReader
from evalshift.evaluate.inference import InHalves, place
from evalshift.evaluate.predictions import DecodingComparison
from evalshift.evaluate.preparation import Prepared
from evalshift.evaluate.repeatability import in_batches

_COMPARED_IMAGES = 256


def compare_decoding(prepared: Prepared, reader: ImageReader | SharedReader) -> DecodingComparison:
    """Run a network on images from all over the dataset, decoded at the reduced size and at the full one.

    Raises what the network raises.
    """
    classifier, execution = prepared.classifier, prepared.execution
    positions = spread(len(reader.dataset), _COMPARED_IMAGES)
    place(classifier, execution)
    run = InHalves(execution)
    tops = [
        in_batches(classifier, read(positions, classifier.preprocess), run, execution.batch_size).argmax(dim=1)
        for read in (reader.exactly_at, reader.at)
    ]
    return DecodingComparison(images=len(positions), differing=int(torch.ne(*tops).sum()))
