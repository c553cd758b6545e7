"""Implausible predictions and their likely causes, each finding with the numbers behind it.

Nothing is corrected here: a finding is a hint to whoever made the predictions.

Valid predictions of any accuracy should pass: all checks together raise a false alarm for at most 1 in 1,000 valid
models (10 to 1,000 classes, 1 to 50 images per class, accuracy from chance to 100 %), and untrained networks pass too.
`benchmarks/false_alarms.py` measures the rate.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Int, Int64
from scipy import special, stats
from scipy.optimize import linear_sum_assignment

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.paired import exact_mcnemar
from evalshift.formatting import percent

# The share of sound models for which one check may raise a false alarm.
_RARE = 1e-4
# A finding that explains less of an accuracy than this is none: a few pairs of classes are confused by all models.
_LEAST_GAIN = 0.01
# Fewer displaced predictions than these show nothing; the test of an order finds none in fewer either.
_FEWEST = 15
# Read in the right order, a trained network's accuracy exceeds that of guessing by this factor, or reaches this level.
# Untrained networks come to 4.5 times chance at most (3,000 networks on digits) when their outputs are renumbered.
_TIMES_CHANCE, _CLEARLY_TRAINED = 5, 0.75
# Beta-distributed accuracies of the classes, Beta(κa, κ(1 − a)), vary so much; on ImageNet κ is 3 to 5.
_CLASS_VARIATION = 2.0
# Numbers of workers that evaluations are spread over.
_WORKERS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64)

TopClasses = Int[np.ndarray, "n k"]


@dataclass(frozen=True)
class Cause:
    """A likely error in the predictions of one model on one set; see `likely_causes`.

    kind      "column order", "class order", "row order", "input", "other images" or "missing classes"
    sentence  the finding, with its numbers, and how it arises
    correct   number of predictions that would be correct without the error; None if unknown
    """

    kind: str
    sentence: str
    correct: int | None = None


def likely_causes(
    top: TopClasses,
    labels: Int64[np.ndarray, " label"],
    class_names: Sequence[str],
    *,
    ids: tuple[str, ...] = (),
    published: float | None = None,
    confidence: float | None = None,
) -> tuple[Cause, ...]:
    """Likely errors in one model's predictions on one set; empty if they are plausible.

    top           class numbers, best first, one row per image; −1 for no prediction, which is ignored labels
                  class numbers, in the same order of images
    class_names   one name per class
    ids           the images' names, if known
    published     expected accuracy of the model on these images, in [0, 1], if known
    confidence    mean probability of the first prediction, in [0, 1], if known

    Checks whether another order of columns, classes or rows makes the predictions correct; otherwise, whether they
    concentrate on few classes, are correct at chance level, or omit classes. An order is reported if it raises the
    accuracy by a point or more, if McNemar's exact test over all orders tried has p < 1e-4, and if the predictions then
    resemble those of a trained network: most classes are predicted most often for their own images, and the accuracy is
    five times that of guessing (at most 75 %), or close to the published one. An unknown order of classes is fitted
    (the one-to-one map with the most correct predictions) on half of each class's images, and evaluated on the other
    half. An untrained network also predicts few classes or at chance level, so these findings need evidence of
    training: the published accuracy, or a confidence far above the accuracy.
    Raises ValueError if there are no images, or not one label per image.
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
        _column_order(top, labels, len(class_names), published),
        _known_class_order(top, labels, class_names, published),
        _row_order(top, labels, ids, len(class_names), published),
        _fitted_class_order(top, labels, class_names, published),
    )
    if found := [cause for cause in orders if cause]:
        return (max(found, key=lambda cause: cause.correct or 0),)
    crowded = _crowded(top[:, 0], labels, class_names, published, confidence)
    others = (
        crowded or _by_chance(top[:, 0], labels, len(class_names), published, confidence),
        None if crowded else _missing_classes(top[:, 0], labels, class_names),
    )
    return tuple(cause for cause in others if cause)


def _check_shapes(top: np.ndarray, labels: np.ndarray) -> None:
    if len(top) == 0 or top.shape[1] == 0:
        raise ValueError(f"found predictions of shape {top.shape}; expected at least 1 image and 1 class per image")
    if len(top) != len(labels):
        raise ValueError(f"found {len(top):,} rows of predictions for {len(labels):,} labels; expected one per label")


def _looks_trained(read: np.ndarray, labels: np.ndarray, classes: int, published: float | None) -> bool:
    """Whether predictions, read in some order, resemble those of a trained network.

    An untrained network's predictions also depend on the image, so the best of many orders can raise its accuracy far
    above chance; but they concentrate on few classes, so that most classes are never predicted for their own images.
    """
    accuracy = float((read == labels).mean())
    if published is not None and accuracy >= 0.9 * published:
        return True
    if accuracy < min(_TIMES_CHANCE / classes, _CLEARLY_TRAINED):
        return False
    confusion = _confusion(labels.astype(np.int64), read.astype(np.int64), classes)
    named_most = np.diag(confusion) >= confusion.max(axis=1)
    return bool(named_most[confusion.any(axis=1)].mean() >= 0.5)


def _is_better(now: Bool[np.ndarray, " n"], then: Bool[np.ndarray, " n"], tried: int) -> bool:
    """Whether predictions are significantly more often correct, adjusted for the number of orders tried."""
    lost, won = int((now & ~then).sum()), int((then & ~now).sum())
    if won - lost < _LEAST_GAIN * len(now):
        return False
    return bool(exact_mcnemar(np.array([won]), np.array([lost]))[0] * tried < _RARE)


def _column_order(top: np.ndarray, labels: np.ndarray, classes: int, published: float | None) -> Cause | None:
    hits = top == labels[:, np.newaxis]
    correct, columns = hits.sum(axis=0), top.shape[1]
    best = int(correct.argmax())
    if not _is_better(hits[:, 0], hits[:, best], columns):
        return None
    filled = top[:, best] >= 0
    if not _looks_trained(top[filled, best], labels[filled], classes, published):
        return None
    if best == columns - 1 and (np.diff(correct) >= 0).all():
        sentence = (
            f"the columns are reversed, worst first: the last of {columns} is correct for "
            f"{_of(correct[best], len(top))}, the first for {correct[0]:,}"
        )
    else:
        sentence = (
            f"the columns are not in the order best first: column {best + 1} of {columns} is correct for "
            f"{_of(correct[best], len(top))}, the first for {correct[0]:,}"
        )
    return Cause("column order", sentence, int(correct[best]))


def _known_class_order(
    top: np.ndarray, labels: np.ndarray, class_names: Sequence[str], published: float | None
) -> Cause | None:
    predicted = top[:, 0]
    now = predicted == labels
    orders = list(_class_orders(class_names))
    tried = [order[predicted] == labels for _, order in orders]
    best = max(range(len(tried)), key=lambda i: tried[i].sum(), default=None)
    if best is None or not _is_better(now, tried[best], len(tried)):
        return None
    words, order = orders[best]
    if not _looks_trained(order[predicted], labels, len(class_names), published):
        return None
    sentence = f"{words}: read this way, {_of(tried[best].sum(), len(top))} are correct; as stored, {now.sum():,}"
    return Cause("class order", sentence, int(tried[best].sum()))


def _class_orders(class_names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Numberings of classes that are often confused: a description, and the class of each number."""
    classes = len(class_names)
    numbers = np.arange(classes)
    as_text = np.array(sorted(range(classes), key=str))
    by_name = np.array(sorted(range(classes), key=lambda number: class_names[number]))
    seen = {numbers.tobytes()}
    for words, order in (
        (
            "each prediction is one class above the label, as where classes count from 1 or class 0 is a background",
            (numbers - 1) % classes,
        ),
        (
            "each prediction is one class below the label, as where labels count from 1 or an offset is applied twice",
            (numbers + 1) % classes,
        ),
        ("the predictions number class folders sorted as text (0, 1, 10, 100, …), the labels do not", as_text),
        (
            "the labels number class folders sorted as text (0, 1, 10, 100, …), the predictions do not",
            np.argsort(as_text),
        ),
        ("the predictions number the classes in the order of their names, the labels do not", by_name),
        ("the labels number the classes in the order of their names, the predictions do not", np.argsort(by_name)),
        ("the predictions number the classes from the last to the first", numbers[::-1]),
    ):
        if order.tobytes() not in seen:
            seen.add(order.tobytes())
            yield words, order


def _row_order(
    top: np.ndarray, labels: np.ndarray, ids: tuple[str, ...], classes: int, published: float | None
) -> Cause | None:
    predicted = top[:, 0]
    now = predicted == labels
    words, reordered = _reordered(labels.tobytes(), labels.dtype.str, ids)
    tried = [int(np.count_nonzero(predicted == other)) for other in reordered]
    best = max(range(len(tried)), key=tried.__getitem__, default=None)
    # Rows are other images in either order, so the two are not paired; McNemar's test then errs on the safe side.
    if best is None or not _is_better(now, predicted == reordered[best], len(tried)):
        return None
    if not _looks_trained(predicted, reordered[best], classes, published):
        return None
    sentence = (
        f"the rows are in another order than the images, {words[best]}: in that order "
        f"{_of(tried[best], len(top))} are correct; as stored, {now.sum():,}"
    )
    return Cause("row order", sentence, tried[best])


@lru_cache(maxsize=4)  # the same for every model of a set
def _reordered(labels: bytes, kind: str, ids: tuple[str, ...]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """A description of each order in which rows are often stored by mistake, and the labels in that order."""
    known = np.frombuffer(labels, kind)
    # Of a million images, the orders themselves would take half a gigabyte.
    small = known.astype(np.result_type(np.min_scalar_type(known.min()), np.min_scalar_type(known.max())))
    found = [(words, small[order]) for words, order in _row_orders(known, ids)]
    return tuple(words for words, _ in found), [other for _, other in found]


def _row_orders(labels: np.ndarray, ids: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """A description, and the image of each row."""
    met = {_digest(np.arange(len(labels)))}
    for words, order in _orders_of_rows(len(labels)):
        if (digest := _digest(order)) not in met:
            met.add(digest)
            yield words, order
    if len(ids) == len(labels):
        yield from _orders_of_names(ids)
    by_class = np.argsort(labels, kind="stable")
    if (np.diff(by_class) < 0).any():
        yield "class by class, as a loader of class folders gives them", by_class


def _digest(order: np.ndarray) -> bytes:
    return hashlib.sha256(order.astype(np.int32).tobytes()).digest()


def _orders_of_rows(images: int) -> Iterator[tuple[str, np.ndarray]]:
    numbers = np.arange(images, dtype=np.int32)
    yield "one row late", np.roll(numbers, 1)
    yield "one row early", np.roll(numbers, -1)
    yield "last image first", numbers[::-1]
    as_text = np.array(sorted(range(images), key=str), dtype=np.int32)
    yield "that of image numbers sorted as text (0, 1, 10, 100, …)", as_text
    yield "that which undoes a sorting of image numbers as text (0, 1, 10, 100, …)", np.argsort(as_text)
    for workers in _WORKERS:
        shares = np.concatenate([numbers[worker::workers] for worker in range(workers)])
        yield f"one worker's share after the other's ({workers} workers)", shares
        yield f"by turns from the shares of {workers} workers", np.argsort(shares)


def _orders_of_names(ids: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    places = range(len(ids))
    yield "that of the images' names, sorted", np.array(sorted(places, key=ids.__getitem__), dtype=np.int32)
    by_file = sorted(places, key=lambda place: ids[place].rpartition("/")[2])
    yield "that of the file names, whatever their folder", np.array(by_file, dtype=np.int32)


def _fitted_class_order(
    top: np.ndarray, labels: np.ndarray, class_names: Sequence[str], published: float | None
) -> Cause | None:
    predicted, classes = top[:, 0].astype(np.int64), len(class_names)
    now = predicted == labels
    if _confusion(labels, predicted, classes).max(axis=0).sum() - now.sum() < _LEAST_GAIN * len(now):
        return None  # no map at all gains as much, so the search for the best one-to-one map is spared
    half = _half_of_each_class(labels)
    then = np.zeros(len(labels), bool)
    for fitted_on, judged_on in ((half, ~half), (~half, half)):
        order = _best_map(labels[fitted_on], predicted[fitted_on], classes)
        then[judged_on] = order[predicted[judged_on]] == labels[judged_on]
    order = _best_map(labels, predicted, classes)
    if not _is_better(now, then, 1) or not _looks_trained(order[predicted], labels, classes, published):
        return None
    sentence = (
        f"{_map_words(order, predicted, class_names)}: with the classes renumbered, {_of(then.sum(), len(top))} are "
        f"correct; as stored, {now.sum():,}"
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
    """The best one-to-one map from predicted numbers to classes; unused numbers keep their class if possible."""
    confusion = _confusion(labels, predicted, classes).astype(np.float64)
    # Less than an image in all, so that it decides between maps of equal worth alone.
    confusion[np.diag_indices(classes)] += 0.5 / classes
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    order = np.empty(classes, np.int64)
    order[columns] = rows
    return order


def _map_words(order: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> str:
    classes = len(class_names)
    named = np.unique(predicted)
    moved = named[order[named] != named]
    steps = np.unique((named - order[named]) % classes)
    if len(steps) == 1:
        return f"each prediction is {steps[0]} classes above the label (modulo {classes:,})"
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
    predicted: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    published: float | None,
    confidence: float | None,
) -> Cause | None:
    """Predictions that concentrate on one or a few classes: the network's input was not as in training."""
    classes = len(class_names)
    named, truth = (np.bincount(numbers, minlength=classes) / len(labels) for numbers in (predicted, labels))
    most = int(np.argmax(named - truth))
    # Correct predictions are spread as the labels are, so no more than the incorrect ones can be displaced.
    displaced = np.abs(named - truth).sum() / 2
    impossible = published is not None and displaced > 1 - published + 0.5 / len(labels)
    # An untrained network crowds its predictions too; but only a trained one is confident.
    confident = confidence is not None and confidence >= 0.5 and named[most] - truth[most] >= 0.4
    constant = confidence is None and named[most] == 1
    if displaced * len(labels) < _FEWEST or not (impossible or confident or constant):
        return None
    if named[most] == 1:
        crowd = f"all predictions are {class_names[most]}"
    else:
        crowd = (
            f"{class_names[most]} is predicted for {percent(named[most])} % of the images and the label of "
            f"{percent(truth[most])} %"
        )
    more = f", more than an accuracy of {percent(published)} % allows" if impossible and published else ""
    return Cause(
        "input",
        f"{crowd}{more}: pixels of another scale (0 to 255 for 0 to 1), normalised twice or not at all, or weights "
        "that were not loaded",
    )


def _by_chance(
    predicted: np.ndarray, labels: np.ndarray, classes: int, published: float | None, confidence: float | None
) -> Cause | None:
    """Predictions that are correct no more often than if they were assigned to the images at random."""
    images = len(labels)
    named, truth = (np.bincount(numbers, minlength=classes) / images for numbers in (predicted, labels))
    chance = float(named @ truth)
    correct = int((predicted == labels).sum())
    high = clopper_pearson(np.array([correct]), np.array([images]), 1 - _RARE).high[0]
    promised = max(published or 0.0, confidence or 0.0)
    if chance > 0.5 or high > chance + 0.1 or promised <= high + 0.1:
        return None
    if min(stats.binom.sf(correct - 1, images, chance), stats.binom.cdf(correct, images, chance)) < _RARE:
        return None  # better than chance; or worse, as on images that were selected because networks fail on them
    return Cause(
        "other images",
        f"{_of(correct, images)} are correct, where predictions assigned at random would be for "
        f"{round(chance * images):,}: the predictions belong to other images or other classes, the images to other "
        "class folders, or the weights are untrained",
    )


def _missing_classes(predicted: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Cause | None:
    """Classes that are never predicted, although a model of this accuracy would predict them."""
    classes = len(class_names)
    truth, named = (np.bincount(numbers, minlength=classes) for numbers in (labels, predicted))
    missing = (truth > 0) & (named == 0)
    if not missing.any() or missing[truth > 0].all():
        return None
    of_missing = int(truth[missing].sum())
    correct = int((predicted == labels).sum())
    on_others = correct / (len(labels) - of_missing)
    if on_others < 0.5 or of_missing < max(_FEWEST, 0.1 * len(labels)):
        return None
    never = _chance_never_correct(correct / len(labels), truth[truth > 0])
    if stats.poisson.sf(missing.sum() - 1, never.sum()) > _RARE:
        return None
    some = ", ".join(str(class_names[number]) for number in np.flatnonzero(missing)[:3])
    more = ", …" if missing.sum() > 3 else ""
    return Cause(
        "missing classes",
        f"{missing.sum():,} of {(truth > 0).sum():,} classes are never predicted ({some}{more}), though "
        f"{of_missing:,} images are of them and {percent(on_others)} % of the others are correct: the model knows, or "
        "was restricted to, a part of the classes only",
    )


def _chance_never_correct(accuracy: float, images: np.ndarray) -> np.ndarray:
    """Probability that a class with this many images has no correct prediction, for a valid model.

    The classes' accuracies vary: with p ~ Beta(κa, κ(1 − a)), E[(1 − p)ⁿ] = B(κa, κ(1 − a) + n) / B(κa, κ(1 − a)).
    Accuracies of 0 and 1 become (k + ½)/(n + 1).
    """
    total = images.sum()
    accuracy = (accuracy * total + 0.5) / (total + 1)
    a, b = _CLASS_VARIATION * accuracy, _CLASS_VARIATION * (1 - accuracy)
    return np.exp(special.betaln(a, b + images) - special.betaln(a, b))


def _of(correct: int | np.integer, images: int) -> str:
    return f"{correct:,} of {images:,} images"
