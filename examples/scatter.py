"""New against original accuracy

How far does each model fall, and do better models fall less? Every model with its intervals, the line through them and
the region that 100,000 resampled lines cover.
"""

import sys
from pathlib import Path

import evalshift as es

# The counts of Recht et al. 2019 come with evalshift. Models of your own: es.report(es.run(pairs=[...])).
report = es.report(published="recht2019", pairs="cifar10:cifar10.1-v6")
print(f"slope {report.fit.slope:.2f}, from {report.fit.slope_interval.low:.2f} to {report.fit.slope_interval.high:.2f}")

# A name that ends in .png is that file; one without an ending gives a PNG, a PDF and an SVG.
es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "scatter.png")
