"""What models predict on both sets of a pair: from stored predictions, or from published counts."""

from evalshift.analysis.outcomes.records import METRICS, ImagePredictions, Outcomes, split_pair

__all__ = ["METRICS", "ImagePredictions", "Outcomes", "split_pair"]
