"""Lines by training data

Do models trained on more data lose less on sketches than their accuracy on ImageNet predicts? Each group of models
has its colour and its line; `color_by` also takes "family", "year" and "parameters".
"""

import sys
from pathlib import Path

import evalshift as es

# Counts from timm's tables of results come with evalshift. For your own models, set `training_data` in the registry.
pair = "imagenet:imagenet-sketch"
models = ["vit_*", "convnext*", "resnet*", "swin*"]
report = es.report(published="timm", pairs=pair, models=models, scale="probit", color_by="training_data")

# The mean distance of each group above the line of the largest one; the report also tests whether slopes are equal.
groups = report.tables["model_groups"]
print(groups[["group", "models", "slope", "above"]])

es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "color_by.png")
