"""Pixel intensities of two datasets

Do the pixels differ, whatever the model? Histograms of the intensities in either set, with their means.
"""

import sys
from pathlib import Path

import evalshift as es

# Names from the registry; use registry="mine.yaml" for your own.
sets = [es.pixel_statistics(name) for name in ("digits", "digits-new-writers")]
for one in sets:
    print(one.dataset, "mean", one.mean, "standard deviation", one.std)  # in the units of `preprocess`

es.figures.save(es.figures.intensities_figure(sets), Path(*sys.argv[1:]) / "intensities.png")
