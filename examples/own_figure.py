"""Your own figure

`report.table` is a DataFrame with one row per model. Here, matplotlib shows whether the drop has become smaller over
the years.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import evalshift as es

table = es.report(published="recht2019", pairs="cifar10:cifar10.1-v6").table
print(table.groupby("year")["drop"].agg(["count", "mean"]))

# The width and the style of evalshift's own figures; models of the same year are next to each other.
plt.rcParams.update(es.figures.STYLE)
figure, axes = plt.subplots(figsize=(es.figures.COLUMN.width, 2.4), layout="constrained")
places = table["year"] + 0.08 * table.groupby("year").cumcount()
axes.vlines(places, 100 * table["drop_low"], 100 * table["drop_high"], linewidth=0.6, alpha=0.6)
axes.plot(places, 100 * table["drop"], ".")
axes.set(xlabel="Year of the model", ylabel="Drop from CIFAR-10 to CIFAR-10.1 (points)")
figure.savefig(Path(*sys.argv[1:]) / "own_figure.png", dpi=200)
