"""What each drop is made of

How much of a drop can the sampling of the new images explain, how much is a harder distribution? And how much of it
does a model share with the others?
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers: nothing is downloaded, and what is done already in
# the folder results is not done again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results, scale="probit")
print(report.tables["decomposition"][["model", "drop", "shared", "own"]].head())

es.figures.save(report.draw("decomposition"), Path(*sys.argv[1:]) / "decomposition.png")
