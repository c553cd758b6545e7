"""Your own models against a published testbed

Are newer models more robust than their accuracy alone predicts? They are drawn in front of the 64 models of the 2019
paper and their line.
"""

import sys
from pathlib import Path

import evalshift as es

# Accuracies of eleven later models as timm publishes them, in results/ of github.com/huggingface/pytorch-image-models
# (commit 0173a13). Models that `es.run` evaluated on this pair are in the same report.
table = Path(__file__).with_name("newer_models.csv")
es.import_table(table, results="results")
report = es.report("results", pairs="imagenet:imagenetv2-matched-frequency", against="recht2019", scale="linear")
print(report.against[["model", "distance", "p_holm"]])

es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "scatter_against.png")
