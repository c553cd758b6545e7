"""The Parquet file of one model's predictions on one dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.store.schema import check_model_entry, check_named, read_prob, read_top
from evalshift.evaluate.store.sealed_files import OF_FACTS, read_facts, read_sealed, seal


class StoredProvenance(NamedTuple):
    """The provenance of stored predictions, and the checksum by which logits name them; None in earlier schemas."""

    provenance: Provenance
    checksum: str | None


def predictions_file(predictions: Predictions) -> tuple[bytes, str]:
    """The content of a file of these predictions, and the checksum by which logits name them."""
    top = pa.FixedSizeListArray.from_arrays(pa.array(predictions.top.reshape(-1), pa.int32()), predictions.k)
    table = pa.table({"top": top})
    if predictions.prob is not None:
        table = table.append_column("prob", pa.array(predictions.prob, pa.float32()))
    return seal(table, predictions.provenance.model_dump(mode="json"))


def read_predictions(path: Path, dataset: str, model: str, classes: int | None) -> Predictions:
    """Stored predictions. Raises what `reading` turns into StoreError, and FileNotFoundError.

    classes   how many a prediction can be of; None where that is unknown
    """
    table, facts = read_sealed(path)
    provenance = checked_provenance(facts, dataset, model)
    top = read_top(table, classes)
    return Predictions(model, dataset, top, read_prob(table, provenance.imported is not None), provenance)


def read_provenance(path: Path, dataset: str, model: str) -> StoredProvenance:
    """The provenance of stored predictions without their rows; raises as `read_predictions` does."""
    facts = read_facts(path)
    return StoredProvenance(checked_provenance(facts, dataset, model), facts.get(OF_FACTS))


def checked_provenance(facts: Mapping[str, Any], dataset: str, model: str) -> Provenance:
    """The provenance in these facts; ValueError for that of another model or dataset, or of no form that is known."""
    check_named(facts, dataset=dataset, model=model)
    provenance = Provenance(**facts)
    check_model_entry(provenance.entry)
    return provenance
