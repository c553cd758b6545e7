"""Several pairs side by side

Three new test sets, each sampled by a different rule: the easier the images that a rule selects, the smaller the
drop.
"""

import sys
from pathlib import Path

import evalshift as es

rules = ("matched-frequency", "threshold0.7", "topimages")
report = es.report(published="recht2019", pairs=[f"imagenet:imagenetv2-{rule}" for rule in rules], scale="linear")
print(report.average_changes[["new", "top1_change", "top1_change_low", "top1_change_high"]])

# One of them alone: report["imagenet:imagenetv2-topimages"].draw("scatter").
es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "multiples.png")
