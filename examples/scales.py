"""Both scales side by side

On which scale do the models lie closer to a line? New against original accuracy of all 67 models on linear and on
probit axes, as in figure 6 of the paper.
"""

import sys
from pathlib import Path

import evalshift as es

report = es.report(published="recht2019", pairs=["imagenet:imagenetv2-matched-frequency"], scale="linear")
print(report.tables["scales"])  # leave-one-out error of the line

es.figures.save(report.draw("scales"), Path(*sys.argv[1:]) / "scales.png")
