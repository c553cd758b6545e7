"""Reliability diagrams

Is a model that says 80 % correct on 80 % of such images, also on the new set? Accuracy against confidence of
four networks; on the diagonal a model is calibrated, below it over-confident.
"""

import sys
from pathlib import Path

import evalshift as es

# Each first prediction is stored with its probability; imported ones are if they came as logits or probabilities.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)
print(report.tables["calibration"][["model", "original_ece", "new_ece", "ece_change"]])

networks = ["digits-cnn-16-32-64-long", "digits-cnn-4-8", "digits-mlp-128-128-jitter", "digits-lda"]
figure = report.draw("reliability", models=networks)
es.figures.save(figure, Path(*sys.argv[1:]) / "reliability.png")
