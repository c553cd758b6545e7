"""New against original accuracy

How large is the drop of each model, and is it smaller for better models? Every model with its confidence intervals, the
fitted line and the region of 100,000 bootstrap lines.
"""

import sys
from pathlib import Path

import evalshift as es

# The counts of Recht et al. 2019 come with evalshift. For your own models: es.report(es.run(pairs=[...])).
report = es.report(published="recht2019", pairs="cifar10:cifar10.1-v6", scale="linear")
print(f"slope {report.fit.slope:.2f}, from {report.fit.slope_interval.low:.2f} to {report.fit.slope_interval.high:.2f}")

# A name with a suffix writes that one file; one without a suffix writes a PNG, a PDF and an SVG.
es.figures.save(report.draw("scatter"), Path(*sys.argv[1:]) / "scatter.png")
