"""Top-1 and top-5 over several pairs

One row of panels for each metric, and one column for each new test set, as in figures 12 and 13 of the paper.
"""

import sys
from pathlib import Path

import evalshift as es

rules = ("matched-frequency", "threshold0.7", "topimages")
report = es.report(published="recht2019", pairs=[f"imagenet:imagenetv2-{rule}" for rule in rules], scale="linear")

es.figures.save(report.draw("grid"), Path(*sys.argv[1:]) / "grid.png")
