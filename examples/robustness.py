"""Effective robustness

Which models keep more of their accuracy than the line of the others predicts? Their distances from it, sorted, each
with its interval.
"""

import sys
from pathlib import Path

import evalshift as es

report = es.report(published="recht2019", pairs="cifar10:cifar10.1-v4")

# The numbers behind a figure are a table of the same name; docs/statistics.md has its columns.
distances = report.tables["robustness"]
print(distances.nlargest(3, "distance")[["model", "distance", "p_holm"]])

es.figures.save(report.draw("robustness"), Path(*sys.argv[1:]) / "robustness.png")
