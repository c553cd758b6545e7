"""Agreement

Do models miss the same images? The share of images on which two models predict the same class, on either set,
with similar models next to each other.
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers; models that are up to date are not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)

# The table of pairs has one row for each two models.
pairs = report.tables["pairs"].nlargest(3, "new_agreement")
print(pairs[["model_1", "model_2", "original_agreement", "new_agreement"]])

es.figures.save(report.draw("agreement"), Path(*sys.argv[1:]) / "agreement.png")
