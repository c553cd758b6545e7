"""What a run would download, and how long it would take: said before it starts. Imports no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evalshift.errors import EvalshiftError
from evalshift.evaluate.choice import Choice, datasets_of
from evalshift.evaluate.estimates import images_per_model, read_paces
from evalshift.evaluate.plan import Plan, Request, make_plan
from evalshift.evaluate.store import Results
from evalshift.formatting import counted, duration
from evalshift.testbed.known_sizes import known_bytes, known_images
from evalshift.testbed.limits import limit_of
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.readiness import State, size_text
from evalshift.testbed.registry import Registry
from evalshift.testbed.state import dataset_state, model_state
from evalshift.testbed.weights import local_weights, remote_weights


@dataclass(frozen=True)
class Downloads:
    """What is missing on this disk and would be downloaded.

    models    those whose weights are missing
    datasets  those whose files are missing
    size      bytes, of those whose size is known
    unknown   of how many the size is not known
    library   models whose libraries keep weights of their own, and download what they do not have
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    size: int
    unknown: int
    library: int

    def __len__(self) -> int:
        return len(self.models) + len(self.datasets)

    @property
    def words(self) -> str:
        """As "36 downloads, 3.1 GB"."""
        parts = [counted(len(self), "download")] if len(self) else []
        if self.size:
            parts.append(f"{'at least ' if self.unknown else ''}{size_text(self.size)}")
        elif self.unknown:
            parts.append("size not known")
        if self.library:
            parts.append(f"weights of {counted(self.library, 'model')} from their libraries if not downloaded before")
        return ", ".join(parts)


def missing_files(registry: Registry, datasets: Iterable[str], models: Mapping[str, AnyModel]) -> Downloads | None:
    """What of these datasets and models would be downloaded; None where nothing is."""
    sizes: dict[str, int | None] = {}
    absent = [name for name in datasets if _comes_later(dataset_state(registry.dataset(name)))]
    for name in absent:
        sizes[f"datasets/{name}"] = _bytes_of_dataset(registry, name)
    lacking = []
    for name, entry in models.items():
        files = list(_missing_weights(entry))
        if files:
            lacking.append(name)
            sizes[f"models/{name}"] = None if None in files else sum(size or 0 for size in files)
    library = sum(
        entry.fetches and not entry.weights_files() and _comes_later(model_state(entry)) for entry in models.values()
    )
    if not sizes and not library:
        return None
    known = [size for size in sizes.values() if size is not None]
    return Downloads(tuple(lacking), tuple(absent), sum(known), len(sizes) - len(known), library)


def _comes_later(state: State) -> bool:
    return state.can_run and not state.is_ready


def _bytes_of_dataset(registry: Registry, name: str) -> int | None:
    from evalshift.testbed.datasets.places import stored

    files = [file for file in registry.dataset(name).needed_files() if stored(file) is None]
    sizes = [file.size for file in files]
    return None if None in sizes or not files else sum(size or 0 for size in sizes)


def _missing_weights(entry: AnyModel) -> Iterable[int | None]:
    """The size of each file of weights that is to be downloaded."""
    for part in getattr(entry, "parts", ()) or (entry,):
        try:
            remote = remote_weights(part) if local_weights(part) is None else None
        except EvalshiftError:  # it is raised again where the model is loaded
            continue
        if remote is not None:
            yield remote.size or known_bytes(remote.name)


def chosen_downloads(registry: Registry, chosen: Choice) -> Downloads | None:
    """What all chosen models and datasets lack, whatever is stored of them; a quick look at the disk."""
    datasets = dict.fromkeys(name for pair in chosen.pairs for name in datasets_of(registry, pair))
    return missing_files(registry, datasets, chosen.models)


def planned_downloads(request: Request) -> str | None:
    """What is to be run and downloaded, in a line; None where nothing is to be downloaded. No dataset is read."""
    if chosen_downloads(request.registry, request.chosen) is None:
        return None
    return downloads_line(make_plan(request), request.registry, request.results)


def downloads_line(plan: Plan, registry: Registry, results: Results) -> str | None:
    """A plan as "39 models, 36 downloads, 3.1 GB, about 40 min"; None where nothing is to be downloaded."""
    models = {name: plan.models[name] for name in dict.fromkeys(job.model for job in plan.jobs)}
    datasets = dict.fromkeys(job.dataset for job in plan.jobs)
    missing = missing_files(registry, datasets, models)
    if missing is None:
        return None
    parts = [counted(len(models), "model"), missing.words]
    if (seconds := _seconds(plan, registry, results, datasets)) is not None:
        parts.append(f"about {duration(seconds)}")
    return ", ".join(parts)


def _seconds(plan: Plan, registry: Registry, results: Results, datasets: Iterable[str]) -> float | None:
    """How long the models run, going by earlier runs on any device of this machine; None where none was timed."""
    lengths = {name: _images(registry, name) for name in datasets}
    if None in lengths.values():
        return None
    images = images_per_model(plan, {name: length or 0 for name, length in lengths.items()})
    return read_paces(results, plan.models, None, None).seconds(images)


def _images(registry: Registry, name: str) -> int | None:
    base, _, choice = name.rpartition("@")
    limit = limit_of(choice) if base else None
    known = known_images(name) or (known_images(base) if base else None)
    return limit if known is None else min(known, limit or known)
