"""Reliability diagrams

Are predictions with 80 % confidence correct in 80 % of cases, also on the new set? Accuracy against confidence of
four networks: on the diagonal a model is calibrated, below it over-confident.
"""

import sys
from pathlib import Path

import evalshift as es

# Runs store the probability of each first prediction; so do imports of logits or probabilities.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)
print(report.tables["calibration"][["model", "original_ece", "new_ece", "ece_change"]])

networks = ["digits-cnn-16-32-64-long", "digits-cnn-4-8", "digits-mlp-128-128-jitter", "digits-lda"]
figure = report.draw("reliability", models=networks)
es.figures.save(figure, Path(*sys.argv[1:]) / "reliability.png")
