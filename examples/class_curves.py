"""Accuracy by class, sorted

How much do the classes differ? The accuracy of four models on each class of digits, each model's best class first.
"""

import sys
from pathlib import Path

import evalshift as es
from evalshift.analysis.summary.set_classes import set_classes

# The embedded pair needs no download.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
networks = ["digits-cnn-16-32-64-long", "digits-ridge", "digits-random-40", "digits-centroid"]
table = set_classes(results, "digits-new-writers", networks, ["top1"])
print(table.read)

es.figures.save(es.figures.class_curves_figure(table.frame), Path(*sys.argv[1:]) / "class_curves.png")
