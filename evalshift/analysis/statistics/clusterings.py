"""Attributes of images that name clusters, such as the video, photographer or place that several images share."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from evalshift.analysis.statistics.clustered import FEWEST_CLUSTERS

# An attribute with more distinct values per image than this identifies single images rather than clusters.
_MOST_VALUES = 0.8


def clusterings(attributes: Mapping[str, Sequence[str]]) -> dict[str, Int[np.ndarray, " image"]]:
    """The attributes whose values are clusters, and each image's cluster, numbered from 0; −1 where it has no value.

    Such an attribute has at least ten distinct values, and at most four for every five images that have one.

    >>> found = clusterings({"video": [f"v{frame // 3}" for frame in range(60)], "place": ["a", "b"] * 30})
    >>> list(found), found["video"][:4]
    (['video'], array([0, 0, 0, 1]))
    """
    found = {}
    for name, values in attributes.items():
        number = {value: place for place, value in enumerate(dict.fromkeys(filter(None, values)))}
        if FEWEST_CLUSTERS <= len(number) <= _MOST_VALUES * sum(map(bool, values)):
            found[name] = np.array([number.get(value, -1) for value in values], dtype=np.int64)
    return found
