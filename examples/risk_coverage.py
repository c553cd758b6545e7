"""Risk–coverage curves

If a model abstains on the images on which it is least confident, how fast does its error rate fall, on either set?
Four networks; at 100 % coverage, the error rate is one minus the accuracy.
"""

import sys
from pathlib import Path

import evalshift as es

results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)
print(report.tables["selective"][["model", "original_accuracy_at_80", "new_accuracy_at_80", "drop_at_80"]])

# Without `models`, all models are drawn, with their mean.
networks = ["digits-cnn-16-32-64-long", "digits-cnn-4-8", "digits-mlp-128-128-jitter", "digits-lda"]
es.figures.save(report.draw("risk_coverage", models=networks), Path(*sys.argv[1:]) / "risk_coverage.png")
