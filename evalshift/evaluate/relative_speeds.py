"""How long models take per image, roughly and before they run: a cluster begins with the slow ones."""

from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean, median

from evalshift.errors import EvalshiftError
from evalshift.evaluate.estimates import read_paces
from evalshift.evaluate.model_run import Work
from evalshift.evaluate.store import Results
from evalshift.testbed.known_sizes import known_bytes
from evalshift.testbed.model_entry import Weighted
from evalshift.testbed.weights import local_weights, remote_weights

# CIFAR ResNets on one core. Only how models compare with each other, and with what they take to be loaded, matters.
_SECONDS_PER_GMAC, _SECONDS_PER_BYTE = 0.016, 6e-10


def seconds_per_image(works: Sequence[Work], results: Results, precision: str) -> dict[str, float]:
    """Model → seconds per image: timed before in these results, else by multiply-adds or the size of its weights.

    Models of which nothing is known take the mean of the others. Empty where nothing is known of any.
    """
    timed = read_paces(results, [work.name for work in works], None, precision).images_per_second
    guessed = {work.name: guess for work in works if (guess := _guess(work))}
    scale = median([1 / timed[name] / guessed[name] for name in timed.keys() & guessed.keys()] or [1.0])
    found = {name: scale * guess for name, guess in guessed.items()} | {name: 1 / rate for name, rate in timed.items()}
    return {work.name: found.get(work.name, fmean(found.values())) for work in works} if found else {}


def _guess(work: Work) -> float | None:
    """Seconds per image of a model that never ran; None where its entry says nothing and its weights are not known."""
    if work.entry.gmacs:
        return work.entry.gmacs * _SECONDS_PER_GMAC
    sizes = [_bytes_of(part) for part in work.entry.weights_parts]
    return None if None in sizes else sum(size or 0 for size in sizes) * _SECONDS_PER_BYTE or None


def _bytes_of(part: Weighted) -> int | None:
    with suppress(EvalshiftError, OSError):  # it is raised again where the model is built
        path = local_weights(part)
        return _remote_bytes(part) if path is None else path.stat().st_size
    return None


def _remote_bytes(part: Weighted) -> int | None:
    remote = remote_weights(part)
    return None if remote is None else remote.size or known_bytes(remote.name)
