"""Decomposition of the drop

How much of a drop can be sampling error of the new images, and how much is distribution shift? How much of it do all
models have in common?
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers: nothing is downloaded, and
# models that are up to date in the folder results are not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results, scale="probit")
print(report.tables["decomposition"][["model", "drop", "shared", "own"]].head())

es.figures.save(report.draw("decomposition"), Path(*sys.argv[1:]) / "decomposition.png")
