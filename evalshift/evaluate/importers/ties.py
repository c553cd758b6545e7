"""Equal scores: how many of the best classes a file of scores tells from the others."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from evalshift.formatting import counted

# From this share of rows on, ties at a place leave open which classes are the best so many: rounded probabilities,
# votes, one-hot rows. Ties of half precision are rarer.
_MOST_TIES = 0.1


class Ties:
    """By place of the ranking, how many rows have the same score in the next place.

    >>> ties = Ties(2)
    >>> ties.add(np.array([[0.9, 0.1, 0.0], [1.0, 0.0, 0.0]]))
    >>> ties.known_places, list(ties.words())
    (1, ['places 2 and 3 have the same score in 1 row: top-2 is unknown, and the best 1 class stored'])
    """

    def __init__(self, places: int) -> None:
        self.by_place = np.zeros(places, np.int64)
        self.rows = 0

    def add(self, ranked: Float[np.ndarray, "n c"]) -> None:
        """Count rows of scores, best first: of each place and the one after the last, which may be missing."""
        equal = ranked[:, :-1] == ranked[:, 1:]
        self.by_place[: equal.shape[1]] += equal.sum(axis=0)
        self.rows += len(ranked)

    @property
    def known_places(self) -> int:
        """How many of the best classes ties do not leave open; at least one."""
        few = np.flatnonzero(self.by_place <= _MOST_TIES * self.rows)
        return int(few[-1]) + 1 if len(few) else 1

    def words(self) -> Iterator[str]:
        """What is said of ties, where not all places are known."""
        places, known = len(self.by_place), self.known_places
        if known < places:
            tied = f"places {places} and {places + 1} have the same score in {counted(int(self.by_place[-1]), 'row')}"
            yield f"{tied}: top-{places} is unknown, and the best {counted(known, 'class', 'classes')} stored"
