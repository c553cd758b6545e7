"""Results on disk: Parquet files that explain themselves, written whole or not at all.

    results/datasets/<dataset>.parquet              id, label (null where an image is left out), labels where
                                                    there are several, corrected (null without any) where there are
                                                    corrected labels, picture (null where an image is left out),
                                                    attribute.<name>; the rest as metadata
    results/predictions/<dataset>/<model>.parquet   top: fixed list of k int32, prob: float32; provenance as metadata
    results/counts/<dataset>.parquet                model, top1, top5, within, provenance: counts, one row per model
    results/logits/<dataset>/<model>.npy            float16 (float32 where that is too narrow), only when asked for
    results/pairs.json                              the pairs that were run or imported, in order

One module per kind of file; `results` has the folder as a whole, `sealed_files` what all Parquet files share, and
`schema` what each kind must hold.
"""

from evalshift.evaluate.store.counts import Counted, CountedDataset
from evalshift.evaluate.store.datasets import StoredDataset
from evalshift.evaluate.store.results import Results
from evalshift.evaluate.store.schema import DatasetFacts
from evalshift.evaluate.store.sealed_files import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Counted", "CountedDataset", "DatasetFacts", "Results", "StoredDataset"]
