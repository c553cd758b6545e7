"""Answers that look wrong: what most likely befell them, each finding with the number that shows it.

Nothing is put right here. A finding says what the answers look like; whoever made them knows whether it is so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int, Int64
from scipy import stats
from scipy.optimize import linear_sum_assignment

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.paired import exact_mcnemar

# So rarely does chance alone make a finding of sound answers.
_RARE = 1e-4
# A finding that explains less of an accuracy than this is none: a few pairs of classes are confused by all models.
_LEAST_GAIN = 0.01
# Fewer answers out of place than these show nothing; the test of an order finds none in fewer either.
_FEWEST = 15
# Numbers of workers that evaluations are spread over.
_WORKERS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64)

TopAnswers = Int[np.ndarray, "n k"]


@dataclass(frozen=True)
class Cause:
    """What most likely befell the answers of one model on one set; see `likely_causes`.

    kind      "column order", "class order", "row order", "input", "other images" or "missing classes"
    sentence  what was found, with its numbers, and what does that
    correct   how many answers would be right without it; None where that cannot be known
    """

    kind: str
    sentence: str
    correct: int | None = None


def likely_causes(
    top: TopAnswers,
    labels: Int64[np.ndarray, " label"],
    class_names: Sequence[str],
    *,
    ids: tuple[str, ...] = (),
    published: float | None = None,
) -> tuple[Cause, ...]:
    """What is most likely wrong with one model's answers on one set; empty where nothing looks wrong.

    top           class numbers, best first, one row per image; −1 where there is no prediction, which is not judged
    labels        class numbers, in the same order of images
    class_names   one name a class
    ids           the images' names, where they are known
    published     the accuracy that the model should have on these images, where that is known

    Looks for answers that another order of columns, classes or rows makes right; else for answers that crowd into few
    classes, that are right by chance alone, or that leave classes out. An order counts as found where it lifts the
    accuracy by a point or more, and where McNemar's exact test, over all orders tried, leaves less than 1 in 10,000 to
    chance. An order of classes that is none of the known ones is fitted (the one-to-one map with the most right
    answers) on one half of each class's images, and judged on the other.
    Raises ValueError where there are no images, or not one label an image.
    Source: the best map is an assignment problem, Kuhn 1955, Naval Research Logistics Quarterly 2, 83-97.

    >>> labels = np.arange(600) % 10
    >>> for cause in likely_causes((labels[:, np.newaxis] + 1) % 10, labels, list("abcdefghij")):
    ...     print(cause.kind, cause.correct)
    class order 600
    """
    _check_shapes(top, labels)
    there = top[:, 0] >= 0
    if not there.all():
        top, labels = top[there], labels[there]
        ids = tuple(np.array(ids)[there].tolist()) if len(ids) == len(there) else ()
    if len(top) == 0:
        return ()
    orders = (
        _column_order(top, labels),
        _known_class_order(top, labels, class_names),
        _row_order(top, labels, ids),
        _fitted_class_order(top, labels, class_names),
    )
    if found := [cause for cause in orders if cause]:
        return (max(found, key=lambda cause: cause.correct or 0),)
    crowded = _crowded(top[:, 0], labels, class_names, published)
    others = (
        crowded or _by_chance(top[:, 0], labels, len(class_names)),
        None if crowded else _missing_classes(top[:, 0], labels, class_names),
    )
    return tuple(cause for cause in others if cause)


def _check_shapes(top: np.ndarray, labels: np.ndarray) -> None:
    if len(top) == 0 or top.shape[1] == 0:
        raise ValueError(f"found answers of shape {top.shape}; expected at least 1 image and 1 answer each")
    if len(top) != len(labels):
        raise ValueError(f"found {len(top):,} rows of answers for {len(labels):,} labels; expected one row a label")


def _is_better(now: Bool[np.ndarray, " n"], then: Bool[np.ndarray, " n"], tried: int) -> bool:
    """Whether answers are right so much more often, as one of `tried` ways, that chance does not explain it."""
    lost, won = int((now & ~then).sum()), int((then & ~now).sum())
    if won - lost < _LEAST_GAIN * len(now):
        return False
    return bool(exact_mcnemar(np.array([won]), np.array([lost]))[0] * tried < _RARE)


def _column_order(top: np.ndarray, labels: np.ndarray) -> Cause | None:
    hits = top == labels[:, np.newaxis]
    right, columns = hits.sum(axis=0), top.shape[1]
    best = int(right.argmax())
    if not _is_better(hits[:, 0], hits[:, best], columns):
        return None
    if best == columns - 1 and (np.diff(right) >= 0).all():
        sentence = (
            f"the answers stand worst first: the last of {columns} is right for {_of(right[best], len(top))}, the "
            f"first for {right[0]:,}, so the columns are reversed"
        )
    else:
        sentence = (
            f"answer {best + 1} of {columns} is right for {_of(right[best], len(top))}, the first for {right[0]:,}, so "
            "the columns do not stand best first"
        )
    return Cause("column order", sentence, int(right[best]))


def _known_class_order(top: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Cause | None:
    predicted = top[:, 0]
    now = predicted == labels
    orders = list(_class_orders(class_names))
    tried = [order[predicted] == labels for _, order in orders]
    best = max(range(len(tried)), key=lambda i: tried[i].sum(), default=None)
    if best is None or not _is_better(now, tried[best], len(tried)):
        return None
    words = orders[best][0]
    sentence = f"{words}: so read {_of(tried[best].sum(), len(top))} are right, as they stand {now.sum():,}"
    return Cause("class order", sentence, int(tried[best].sum()))


def _class_orders(class_names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Ways of numbering classes that are mistaken for one another: words, and the class that each number stands for."""
    classes = len(class_names)
    numbers = np.arange(classes)
    as_text = np.array(sorted(range(classes), key=str))
    by_name = np.array(sorted(range(classes), key=lambda number: class_names[number]))
    seen = {numbers.tobytes()}
    for words, order in (
        (
            "each answer is one class above the label, as where classes count from 1 or a background class stands at 0",
            (numbers - 1) % classes,
        ),
        (
            "each answer is one class below the label, as where labels count from 1 or an offset was taken off twice",
            (numbers + 1) % classes,
        ),
        ("the answers number class folders sorted as text (0, 1, 10, 100, …), the labels do not", as_text),
        ("the labels number class folders sorted as text (0, 1, 10, 100, …), the answers do not", np.argsort(as_text)),
        ("the answers number the classes in the order of their names, the labels do not", by_name),
        ("the labels number the classes in the order of their names, the answers do not", np.argsort(by_name)),
        ("the answers number the classes from the last to the first", numbers[::-1]),
    ):
        if order.tobytes() not in seen:
            seen.add(order.tobytes())
            yield words, order


def _row_order(top: np.ndarray, labels: np.ndarray, ids: tuple[str, ...]) -> Cause | None:
    predicted = top[:, 0]
    now = predicted == labels
    orders = _row_orders(labels, ids)
    tried = [predicted == labels[order] for _, order in orders]
    best = max(range(len(tried)), key=lambda i: tried[i].sum(), default=None)
    # Rows are other images in either order, so the two are not paired; McNemar's test then errs on the safe side.
    if best is None or not _is_better(now, tried[best], len(tried)):
        return None
    sentence = (
        f"the answers stand in another order than the images, {orders[best][0]}: in that order "
        f"{_of(tried[best].sum(), len(top))} are right, as they stand {now.sum():,}"
    )
    return Cause("row order", sentence, int(tried[best].sum()))


def _row_orders(labels: np.ndarray, ids: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    """Orders that rows are mistakenly stored in: words, and the image that each row belongs to."""
    by_class = np.argsort(labels, kind="stable")
    orders = [*_orders_of_rows(len(labels)), *(_orders_of_names(ids) if len(ids) == len(labels) else ())]
    if (np.diff(by_class) < 0).any():
        orders.append(("class by class, as a loader of class folders gives them", by_class))
    return orders


@lru_cache(maxsize=4)  # the same for every model of a set
def _orders_of_rows(images: int) -> tuple[tuple[str, np.ndarray], ...]:
    numbers = np.arange(images, dtype=np.int32)
    as_text = np.array(sorted(range(images), key=str), dtype=np.int32)
    orders = [
        ("one row late", np.roll(numbers, 1)),
        ("one row early", np.roll(numbers, -1)),
        ("last image first", numbers[::-1]),
        ("that of image numbers sorted as text (0, 1, 10, 100, …)", as_text),
        ("that which undoes a sorting of image numbers as text (0, 1, 10, 100, …)", np.argsort(as_text)),
    ]
    for workers in _WORKERS:
        shares = np.concatenate([numbers[worker::workers] for worker in range(workers)])
        orders.append((f"one worker's share after the other's ({workers} workers)", shares))
        orders.append((f"by turns from the shares of {workers} workers", np.argsort(shares)))
    different = {numbers.tobytes(): ("", numbers)}
    for words, order in orders:
        different.setdefault(order.astype(np.int32).tobytes(), (words, order.astype(np.int32)))
    return tuple(different.values())[1:]


@lru_cache(maxsize=4)
def _orders_of_names(ids: tuple[str, ...]) -> tuple[tuple[str, np.ndarray], ...]:
    places = range(len(ids))
    by_name = np.array(sorted(places, key=lambda place: ids[place]), dtype=np.int32)
    by_file = np.array(sorted(places, key=lambda place: ids[place].rpartition("/")[2]), dtype=np.int32)
    return ("that of the images' names, sorted", by_name), ("that of the file names, whatever their folder", by_file)


def _fitted_class_order(top: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Cause | None:
    predicted, classes = top[:, 0].astype(np.int64), len(class_names)
    now = predicted == labels
    if _confusion(labels, predicted, classes).max(axis=0).sum() - now.sum() < _LEAST_GAIN * len(now):
        return None  # no map at all gains as much, so the search for the best one-to-one map is spared
    half = _half_of_each_class(labels)
    then = np.zeros(len(labels), bool)
    for fitted_on, judged_on in ((half, ~half), (~half, half)):
        order = _best_map(labels[fitted_on], predicted[fitted_on], classes)
        then[judged_on] = order[predicted[judged_on]] == labels[judged_on]
    if not _is_better(now, then, 1):
        return None
    order = _best_map(labels, predicted, classes)
    sentence = (
        f"{_map_words(order, predicted, class_names)}: with the classes renumbered {_of(then.sum(), len(top))} are "
        f"right, as they stand {now.sum():,}"
    )
    return Cause("class order", sentence, int(then.sum()))


def _half_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Marks every other image of each class, in the order of the images."""
    order = np.argsort(labels, kind="stable")
    start = np.searchsorted(labels[order], labels[order])
    marked = np.empty(len(labels), bool)
    marked[order] = (np.arange(len(labels)) - start) % 2 == 0
    return marked


def _confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _best_map(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The class that each predicted number is best read as, one to one; a number never predicted stays where it can."""
    confusion = _confusion(labels, predicted, classes).astype(np.float64)
    # Less than an image in all, so that it decides between maps of equal worth alone.
    confusion[np.diag_indices(classes)] += 0.5 / classes
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    order = np.empty(classes, np.int64)
    order[columns] = rows
    return order


def _map_words(order: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> str:
    classes = len(class_names)
    answered = np.unique(predicted)
    moved = answered[order[answered] != answered]
    steps = np.unique((answered - order[answered]) % classes)
    if len(steps) == 1:
        return f"each answer is {steps[0]} classes above the label (counted round)"
    if len(moved) == 2:
        one, other = (class_names[number] for number in moved.tolist())
        return f"the classes {one} and {other} are exchanged"
    some = ", ".join(
        f"{class_names[one]} for {class_names[other]}"
        for one, other in zip(moved[:3].tolist(), order[moved[:3]].tolist(), strict=True)
    )
    devkit = ", such as the ids of ILSVRC's devkit" if classes == 1000 else ""
    return f"the classes are numbered in another order{devkit} ({len(moved):,} of {classes:,} moved: {some}, …)"


def _crowded(
    predicted: np.ndarray, labels: np.ndarray, class_names: Sequence[str], published: float | None
) -> Cause | None:
    """Answers that crowd into a class or a few: the network did not see the images that it was trained for."""
    classes = len(class_names)
    answers, truth = (np.bincount(numbers, minlength=classes) / len(labels) for numbers in (predicted, labels))
    most = int(np.argmax(answers - truth))
    # Right answers are spread as the labels are, so no more than the wrong ones can stand in the wrong class.
    displaced = np.abs(answers - truth).sum() / 2
    impossible = published is not None and displaced > 1 - published + 0.5 / len(labels)
    if displaced * len(labels) < _FEWEST or not (impossible or answers[most] - truth[most] >= 0.4):
        return None
    if answers[most] == 1:
        crowd = f"all answers are {class_names[most]}"
    else:
        crowd = (
            f"{class_names[most]} is the answer for {100 * answers[most]:.1f} % of the images and the label of "
            f"{100 * truth[most]:.1f} %"
        )
    more = f", more than {100 * published:.1f} % of right answers allow" if impossible and published else ""
    return Cause(
        "input",
        f"{crowd}{more}: pixels of another scale (0 to 255 for 0 to 1), normalised twice or not at all, or weights "
        "that were not loaded",
    )


def _by_chance(predicted: np.ndarray, labels: np.ndarray, classes: int) -> Cause | None:
    """Answers that are right as often as if they were dealt out to the images at random."""
    images = len(labels)
    answers, truth = (np.bincount(numbers, minlength=classes) / images for numbers in (predicted, labels))
    chance = float(answers @ truth)
    right = int((predicted == labels).sum())
    high = clopper_pearson(np.array([right]), np.array([images]), 1 - _RARE).high[0]
    if chance > 0.5 or high > chance + 0.1 or stats.binom.sf(right - 1, images, chance) < _RARE:
        return None
    return Cause(
        "other images",
        f"{_of(right, images)} are right, where answers dealt out at random would be for {round(chance * images):,}: "
        "the answers belong to other images or other classes, or the images to no class folders, or the weights are "
        "untrained",
    )


def _missing_classes(predicted: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Cause | None:
    """Classes that are never the answer, though a model this good would name them."""
    classes = len(class_names)
    truth, answers = (np.bincount(numbers, minlength=classes) for numbers in (labels, predicted))
    missing = (truth > 0) & (answers == 0)
    if not missing.any() or missing[truth > 0].all():
        return None
    of_missing = int(truth[missing].sum())
    on_others = float((predicted == labels).sum() / (len(labels) - of_missing))
    by_chance = float(((1 - on_others) ** truth[truth > 0]).sum())
    if on_others < 0.5 or of_missing < max(_FEWEST, 0.1 * len(labels)):
        return None
    if stats.poisson.sf(missing.sum() - 1, 3 * by_chance) > _RARE:
        return None
    some = ", ".join(str(class_names[number]) for number in np.flatnonzero(missing)[:3])
    more = ", …" if missing.sum() > 3 else ""
    return Cause(
        "missing classes",
        f"{missing.sum():,} of {(truth > 0).sum():,} classes are never the answer ({some}{more}), though "
        f"{of_missing:,} images are of them and {100 * on_others:.1f} % of the others are right: the model knows, or "
        "was let answer, a part of the classes only",
    )


def _of(right: int | np.integer, images: int) -> str:
    return f"{right:,} of {images:,} images"
