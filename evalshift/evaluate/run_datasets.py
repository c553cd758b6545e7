"""The datasets of one run: each loaded at most once, fingerprinted, read for models, and described in the store."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evalshift.evaluate.corrected import as_registered, note_corrected_labels
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.evaluate.plan import Request
from evalshift.evaluate.store import StoredDataset
from evalshift.evaluate.validity import stored_fingerprint
from evalshift.testbed.datasets import Dataset, load_dataset, read_content, source_checksum
from evalshift.testbed.views import Superclasses

if TYPE_CHECKING:  # torch is imported when the first model runs
    from evalshift.evaluate.images import ImageReader, Memory


class RunDatasets:
    """Datasets of one run, each loaded at most once, and only when its files were touched or a model needs it."""

    def __init__(self, request: Request, say: Callable[[str], None]) -> None:
        self.registry, self.results, self.options = request.registry, request.results, request.options
        self._say = say
        self._loaded: dict[str, Dataset] = {}
        self._fingerprints: dict[str, str] = {}
        self._readers: dict[str, ImageReader] = {}
        self._shared: tuple[Memory, DecodeCache] | None = None

    def fingerprint(self, name: str) -> str:
        if name not in self._fingerprints:
            known = stored_fingerprint(self.registry, self.results, name)
            self._fingerprints[name] = known or self._read(name)
        return self._fingerprints[name]

    def load(self, name: str) -> Dataset:
        if name not in self._loaded:
            entry = self.registry.dataset(name)
            self._loaded[name] = load_dataset(name, entry, self.registry.class_space(entry.classes))
        return self._loaded[name]

    def reader(self, name: str) -> "ImageReader":
        from evalshift.evaluate.images import ImageReader, Memory

        if name not in self._readers:
            if self._shared is None:
                folder = None if self.options.cache_dir is None else Path(self.options.cache_dir)
                self._shared = Memory(), DecodeCache(folder, self.options.cache_bytes, self._say)
            memory, cache = self._shared
            self._readers[name] = ImageReader(
                self.load(name),
                self.options.workers,
                memory,
                cache,
                partial(self.fingerprint, name),
                self.options.fast_decode,
            )
        return self._readers[name]

    @property
    def images_decoded(self) -> int:
        """How many images were decoded so far."""
        return sum(reader.images_decoded for reader in self._readers.values())

    def close(self) -> None:
        """Let go of all decoded images."""
        for reader in self._readers.values():
            reader.close()

    def _read(self, name: str) -> str:
        """Load a dataset whose files are new or were touched, and note its labels and fingerprint in the store."""
        entry, dataset = self.registry.dataset(name), self.load(name)
        content = read_content(dataset, self.options.workers or 2)
        self._save(
            StoredDataset(
                name=name,
                ids=dataset.ids,
                labels=dataset.labels,
                classes=entry.classes,
                class_names=dataset.classes.names,
                fingerprint=content.fingerprint,
                source_checksum=source_checksum(entry),
                entry=entry.model_dump(mode="json", exclude_defaults=True),
                view=dataset.view,
                attributes=dataset.attributes,
                accepted=dataset.accepted,
                whole=dataset.whole,
                superclasses=self._superclasses(name),
                pictures=content.pictures,
            )
        )
        return content.fingerprint

    def _save(self, dataset: StoredDataset) -> None:
        self.results.save_dataset(as_registered(dataset, self.registry, say=self._say))

    def note_further(self, names: Iterable[str]) -> None:
        """Store the superclasses and corrected labels that the registry has now beside datasets stored before."""
        names = list(names)
        for name in names:
            self.results.note_superclasses(name, self._superclasses(name))
        note_corrected_labels(self.results, self.registry, names, self._say)

    def _superclasses(self, name: str) -> tuple[Superclasses, ...]:
        entry = self.registry.dataset(name)
        space = self.registry.label_space(entry)
        return self.registry.superclasses(space.name, space.names, entry.seen)
