"""Rank changes

Would one choose another model on the new images? Each model's place on either set, and which ranks the number of images
leaves open.
"""

import sys
from pathlib import Path

import evalshift as es

# 36 small models on handwritten digits of known and of new writers; what is there already is not run again.
results = es.run(pairs=["digits:digits-new-writers"], results="results")
report = es.report(results)

# The largest moves, and whether they are beyond chance; two up is +2.
moves = report.table[["model", "delta_rank", "delta_rank_real"]]
print(moves[moves["delta_rank"].abs() >= 4])

es.figures.save(report.draw("ranks"), Path(*sys.argv[1:]) / "ranks.png")
