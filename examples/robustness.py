"""Effective robustness

Which models are more accurate on the new set than the line of the other models predicts? Their distances above it,
sorted, with confidence intervals.
"""

import sys
from pathlib import Path

import evalshift as es

report = es.report(published="recht2019", pairs="cifar10:cifar10.1-v4", scale="linear")

# The table of the same name holds the numbers of a figure; docs/statistics/tables.md describes its columns.
distances = report.tables["robustness"]
print(distances.nlargest(3, "distance")[["model", "distance", "p_holm"]])

es.figures.save(report.draw("robustness"), Path(*sys.argv[1:]) / "robustness.png")
