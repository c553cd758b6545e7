"""The same on probit axes, top-5

Accuracies near 100 % are crowded on linear axes. On a probit scale models often lie on a straight line, and those from
80 to 97 % are spread out.
"""

import sys
from pathlib import Path

import evalshift as es

# Figures use the settings of the report: metric, scale ("linear", "probit" or "logit") and confidence level.
pair = "imagenet:imagenetv2-matched-frequency"
report = es.report(published="recht2019", pairs=pair, metric="top5", scale="probit")

es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "scatter_probit.png")
