"""Accuracy per class

Is it all classes that have become harder, or a few? Accuracy of all models on each class of either set, the class that
has fallen most on top.
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers; what is there already is not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)
print(report.tables["classes"].nlargest(3, "drop")[["class", "original_accuracy", "new_accuracy", "drop"]])

es.figures.save(report.draw("classes"), Path(*sys.argv[1:]) / "classes.png")
