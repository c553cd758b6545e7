"""The same on probit axes, top-5

Accuracies near 100 % crowd on linear axes. On a probit scale a harder distribution moves all models along a straight
line, and models from 80 to 97 % have the same room.
"""

import sys
from pathlib import Path

import evalshift as es

# What the report is asked for, its figures show: the metric, the scale ("linear", "probit" or "logit"), the level.
pair = "imagenet:imagenetv2-matched-frequency"
report = es.report(published="recht2019", pairs=pair, metric="top5", scale="probit")

es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "scatter_probit.png")
