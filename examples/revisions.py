"""Accuracy by revision of a test set

How much did reviewing change the test set? Accuracy on released revisions of ImageNetV2 MatchedFrequency.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import evalshift as es
from evalshift.analysis import clopper_pearson

# Correct predictions of resnet152 and number of images in four revisions; `evalshift dataset revisions` draws all 24.
counts = {"b-1": (6122, 9958), "b-10": (6492, 9933), "b-23": (6533, 10000), "b-33": (6702, 10000)}
correct, images = np.array(list(counts.values())).T
interval = clopper_pearson(correct, images)
frame = pd.DataFrame({"dataset": counts.keys(), "model": "resnet152", "accuracy": correct / images})
frame = frame.assign(accuracy_low=interval.low, accuracy_high=interval.high)
print(frame)

es.figures.save(es.figures.revisions_figure(frame), Path(*sys.argv[1:]) / "revisions.png")
