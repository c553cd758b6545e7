"""Whether two datasets can be distinguished: a linear classifier trained to tell which one an image is from."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from evalshift.errors import DataError, UsageError
from evalshift.shapes import Labels
from evalshift.testbed.limits import first_balanced

METHODS = ("logistic", "ridge")
# Strengths of the penalty among which cross-validation on the training half chooses.
_PENALTIES = np.logspace(-2, 6, 9)


@dataclass(frozen=True, eq=False)
class Discrimination:
    """Predictions of a discriminator on held-out images, as many of each dataset.

    correct, total   held-out images that it assigns to their dataset, and how many there are
    by_class         class number → (correct, total)
    trained          images that it was trained on
    penalty          the strength that cross-validation chose
    """

    correct: int
    total: int
    by_class: dict[int, tuple[int, int]]
    trained: int
    penalty: float


def discriminate(
    one: Shaped[np.ndarray, "n f"],
    other: Shaped[np.ndarray, "m f"],
    classes: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]],
    method: str = "logistic",
    *,
    test_share: float = 0.5,
    seed: int = 0,
) -> Discrimination:
    """Train a linear classifier to tell rows of `one` from rows of `other`, and count on rows held out.

    Both sets are reduced to as many images of each class, so that neither size nor class balance tells them apart; of
    each class, `test_share` is held out. Features are standardised. The penalty is chosen by 5-fold cross-validation on
    the training images alone. Where the sets are alike, accuracy is 50 %.
    Raises UsageError for an unknown method, and where the sets share too few images of any class.
    Source: Recht et al. 2019, appendices B.2.8 and C.3.3, who train a network or a logistic regression.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler

    check_method(method)
    train, test = _balanced_halves(classes, test_share, seed)
    rows = (one, other)

    def gathered(part: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = [np.concatenate([pair[side] for pair in part]) for side in (0, 1)]
        values = np.concatenate([rows[side][places[side]] for side in (0, 1)]).astype(np.float32)
        source = np.repeat([0, 1], [len(places[0]), len(places[1])])
        return values, source, np.concatenate([classes[side][places[side]] for side in (0, 1)])

    values, source, _ = gathered(train)
    chooser: Any
    if method == "ridge":
        chooser = RidgeClassifierCV(alphas=_PENALTIES)
    else:
        chooser = GridSearchCV(LogisticRegression(max_iter=2000), {"C": (1 / _PENALTIES).tolist()}, cv=5)
    scaler = StandardScaler().fit(values)
    # The matrix products of some BLAS libraries raise flags for finite values; the result is checked instead. Weak
    # penalties are not worth the iterations that they need where classes can be separated: others are chosen.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        chooser.fit(scaler.transform(values), source)
        values, source, label = gathered(test)
        decided = chooser.decision_function(scaler.transform(values))
    if not np.isfinite(decided).all():
        raise DataError(
            "no discriminator can be trained", found="values that are not finite", expected="finite features"
        )
    right = (decided > 0) == source
    penalty = float(chooser.alpha_) if method == "ridge" else 1 / chooser.best_params_["C"]
    by_class = {int(one): (int(right[label == one].sum()), int((label == one).sum())) for one in np.unique(label)}
    return Discrimination(int(right.sum()), len(right), by_class, sum(len(a) + len(b) for a, b in train), penalty)


def draw_balanced(labels: Labels, limit: int, seed: int) -> Int[np.ndarray, " m"]:
    """Positions of `limit` images drawn at random, as many of each class within one where there are so many.

    The first images of a dataset can differ from its others: those of MNIST's sets are from other writers.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    return np.sort(order[first_balanced(labels[order], limit)])


def check_method(method: str) -> None:
    """Raise UsageError for a method that is unknown."""
    if method not in METHODS:
        raise UsageError(f'there is no discriminator "{method}" (`method`)', expected=", ".join(METHODS))


def _balanced_halves(
    classes: tuple[np.ndarray, np.ndarray], test_share: float, seed: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[tuple[np.ndarray, np.ndarray]]]:
    """For each class, positions to train on and to test on in both sets, as many in one as in the other."""
    if not 0 < test_share < 1:
        raise UsageError("invalid share of held-out images (`test_share`)", found=test_share, expected="from 0 to 1")
    rng = np.random.default_rng(seed)
    train, test = [], []
    for label in np.intersect1d(*classes).tolist():
        places = [rng.permutation(np.flatnonzero(one == label)) for one in classes]
        count = min(map(len, places))
        held = round(test_share * count)
        train.append((places[0][held:count], places[1][held:count]))
        test.append((places[0][:held], places[1][:held]))
    if sum(len(a) for a, _ in train) < 10 or sum(len(a) for a, _ in test) < 1:
        raise UsageError(
            "too few images to train a discriminator",
            found=f"{sum(len(a) for a, _ in train):,} of each dataset to train on",
            expected="at least 10, of classes that both datasets have",
        )
    return train, test
