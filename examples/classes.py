"""Accuracy per class

Do all classes become harder, or only a few? Mean accuracy per class on either set, the class with the largest drop on
top.
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers; models that are up to date are not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)
print(report.tables["classes"].nlargest(3, "drop")[["class", "original_accuracy", "new_accuracy", "drop"]])

es.figures.save(report.draw("classes"), Path(*sys.argv[1:]) / "classes.png")
