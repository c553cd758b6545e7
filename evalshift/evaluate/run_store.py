"""Where a run keeps predictions: in its results folder, with a record of which they are."""

from collections.abc import Callable

import numpy as np

from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.store import Results


class RunStore:
    """Stores the predictions of a run, and remembers which.

    kept      (dataset, model) of each
    off       the models whose accuracy is not the expected one, in the order of their predictions
    """

    def __init__(self, results: Results, is_off: Callable[[Predictions], bool]) -> None:
        self.results = results
        self._is_off = is_off
        self.kept: list[tuple[str, str]] = []
        self.off: dict[str, None] = {}

    def keep(self, predictions: Predictions, logits: np.ndarray | None) -> None:
        """Store predictions, and logits where there are any, shape (n, classes)."""
        self.results.save_predictions(predictions, logits)
        self.stored(predictions.dataset, predictions.model, self._is_off(predictions))

    def stored(self, dataset: str, model: str, accuracy_is_off: bool) -> None:
        """Remember predictions that somebody else stored in this folder."""
        self.kept.append((dataset, model))
        if accuracy_is_off:
            self.off[model] = None
