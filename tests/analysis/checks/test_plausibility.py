"""Likely causes: every one provoked by doing it to real predictions, and none found in predictions that are sound."""

import numpy as np
import pytest
from false_alarms import sound_model
from hypothesis import example, given, settings
from hypothesis import strategies as st
from released import CIFAR10, IMAGENET, cifar10, needs_cifar10, needs_imagenet
from scipy import stats
from sklearn.datasets import load_digits

from evalshift.analysis.checks.plausibility import Cause, _chance_never_correct, likely_causes

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
NUMBERS = [str(number) for number in range(1000)]


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def real_predictions() -> tuple[np.ndarray, np.ndarray]:
    """resnet_basic_32 on CIFAR-10: 9,252 of 10,000 right."""
    released = cifar10("v4")
    return released.original[released.models.index("resnet_basic_32")], released.original_labels


def real_top(model: str = "resnet50") -> tuple[np.ndarray, np.ndarray]:
    """A model on ImageNetV2 MatchedFrequency as released: resnet50 has 6,333 of 10,000 right."""
    labels = np.load(IMAGENET / "matched-frequency_labels.npy").astype(np.int64)
    return np.load(IMAGENET / "matched-frequency" / f"{model}.npy"), labels


def only(causes: tuple[Cause, ...]) -> Cause:
    (cause,) = causes
    return cause


def of_cifar(predicted: np.ndarray, labels: np.ndarray, **options) -> tuple[Cause, ...]:
    return likely_causes(predicted[:, np.newaxis], labels, CIFAR_CLASSES, **options)


@needs_cifar10
class TestCifar10:
    @pytest.mark.parametrize(
        "step, start",
        [
            (
                1,
                "each prediction is one class above the label, as where classes count from 1 or class 0 is a",
            ),
            (
                -1,
                "each prediction is one class below the label, as where labels count from 1 or an offset is",
            ),
            (3, "each prediction is 3 classes above the label (modulo 10): with the classes renumbered, 9,252 of"),
        ],
    )
    def test_shifted_classes(self, step, start):
        predicted, labels = real_predictions()
        cause = only(of_cifar((predicted + step) % 10, labels))
        assert (cause.kind, cause.correct) == ("class order", 9252)
        assert cause.sentence.startswith(start)

    def test_two_classes_exchanged(self):
        predicted, labels = real_predictions()
        exchanged = np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9])[predicted]
        assert of_cifar(exchanged, labels) == (
            Cause(
                "class order",
                "the classes cat and dog are exchanged: with the classes renumbered, 9,252 of 10,000 images are "
                "correct; as stored, 7,677",
                9252,
            ),
        )

    def test_any_order_of_the_classes(self):
        predicted, labels = real_predictions()
        order = np.array([7, 1, 9, 0, 2, 5, 3, 8, 4, 6])
        cause = only(of_cifar(order[predicted], labels))
        assert cause.correct == 9252
        assert cause.sentence == (
            "the classes are numbered in another order (8 of 10 moved: airplane for cat, bird for deer, cat for frog, "
            "…): with the classes renumbered, 9,252 of 10,000 images are correct; as stored, 1,895"
        )

    def test_classes_in_the_order_of_their_names(self):
        predicted, labels = real_predictions()
        # A set whose numbers go by something else than its names: there, folders are numbered by name.
        numbering = rng("names").permutation(10)
        names = [CIFAR_CLASSES[number] for number in numbering]
        cause = only(likely_causes(predicted[:, np.newaxis], np.argsort(numbering)[labels], names))
        assert cause.correct == 9252
        assert cause.sentence.startswith(
            "the predictions number the classes in the order of their names, the labels do not: read this way, 9,252 of"
        )

    @pytest.mark.parametrize(
        "words, disorder",
        [
            ("class by class, as a loader of class folders gives them", lambda y: np.argsort(y, kind="stable")),
            ("one row late", lambda y: np.roll(np.arange(len(y)), 1)),
            ("one row early", lambda y: np.roll(np.arange(len(y)), -1)),
            ("last image first", lambda y: np.arange(len(y))[::-1]),
            (
                "that of image numbers sorted as text (0, 1, 10, 100, …)",
                lambda y: np.array(sorted(range(len(y)), key=str)),
            ),
            (
                "one worker's share after the other's (4 workers)",
                lambda y: np.concatenate([np.arange(len(y))[worker::4] for worker in range(4)]),
            ),
            (
                "by turns from the shares of 8 workers",
                lambda y: np.argsort(np.concatenate([np.arange(len(y))[worker::8] for worker in range(8)])),
            ),
        ],
    )
    def test_rows_in_another_order(self, words, disorder):
        predicted, labels = real_predictions()
        cause = only(of_cifar(predicted[disorder(labels)], labels))
        assert (cause.kind, cause.correct) == ("row order", 9252)
        assert cause.sentence.startswith(
            f"the rows are in another order than the images, {words}: in that order 9,252 of 10,000 images are"
        )

    @pytest.mark.parametrize(
        "words, key",
        [
            ("that of the images' names, sorted", lambda name: name),
            ("that of the file names, whatever their folder", lambda name: name.partition("/")[2]),
        ],
    )
    def test_rows_in_the_order_of_their_names(self, words, key):
        predicted, labels = real_predictions()
        names = rng("names").permutation(10_000)
        ids = tuple(f"{label}/{name:05d}.png" for label, name in zip(labels, names, strict=True))
        order = sorted(range(10_000), key=lambda place: key(ids[place]))
        cause = only(of_cifar(predicted[order], labels, ids=ids))
        assert cause.correct == 9252
        assert f"than the images, {words}: in that order 9,252 of" in cause.sentence

    def test_predictions_to_other_images(self):
        predicted, labels = real_predictions()
        cause = only(of_cifar(rng("shuffled").permutation(predicted), labels, published=0.9252))
        assert (cause.kind, cause.correct) == ("other images", None)
        assert cause.sentence.startswith(
            "1,047 of 10,000 images are correct, where predictions assigned at random would be for 1,000: the "
        )

    def test_one_prediction_to_everything(self):
        predicted, labels = real_predictions()
        assert of_cifar(np.full_like(predicted, 3), labels) == (
            Cause(
                "input",
                "all predictions are cat: pixels of another scale (0 to 255 for 0 to 1), normalised twice or not at "
                "all, or weights that were not loaded",
            ),
        )

    def test_predictions_more_crowded_than_the_published_accuracy_allows(self):
        # Every third prediction turned to frog: no sound network does that at an accuracy of 92.52 %.
        predicted, labels = real_predictions()
        crowded = np.where(np.arange(len(predicted)) % 3 == 0, 6, predicted)
        assert of_cifar(crowded, labels) == ()
        cause = only(of_cifar(crowded, labels, published=0.9252))
        assert cause.sentence.startswith(
            "frog is predicted for 40.0 % of the images and the label of 10.0 %, more than an accuracy of 92.5 % allows"
        )

    def test_classes_that_are_never_the_prediction(self):
        predicted, labels = real_predictions()
        part = np.where(predicted >= 8, rng("part").integers(0, 8, len(predicted)), predicted)
        cause = only(of_cifar(part, labels))
        assert cause.kind == "missing classes"
        assert cause.sentence == (
            "2 of 10 classes are never predicted (ship, truck), though 2,000 images are of them and 92.0 % of the "
            "others are correct: the model knows, or was restricted to, a part of the classes only"
        )

    @pytest.mark.parametrize("version", ["v4", "v6"])
    def test_nothing_is_found_in_the_released_predictions(self, version):
        released = cifar10(version)
        for predictions, labels in (
            (released.original, released.original_labels),
            (released.new, released.new_labels),
        ):
            for predicted in predictions[::3]:
                assert of_cifar(predicted, labels) == ()

    def test_nothing_is_found_where_the_accuracy_is_as_published(self):
        predicted, labels = real_predictions()
        assert of_cifar(predicted, labels, published=0.9252) == ()


@needs_imagenet
class TestImageNet:
    def test_the_reversed_columns_of_the_release(self):
        top, labels = real_top("fv_16k")
        assert likely_causes(top, labels, NUMBERS) == (
            Cause(
                "column order",
                "the columns are reversed, worst first: the last of 5 is correct for 1,924 of 10,000 images, the first "
                "for 247",
                1924,
            ),
        )

    def test_no_other_model_of_the_release_is_suspected(self):
        models = sorted(path.stem for path in (IMAGENET / "matched-frequency").glob("*.npy"))
        suspected = [model for model in models if likely_causes(*real_top(model), NUMBERS)]
        assert suspected == ["fv_16k"]
        assert len(models) == 67

    def test_a_later_column_that_is_not_the_last(self):
        top, labels = real_top()
        cause = only(likely_causes(top[:, [1, 0, 2, 3, 4]], labels, NUMBERS))
        assert (cause.kind, cause.correct) == ("column order", 6333)
        assert cause.sentence == (
            "the columns are not in the order best first: column 2 of 5 is correct for 6,333 of 10,000 images, the "
            "first for 1,178"
        )

    def test_class_folders_sorted_as_text(self):
        top, labels = real_top()
        as_text = np.argsort(sorted(range(1000), key=str))  # ImageFolder's number of the folder of each class
        cause = only(likely_causes(top, as_text[labels], NUMBERS))
        assert (cause.kind, cause.correct) == ("class order", 6333)
        assert cause.sentence.startswith(
            "the labels number class folders sorted as text (0, 1, 10, 100, …), the predictions do not: read this"
        )
        predictions_do = only(likely_causes(as_text[top], labels, NUMBERS))
        assert predictions_do.correct == 6333
        assert predictions_do.sentence.startswith("the predictions number class folders sorted as text")

    def test_an_unknown_order_of_1000_classes_is_fitted_on_one_half_and_judged_on_the_other(self):
        top, labels = real_top()
        cause = only(likely_causes(rng("devkit").permutation(1000)[top], labels, NUMBERS))
        assert cause.sentence.startswith(
            "the classes are numbered in another order, such as the ids of ILSVRC's devkit (998 of 1,000 moved: "
        )
        # Five images per class are few to fit a class's number on: honest, and less than the 6,333.
        assert cause.correct is not None
        assert 5900 < cause.correct < 6333

    def test_random_predictions_are_not_taken_for_another_order(self):
        # The best map over all images would make some 1,030 of these random predictions correct, a hundred times
        # chance.
        labels = real_top()[1]
        guesses = rng("random").integers(0, 1000, (10_000, 1))
        assert likely_causes(guesses, labels, NUMBERS) == ()
        assert only(likely_causes(guesses, labels, NUMBERS, confidence=0.7)).kind == "other images"

    def test_the_cause_that_explains_most_is_named(self):
        # With the classes shifted, a later prediction is correct more often than the first by chance; the shift
        # explains all.
        top, labels = real_top()
        assert only(likely_causes((top - 1) % 1000, labels, NUMBERS)).correct == 6333

    def test_half_of_the_classes(self):
        top, labels = real_top()
        cause = only(likely_causes(np.where(top >= 500, top - 500, top), labels, NUMBERS))
        assert cause.sentence.startswith("500 of 1,000 classes are never predicted (500, 501, 502, …), though 5,000")

    def test_a_weak_model_that_knows_few_classes_is_sound(self):
        # fv_4k never names 274 of the 1,000 classes, and a fifth of its predictions are one of ten.
        top, labels = real_top("fv_4k")
        assert len(np.unique(top[:, 0])) == 726
        assert likely_causes(top, labels, NUMBERS) == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(1, 300), st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_sound_predictions_of_any_skill_are_not_reordered(classes, images, kept, skill, seed):
    # A model that knows the label with some probability, and guesses among the other classes else.
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, images)
    top = np.argsort(draw.random((images, classes)), axis=1)
    known = draw.random(images) < skill
    top[known] = np.stack([np.concatenate([[label], np.delete(np.arange(classes), label)]) for label in labels])[known]
    kinds = {cause.kind for cause in likely_causes(top[:, : min(kept, classes)], labels, NUMBERS[:classes])}
    assert kinds <= {"other images", "input"}
    assert "other images" not in kinds or skill < 0.3


@settings(max_examples=30, deadline=None)
@example(5, 244)
@given(st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_any_renumbering_of_good_predictions_is_undone(classes, seed):
    draw = np.random.default_rng(seed)
    # Not one class after the other: a cyclic renumbering would then be a shift of the rows as well.
    labels = draw.permutation(np.arange(60 * classes) % classes)
    predicted = np.where(draw.random(len(labels)) < 0.8, labels, draw.integers(0, classes, len(labels)))
    order = draw.permutation(classes)
    causes = likely_causes(order[predicted][:, np.newaxis], labels, NUMBERS[:classes])
    if (order == np.arange(classes)).all():
        assert causes == ()
    else:
        assert only(causes).kind == "class order"
        assert only(causes).correct == (predicted == labels).sum()


def untrained(images: np.ndarray, seed: int) -> np.ndarray:
    """Class scores, shape (n, 10), of README's network with random weights: Linear(64, 32), ReLU, Linear(32, 10)."""
    draw = np.random.default_rng(seed)

    def layer(values: np.ndarray, outputs: int) -> np.ndarray:
        bound = 1 / np.sqrt(values.shape[1])  # as torch initialises a linear layer
        weight, bias = draw.uniform(-bound, bound, (values.shape[1], outputs)), draw.uniform(-bound, bound, outputs)
        return values @ weight + bias

    return layer(np.maximum(layer((images - 0.5) / 0.5, 32), 0), 10)


def test_untrained_networks_are_not_suspected() -> None:
    # Their predictions depend on the image, so some order of the classes makes a third of them correct: no finding.
    pixels, target = load_digits(return_X_y=True)
    images, labels = np.asarray(pixels)[-891:] / 16, np.asarray(target)[-891:].astype(np.int64)
    names = [str(digit) for digit in range(10)]
    for seed in range(100):
        scores = untrained(images, seed)
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        top = np.argsort(-scores, axis=1)[:, :5]
        assert likely_causes(top, labels, names, confidence=float(chances.max(axis=1).mean())) == ()


def test_one_image_per_class_leaves_the_missed_classes_without_a_prediction() -> None:
    # 250 classes with an image each, 224 correct (89.6 %): all of the 26 incorrect go to classes without images.
    labels = np.arange(0, 1000, 4)
    predicted = np.where(np.arange(250) < 26, labels + 1, labels)
    assert likely_causes(predicted[:, np.newaxis], labels, NUMBERS, confidence=0.85) == ()


def test_images_on_which_a_confident_network_fails_were_selected_for_that() -> None:
    # ImageNet-A: none of 7,500 correct in 200 classes, fewer than by chance, though the network is confident.
    labels = np.arange(7500) % 200
    predicted = (labels + rng("selected").integers(1, 200, 7500)) % 200
    assert likely_causes(predicted[:, np.newaxis], labels, NUMBERS[:200], confidence=0.6) == ()


@pytest.mark.parametrize("confidence, kinds", [(0.12, []), (0.8, ["input"]), (None, [])])
def test_crowded_predictions_of_a_confident_network_come_from_wrong_input(confidence, kinds) -> None:
    labels = np.arange(1000) % 10
    predicted = np.where(np.arange(1000) % 5 < 3, 7, rng("crowd").integers(0, 10, 1000))
    causes = likely_causes(predicted[:, np.newaxis], labels, NUMBERS[:10], confidence=confidence)
    assert [cause.kind for cause in causes] == kinds


def test_images_without_a_prediction_say_nothing_of_the_others() -> None:
    labels = np.arange(600) % 10
    top = np.where(np.arange(600) % 7 == 0, -1, (labels + 1) % 10)[:, np.newaxis]
    assert only(likely_causes(top, labels, NUMBERS[:10])).correct == (top[:, 0] >= 0).sum()
    assert likely_causes(np.full((600, 1), -1), labels, NUMBERS[:10]) == ()


def test_the_chance_that_a_class_is_never_correct() -> None:
    # One image: 1 − a, whatever the variation, with a = (89.5 + ½)/101 here. By quadrature for 5 images:
    # integrate.quad(lambda p: stats.beta(2a, 2 − 2a).pdf(p) * (1 − p)**5, 0, 1) at the same a.
    one, five = _chance_never_correct(0.895, np.array([1, 5, 94]))[:2]
    assert one == pytest.approx(1 - (89.5 + 0.5) / 101)
    a = 2 * 90 / 101
    assert five == pytest.approx(stats.beta(a, 2 - a).expect(lambda p: (1 - p) ** 5))


def test_false_alarms_of_sound_models_are_rare() -> None:
    draw = np.random.default_rng(0)
    suspected = 0
    for number in range(300):
        classes, images, variation = [(10, 50, 4.0), (100, 5, None), (250, 1, 20.0)][number % 3]
        top, labels = sound_model(draw, classes, images, draw.uniform(1 / classes, 1), variation)
        suspected += bool(likely_causes(top, labels, NUMBERS[:classes]))
    assert suspected == 0


class TestDegenerate:
    @pytest.mark.parametrize("labels", [[0], [1], [0, 1, 1]])
    def test_too_few_images_to_tell(self, labels):
        labels = np.array(labels)
        assert likely_causes(1 - labels[:, np.newaxis], labels, ["no", "yes"]) == ()

    def test_one_class(self):
        labels = np.zeros(500, np.int64)
        assert likely_causes(labels[:, np.newaxis], labels, ["all"]) == ()

    def test_two_classes_exchanged(self):
        labels = np.arange(100) // 7 % 2
        cause = only(likely_causes(1 - labels[:, np.newaxis], labels, ["no", "yes"]))
        assert (cause.kind, cause.correct) == ("class order", 100)

    def test_narrow_whole_numbers(self):
        labels = np.arange(3000) % 200
        top = ((labels + 1) % 200)[:, np.newaxis].astype(np.int16)
        assert only(likely_causes(top, labels, NUMBERS[:200])).correct == 3000

    @pytest.mark.parametrize(
        "top, labels, message",
        [
            (
                np.zeros((0, 1), int),
                [],
                "found predictions of shape (0, 1); expected at least 1 image and 1 class per image",
            ),
            (
                np.zeros((2, 0), int),
                [0, 0],
                "found predictions of shape (2, 0); expected at least 1 image and 1 class per image",
            ),
            (np.zeros((3, 1), int), [0, 0], "found 3 rows of predictions for 2 labels; expected one per label"),
        ],
    )
    def test_impossible_input(self, top, labels, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            likely_causes(top, np.array(labels, np.int64), ["a", "b"])
        assert str(complaint.value) == message


@needs_cifar10
def test_the_same_is_found_whatever_the_order_of_the_images() -> None:
    predicted, labels = real_predictions()
    order = rng("order").permutation(len(labels))
    exchanged = np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9])[predicted]
    assert of_cifar(exchanged[order], labels[order]) == of_cifar(exchanged, labels)
    assert CIFAR10.is_dir()
