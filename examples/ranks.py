"""Rank changes

Would you choose another model on the new images? The rank of each model on either set, with confidence sets of ranks.
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers; models that are up to date are not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)

# The largest rank changes, and whether they are statistically significant; +2 is two ranks up.
moves = report.table[["model", "delta_rank", "delta_rank_real"]]
print(moves[moves["delta_rank"].abs() >= 4])

es.figures.save(report.draw("ranks"), Path(*sys.argv[1:]) / "ranks.png")
