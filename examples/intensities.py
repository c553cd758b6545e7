"""Intensities of two datasets

Do the pixels differ, before any model has seen them? How often each intensity comes in either set, and the means.
"""

import sys
from pathlib import Path

import evalshift as es

# Names from the registry; a registry of your own is registry="mine.yaml".
sets = [es.pixel_statistics(name) for name in ("digits", "digits-new-writers")]
for one in sets:
    print(one.dataset, "mean", one.mean, "standard deviation", one.std)  # as `preprocess` of a model takes them

es.figures.save(es.figures.intensities_figure(sets), Path(*sys.argv[1:]) / "intensities.png")
