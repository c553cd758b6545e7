"""The table of the hard images."""

from typing import Any

import pandas as pd

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.statistics.hard_images import HardImages
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, make_table
from evalshift.formatting import counted

# Of either set.
_READ_ROWS = 10


def hard_images_table(data: TableData) -> StatisticTable:
    """The images that more than half of the models miss, and what they take them for."""
    statistics, (original, new) = data.statistics, data.image_predictions
    frames = [
        _of_set("original", require(require(statistics.original).hard), original),
        _of_set("new", require(require(statistics.new).hard), new),
    ]
    return make_table(
        "hard_images",
        "Hard images",
        {column: [*frames[0][column], *frames[1][column]] for column in frames[0]},
        [
            Column("set", "Set", "text"),
            Column("image", "Image", "text"),
            Column("class", "Class", "text"),
            Column("missed", "Missed by", "count"),
            Column("favourite", "Taken for", "text"),
            Column("votes", "by", "count"),
        ],
        f"Images that more than half of {counted(len(data.image_models), 'model')} miss, the hardest first, and their "
        "most "
        f"frequent incorrect prediction. Up to {_READ_ROWS} of each set are shown; the CSV table contains all.",
        choose=_hardest,
    )


def _of_set(side: str, hard: HardImages, predictions: ImagePredictions) -> dict[str, Any]:
    names = predictions.class_names
    return {
        "set": [side] * len(hard),
        "image": [predictions.ids[image] for image in hard.image],
        "position": hard.image,
        "class": [names[label] for label in hard.label],
        "missed": hard.missed,
        "models": [hard.models] * len(hard),
        "favourite": [names[favourite] if favourite >= 0 else "" for favourite in hard.favourite],
        "votes": hard.votes,
    }


def _hardest(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby("set", sort=False).head(_READ_ROWS)
