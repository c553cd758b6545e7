"""Both scales side by side

New against original accuracy of all 67 models on linear and on probit axes, as figure 6 of the paper: on which of them
do the models lie closer to a line?
"""

import sys
from pathlib import Path

import evalshift as es

report = es.report(published="recht2019", pairs=["imagenet:imagenetv2-matched-frequency"], scale="linear")
print(report.tables["scales"])  # how far off the line fitted without a model predicts it

es.figures.save(report.draw("scales"), Path(*sys.argv[1:]) / "scales.png")
