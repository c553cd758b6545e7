"""Logits of a pair's models, read from disk one model at a time: all of them together can be larger than memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from evalshift.errors import AnalysisError
from evalshift.evaluate.store import CountedDataset, Results, StoredDataset
from evalshift.testbed.views import View


# Values are not typed further: who checks the type of one would read it from disk.
class StoredLogits(Mapping[str, Any]):
    """Model -> its logits on the original and on the new set, one row per image and one column per class number.

    Has the models whose logits are stored on both sets. In a view a group of classes has the logarithm of the sum of
    its classes' exponentials, and a class that is left out has −∞. Reading raises StoreError for a damaged file,
    AnalysisError for one of other images or classes.
    """

    def __init__(
        self,
        results: Results,
        original: StoredDataset | CountedDataset,
        new: StoredDataset | CountedDataset,
        models: Sequence[str],
    ) -> None:
        self._results = results
        self._datasets = [dataset for dataset in (original, new) if isinstance(dataset, StoredDataset)]
        self._models = [
            model
            for model in models
            if all(results.logits_file(dataset.name, model).is_file() for dataset in self._datasets)
            and all(results.has_logits(dataset.name, model) for dataset in self._datasets)
        ]

    def __getitem__(self, model: str) -> tuple[np.ndarray, np.ndarray]:
        if model not in self._models:
            raise KeyError(model)
        original, new = (self._read(dataset, model) for dataset in self._datasets)
        return original, new

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def _read(self, dataset: StoredDataset, model: str) -> np.ndarray:
        logits = self._results.load_logits(dataset.name, model)
        width = len(dataset.class_names) if dataset.view is None else len(dataset.view.meaning)
        if logits.shape != (len(dataset), width):
            raise AnalysisError(
                "these logits do not fit the dataset",
                where=self._results.logits_file(dataset.name, model),
                found=f"shape {logits.shape}",
                expected=f"{(len(dataset), width)}, one row per image and one column per class",
            )
        return logits if dataset.view is None else in_view(logits, dataset.view)


def in_view(logits: Float[np.ndarray, "n c"], view: View) -> Float[np.ndarray, "n d"]:
    """Logits of a model's classes as logits of the classes of a view, −∞ for those that it leaves out."""
    seen = np.full((len(logits), len(view.space.names)), -np.inf, dtype=np.float32)
    if not view.has_groups:
        kept = {place: label for place, label in enumerate(view.meaning) if label is not None}
        seen[:, list(kept.values())] = logits[:, list(kept)]
        return seen
    for label in view.labels:
        members = [place for place, group in enumerate(view.meaning) if group == label]
        seen[:, label] = special.logsumexp(logits[:, members].astype(np.float32), axis=1)
    return seen
