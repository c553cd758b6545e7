"""How long a run will take and what it downloads, from earlier runs on this machine; imports no torch."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from evalshift.errors import EvalshiftError, StoreError
from evalshift.evaluate.limited_runs import with_limited_results
from evalshift.evaluate.plan import Plan
from evalshift.evaluate.predictions import Provenance
from evalshift.evaluate.store import Results
from evalshift.formatting import counted, duration
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.weights import local_weights, remote_weights

# Shorter runs start without an estimate.
WORTH_SAYING_SECONDS = 60.0


@dataclass(frozen=True)
class Paces:
    """Images/s of models on this machine, from stored provenance: model → that of its newest run on this device.

    Only runs on the same device in the same precision count.
    """

    images_per_second: Mapping[str, float]

    def seconds(self, images: Mapping[str, int]) -> float | None:
        """Seconds for these numbers of images per model; the mean rate for a model that never ran. None if none ran."""
        known = {model: count / self.images_per_second[model] for model, count in images.items() if self.knows(model)}
        if not known:
            return None
        per_image = fmean(1 / self.images_per_second[model] for model in known)
        return sum(known.values()) + sum(per_image * images[model] for model in images.keys() - known.keys())

    def knows(self, model: str) -> bool:
        return model in self.images_per_second


def read_paces(results: Results, models: Iterable[str], device: str | None, precision: str | None) -> Paces:
    """Rates of earlier runs of these models in this results folder, including limited runs.

    device   as in the provenance, such as "cpu (2 threads)"; None for any device; likewise for the precision
    """
    newest: dict[str, tuple[str, float]] = {}
    for stored in _runs(results, models):
        rate = stored.images_per_second
        same = device in (None, stored.device) and precision in (None, stored.precision)
        if same and rate and stored.start > newest.get(stored.model, ("", 0.0))[0]:
            newest[stored.model] = (stored.start, rate)
    return Paces({model: rate for model, (_, rate) in newest.items()})


def _runs(results: Results, models: Iterable[str]) -> Iterator[Provenance]:
    """Provenance of stored predictions of these models, including limited runs; damaged files are left out."""
    for one in with_limited_results(results):
        for dataset in one.datasets():
            for model in sorted(set(one.models(dataset)) & set(models)):
                try:
                    stored = one.provenance(dataset, model)
                except StoreError:
                    continue
                if stored is not None and stored.imported is None:
                    yield stored


def work_line(plan: Plan, lengths: Mapping[str, int], paces: Paces) -> str | None:
    """One line on the work of a run and its estimated time; None for a run known to be short.

    lengths   images of each dataset
    """
    images = images_per_model(plan, lengths)
    seconds, total = paces.seconds(images), sum(images.values())
    downloads = sum(_downloads_weights(plan.models[model]) for model in images)
    if not downloads and (seconds is None or seconds < WORTH_SAYING_SECONDS):
        return None
    parts = [counted(len(images), "model"), counted(total, "image")]
    if downloads:
        parts.append(f"weights of {counted(downloads, 'model')} to download")
    if seconds is not None:
        known = sum(map(paces.knows, images))
        source = "timed before" if known == len(images) else f"{known} of {len(images)} models were timed before"
        parts.append(f"about {duration(seconds)} ({source})")
    return f"work      {', '.join(parts)}"


def images_per_model(plan: Plan, lengths: Mapping[str, int]) -> dict[str, int]:
    """Number of images on which each model of a plan will run."""
    images: dict[str, int] = {}
    for job in plan.jobs:
        images[job.model] = images.get(job.model, 0) + lengths[job.dataset]
    return images


class Outlook:
    """The estimate of a run's time after its first model, if there was none before.

    lengths   images of each dataset

    Keeps the provenance of predictions, to estimate the time of a limited run without its limit.
    """

    def __init__(self, plan: Plan, lengths: Mapping[str, int], paces: Paces) -> None:
        self._left = images_per_model(plan, lengths)
        self._jobs = {model: len(plan.jobs_of(model)) for model in self._left}
        self._said = any(map(paces.knows, self._left))
        self.stored: list[Provenance] = []

    def after(self, stored: Provenance) -> str | None:
        """The line to print after these predictions, or None."""
        self.stored.append(stored)
        self._jobs[stored.model] -= 1
        if self._said or self._jobs[stored.model]:
            return None
        self._said = True
        return rest_line(self._left, stored)


def rest_line(images: Mapping[str, int], first: Provenance) -> str | None:
    """Estimated time of the remaining models, from the first; None if it is short.

    images   per model, of all
    """
    left = {model: count for model, count in images.items() if model != first.model}
    if not left or not first.images_per_second:
        return None
    count = sum(left.values())
    seconds = count / first.images_per_second
    if seconds < WORTH_SAYING_SECONDS:
        return None
    models = counted(len(left), "model")
    return f"work      {models} left, {counted(count, 'image')}, about {duration(seconds)} if they are as fast"


def full_run_line(stored: Iterable[Provenance], lengths: Mapping[str, int], besides: float, decode: float = 0.0) -> str:
    """Estimated time of the run without its limit, from that of the limited run.

    lengths   images of each limited dataset without the limit
    besides   seconds independent of the number of images: loading models, finding batch sizes
    decode    seconds to decode all images, if decoding is not part of the images/s
    """
    runs = list(stored)
    images = sum(lengths[one.dataset] for one in runs)
    forward = sum(lengths[one.dataset] / one.images_per_second for one in runs if one.images_per_second)
    models = len({one.model for one in runs})
    return (
        f"full run  about {duration(forward + besides + decode)} for {counted(models, 'model')} and all images "
        f"({images:,} in all, each counted per model)"
    )


def _downloads_weights(entry: AnyModel) -> bool:
    try:
        return any(local_weights(one) is None and remote_weights(one) is not None for one in entry.weights_parts)
    except EvalshiftError:  # raised again when the model is loaded
        return False
