"""Predictions on the shards of a dataset, joined by image: each is there once, whatever order they came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalshift.errors import ModelError
from evalshift.evaluate.predictions import DecodingComparison, Predictions, Provenance
from evalshift.evaluate.units import Shard

# What all shards of a model must agree on; they may have run on different machines.
_ALIKE = ("checkpoint_sha256", "dataset_fingerprint", "preprocess", "precision", "output", "output_kind", "identity")


@dataclass(frozen=True, eq=False)
class Piece:
    """What a model predicted on one shard; logits where they are kept, shape (n, classes)."""

    shard: Shard
    predictions: Predictions
    logits: np.ndarray | None


def join(pieces: Sequence[Piece], images: int) -> tuple[Predictions, np.ndarray | None]:
    """The predictions on all images of a dataset, in its order.

    Raises ModelError where the workers ran different weights or took different outputs of the network, and ValueError
    where the shards do not hold each of the `images` once.
    """
    pieces = sorted(pieces, key=lambda piece: piece.shard.start)
    ends = [0, *(piece.shard.stop for piece in pieces)]
    if [piece.shard.start for piece in pieces] != ends[:-1] or ends[-1] != images:
        raise ValueError(f"shards that begin at {[piece.shard.start for piece in pieces]} of {images:,} images")
    if any(len(piece.predictions) != piece.shard.stop - piece.shard.start for piece in pieces):
        raise ValueError("a shard with another number of predictions than it has images")
    first = pieces[0].predictions
    _refuse_unlike(pieces)
    top = np.concatenate([piece.predictions.top for piece in pieces])
    probabilities = [piece.predictions.prob for piece in pieces if piece.predictions.prob is not None]
    prob = np.concatenate(probabilities) if len(probabilities) == len(pieces) else None
    logits = [piece.logits for piece in pieces if piece.logits is not None]
    all_logits = np.concatenate(logits) if len(logits) == len(pieces) else None
    facts = _facts([piece.predictions.provenance for piece in pieces], images)
    return Predictions(first.model, first.dataset, top, prob, facts), all_logits


def _refuse_unlike(pieces: Sequence[Piece]) -> None:
    first = pieces[0].predictions
    for piece in pieces[1:]:
        for name in _ALIKE:
            expected, found = (getattr(one.provenance, name) for one in (first, piece.predictions))
            if expected != found:
                raise ModelError(
                    "workers ran different forms of a model",
                    where=f"model {first.model} on {first.dataset}",
                    found=f"{name.replace('_', ' ')} {_short(expected)} and {_short(found)}",
                    expected="the same on all machines",
                    fix="give all machines the same files and libraries, and run it again",
                )


def _short(value: Any) -> str:
    return str(value)[:60]


def _facts(parts: Sequence[Provenance], images: int) -> Provenance:
    """How the whole came about: seconds and speeds add up, devices and warnings of all are named."""
    paces = [part.images_per_second for part in parts]
    compared = [part.fast_decode for part in parts if part.fast_decode is not None]
    devices = dict.fromkeys(part.device for part in parts if part.device is not None)
    return parts[0].model_copy(
        update={
            "device": " + ".join(devices),
            "batch_size": min(part.batch_size or 1 for part in parts),
            "threads": parts[0].threads if len({part.threads for part in parts}) == 1 else None,
            "start": min(part.start for part in parts),
            "seconds": sum(part.seconds or 0.0 for part in parts),
            "images_per_second": images / sum(part.seconds or 0.0 for part in parts) if any(paces) else None,
            "warnings": list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
            "skipped_optimizations": {key: why for part in parts for key, why in part.skipped_optimizations.items()},
            "shards": len(parts),
            "fast_decode": None
            if not compared
            else DecodingComparison(
                images=sum(one.images for one in compared), differing=sum(one.differing for one in compared)
            ),
        }
    )
