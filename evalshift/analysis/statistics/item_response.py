"""Item response: models differ in ability, images in difficulty and in how well they discriminate between models."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float
from scipy import special, stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.errors import AnalysisError
from evalshift.formatting import counted

LEAST_MODELS = 5
# Smallest standard deviation of log discriminations: less cannot be distinguished from 0, and makes no difference.
_LEAST_SPREAD = 0.2
# Tolerance: the largest change of abilities and image parameters, in their standard deviations, in the last step of a
# fit. From a first guess with the nodes that it suggests, then on some images, then on all.
_TOLERANCES = (1e-2, 1e-3, 1e-3)
_MOST_STEPS = 300
# Images of the first fit, from which the fit to all images starts, and response patterns in memory at once.
_FIRST_IMAGES = 4_000
_BLOCK = 4_096
_THREADS = 2
# Range of difficulties, in standard deviations from their mean.
_REACH = 4.2

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number with its standard error and confidence interval."""

    value: float
    error: float
    interval: Interval[float]


@dataclass(frozen=True, eq=False)
class ItemResponse:
    """The two-parameter logistic model of m models on one test set of n images; see `fit_item_response`.

    The unit of ability and difficulty is the standard deviation of the models' abilities; 0 is their mean.

    ability            shape (m,); NaN for a model with none or all correct
    covariance         of the errors of the abilities over samples of images, shape (m, m); NaN for such models
    interval           of each ability
    difficulty         mean over images
    spread             standard deviation of difficulty over images
    discrimination     median over images of mean difficulty, in log-odds per unit of ability
    variation          standard deviation of log discrimination over images of the same difficulty
    image_difficulty, image_discrimination   expected given the image's predictions, shape (n,)
    image_reliability  share of the variance of difficulty over images that the image's predictions explain, shape (n,):
                       0 if they are uninformative
    steps              number of steps of the fit
    converged          whether the last step changed less than the tolerance; if not, all numbers are those of that step
    """

    ability: Float[np.ndarray, " m"]
    covariance: Float[np.ndarray, "m m"]
    interval: Interval[np.ndarray]
    difficulty: Estimate
    spread: Estimate
    discrimination: Estimate
    variation: float
    image_difficulty: Float[np.ndarray, " n"]
    image_discrimination: Float[np.ndarray, " n"]
    image_reliability: Float[np.ndarray, " n"]
    steps: int
    converged: bool


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes of the integrals over images: x and z, both N(0, 1) over images, and the logarithms of the weights."""

    x: np.ndarray
    z: np.ndarray
    log_weights: np.ndarray


@dataclass(frozen=True, eq=False)
class _Parameters:
    """ability θ of each model; difficulty = x ~ N(0, 1); log discrimination = base + tilt · x + variation · z."""

    ability: np.ndarray
    base: float
    tilt: float
    variation: float

    def log_discrimination(self, nodes: _Nodes) -> np.ndarray:
        return self.base + self.tilt * nodes.x + self.variation * nodes.z

    def log_odds(self, nodes: _Nodes) -> np.ndarray:
        """Log-odds of a correct prediction of each model at each node, shape (m, nodes)."""
        return np.exp(self.log_discrimination(nodes)) * (self.ability[:, np.newaxis] - nodes.x)


def _make_nodes(at: _Parameters, spacing: float = 1.3) -> _Nodes:
    """Nodes as dense as difficulties are well determined: closest within the range of the abilities, wider beyond.

    spacing  at the centre, in standard errors of a difficulty there: fits need fewer nodes than standard errors
    Equal steps of t, x = centre + width · sinh t, keep the trapezoid rule exact to many digits.
    """
    discrimination = np.exp(at.base + at.variation / 2)
    centre, width = float(np.median(at.ability)), float(np.ptp(at.ability) / 2 + 1 / discrimination)
    error = 1 / (discrimination * np.sqrt(0.15 * len(at.ability)))
    ends = np.arcsinh((np.array([-_REACH, _REACH]) - centre) / width)
    count = int(np.clip(np.ptp(ends) * width / (spacing * error), 41, 301))
    t = np.linspace(float(ends[0]), float(ends[1]), count)
    x, z = (side.ravel() for side in np.meshgrid(centre + width * np.sinh(t), np.linspace(-3, 3, 13), indexing="ij"))
    weights = -(x**2 + z**2) / 2 + np.repeat(np.log(np.cosh(t)), 13)
    weights -= special.logsumexp(weights)
    # Truncated, the nodes would have a variance below 1, and the spreads would shrink at each EM step.
    share = np.exp(weights)
    x, z = ((side - share @ side) / np.sqrt(share @ side**2 - (share @ side) ** 2) for side in (x, z))
    return _Nodes(x, z, weights)


@dataclass(frozen=True, eq=False)
class _Patterns:
    """Distinct columns of a matrix of correctness, as 0 and 1, shape (m, p), and the number of images with each."""

    correct: np.ndarray
    images: np.ndarray

    def blocks(self) -> Iterator[slice]:
        for first in range(0, len(self.images), _BLOCK):
            yield slice(first, first + _BLOCK)


def fit_item_response(correct: Bool[np.ndarray, "m n"], level: float = 0.95) -> ItemResponse:
    """Fit the two-parameter logistic model with random images by marginal maximum likelihood.

    Model i classifies image j correctly with probability 1 / (1 + exp(−a_j (θ_i − b_j))), independently given the
    image's difficulty b and discrimination a. (b, log a) is normal over images with a free covariance; the abilities θ
    are free parameters. The fit uses EM over a grid of difficulties and Gauss–Hermite nodes of log a. Standard errors
    come from the sandwich of Louis' observed information and the images' scores, so they are valid over samples of
    images even if similar models have correlated errors.

    correct  which images each model classifies correctly, shape (m, n)
    level    two-sided, of the intervals

    Raises AnalysisError for fewer than five models with some correct and some incorrect predictions, for fewer distinct
    images than parameters, and if abilities do not differ; ValueError for a level outside (0, 1).
    Source: Bock and Aitkin 1981, Psychometrika 46(4) (EM); De Boeck 2008, Psychometrika 73(4) (random items); Louis
    1982, JRSS B 44(2) (information); White 1982, Econometrica 50(1) (sandwich).
    """
    check_level(level)
    share = correct.mean(axis=1)
    usable = (share > 0) & (share < 1)
    if usable.sum() < LEAST_MODELS:
        raise AnalysisError(
            "item response needs five models with correct and incorrect predictions",
            found=f"{counted(int(usable.sum()), 'model')}",
        )
    if np.ptp(share[usable]) == 0:
        raise AnalysisError("item response needs models that differ in accuracy")
    everything, place = _patterns(correct[usable])
    if len(everything.images) < usable.sum() + 3:
        raise AnalysisError(
            "item response needs more images on which models differ",
            found=f"{len(everything.images)} patterns of correct predictions",
            expected=f"at least {int(usable.sum()) + 3}, the number of parameters",
        )
    some = _some_images(correct[usable])
    first = everything if some is None else _patterns(some)[0]
    found, steps, converged = _first_guess(share[usable]), 0, False
    for patterns, tolerance in zip((first, first, everything), _TOLERANCES, strict=True):
        found, taken, converged = _maximize(patterns, _make_nodes(found), found, tolerance)
        steps += taken
    covariance, images = _errors(everything, _make_nodes(found, 0.7), found)
    return _scaled(found, covariance, images[:, place], usable, level, steps, converged)


def _patterns(correct: np.ndarray) -> tuple[_Patterns, np.ndarray]:
    """The distinct columns, and which of them each image has."""
    packed = np.ascontiguousarray(np.packbits(correct, axis=0).T)
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, place, images = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    return _Patterns(correct[:, first].astype(np.float32), images.astype(np.float32)), place.ravel()


def _some_images(correct: np.ndarray) -> np.ndarray | None:
    """Enough images to come close to the solution, evenly from the whole set; None if there are not many more."""
    images = correct.shape[1]
    if images < 2 * _FIRST_IMAGES:
        return None
    some = correct[:, np.linspace(0, images - 1, _FIRST_IMAGES).astype(np.int64)]
    share = some.mean(axis=1)
    return some if ((share > 0) & (share < 1)).all() else None


def _first_guess(share: np.ndarray) -> _Parameters:
    """Starting values, twice as spread out as if all images were alike."""
    return _Parameters(special.logit(share) / 2, np.log(2.0), 0.0, 0.5)


def _maximize(
    patterns: _Patterns, nodes: _Nodes, start: _Parameters, tolerance: float
) -> tuple[_Parameters, int, bool]:
    """The parameters at convergence, the number of steps, and whether the last change was below the tolerance."""
    now = start
    for step in range(1, _MOST_STEPS + 1):
        weight, correct, _ = _expect(patterns, nodes, now)
        then = _improve(nodes, now, weight, correct)
        moved = max(
            np.max(np.abs(then.ability - now.ability)) / np.std(then.ability),
            *(abs(getattr(then, name) - getattr(now, name)) for name in ("base", "tilt", "variation")),
        )
        now = then
        if moved < tolerance:
            return now, step, True
    return now, _MOST_STEPS, False


def _expect(patterns: _Patterns, nodes: _Nodes, at: _Parameters) -> tuple[np.ndarray, np.ndarray, float]:
    """Expected number of images at each node, of those that each model classifies correctly, and the log-likelihood."""

    def of_block(block: slice, posterior: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        images = patterns.images[block]
        weighted = posterior * images[:, np.newaxis]
        return weighted.sum(axis=0), patterns.correct[:, block] @ weighted, float(logs @ images)

    weight, correct, likelihood = np.zeros(len(nodes.x)), np.zeros((len(at.ability), len(nodes.x))), 0.0
    for some, hits, log in _of_blocks(patterns, nodes, at, of_block):
        weight += some
        correct += hits
        likelihood += log
    return weight, correct, likelihood


def _of_blocks(
    patterns: _Patterns, nodes: _Nodes, at: _Parameters, work: Callable[[slice, np.ndarray, np.ndarray], Result]
) -> Iterator[Result]:
    """Results of `work` for each block of patterns, in order, two at a time in threads.

    `work` takes the block, the probability of each node, shape (block, nodes), and the log-likelihoods. NumPy releases
    the GIL while it computes.
    """
    odds = at.log_odds(nodes)
    base = (nodes.log_weights - np.logaddexp(0, odds).sum(axis=0)).astype(np.float32)
    odds = odds.astype(np.float32)

    def of_block(block: slice) -> Result:
        logs = patterns.correct[:, block].T @ odds + base
        most = logs.max(axis=1, keepdims=True)
        np.exp(logs - most, out=logs)
        total = logs.sum(axis=1, keepdims=True)
        logs /= total
        return work(block, logs, (np.log(total) + most)[:, 0].astype(np.float64))

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(of_block, patterns.blocks())


def _improve(nodes: _Nodes, now: _Parameters, weight: np.ndarray, correct: np.ndarray) -> _Parameters:
    """One EM step: difficulty and log discrimination by the moments of the nodes, abilities by a Newton step.

    The mean and spread of difficulty are free within the step and then reset to 0 and 1, which accelerates EM
    (parameter expansion: Liu, Rubin and Wu 1998, Biometrika 85(4)).
    """
    share, logs = weight / weight.sum(), now.log_discrimination(nodes)
    x, log = float(share @ nodes.x), float(share @ logs)
    x_variance, log_variance = float(share @ (nodes.x - x) ** 2), float(share @ (logs - log) ** 2)
    both = float(share @ ((nodes.x - x) * (logs - log)))
    slope = both / x_variance
    variation = max(_LEAST_SPREAD, float(np.sqrt(max(log_variance - slope * both, 0.0))))
    ability, discrimination = now.ability, np.exp(logs)
    for _ in range(2):
        chance = special.expit(discrimination * (ability[:, np.newaxis] - nodes.x))
        pull = (correct - weight * chance) @ discrimination
        ability = ability + pull / ((weight * chance * (1 - chance)) @ discrimination**2)
    size = np.sqrt(x_variance)
    return _Parameters((ability - x) / size, log + np.log(size), slope * size, variation)


def _errors(patterns: _Patterns, nodes: _Nodes, at: _Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of abilities, base, tilt and log variation; per pattern, expected difficulty, log discrimination and
    the remaining variance of difficulty."""
    models, discrimination = len(at.ability), np.exp(at.log_discrimination(nodes))
    chance = special.expit(at.log_odds(nodes))
    own = np.stack(
        [nodes.z / at.variation, nodes.x * nodes.z / at.variation, nodes.z**2 - 1]
    )  # scores of base, tilt, log variation
    size = models + len(own)
    outer, square, second = (np.zeros((size, size)) for _ in range(3))
    weight, correct = np.zeros(len(nodes.x)), np.zeros((models, len(nodes.x)))
    expected = np.empty((3, len(patterns.images)))
    of_node = np.vstack([discrimination * chance, own]).astype(np.float32)

    def of_block(block: slice, posterior: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, ...]:
        hits, images = patterns.correct[:, block], patterns.images[block]
        weighted = posterior * images[:, np.newaxis]
        scores = (of_node @ posterior.T).astype(np.float64)
        scores[:models] = hits * (posterior @ discrimination) - scores[:models]
        mean = posterior @ nodes.x
        left = posterior @ nodes.x**2 - mean**2
        expected[:, block] = mean, posterior @ at.log_discrimination(nodes), left
        sums = weighted.sum(axis=0), hits @ weighted, (scores * images) @ scores.T
        return *sums, (hits * (weighted @ discrimination**2)) @ hits.T

    for some, hit, product, squares in _of_blocks(patterns, nodes, at, of_block):
        weight += some
        correct += hit
        outer += product
        square[:models, :models] += squares
    pulled = correct * discrimination**2 @ chance.T
    square[:models, :models] += (weight * discrimination**2 * chance) @ chance.T - pulled - pulled.T
    square[:models, models:] = ((correct - weight * chance) * discrimination) @ own.T
    square[models:, :models] = square[:models, models:].T
    square[models:, models:] = (own * weight) @ own.T
    second[np.arange(models), np.arange(models)] = (weight * chance * (1 - chance)) @ discrimination**2
    second[models:, models:] = _curvature(nodes, weight, at.variation)
    information = second - square + outer
    try:
        inverse = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        inverse = np.full_like(information, np.nan)
    if not np.isfinite(inverse).all() or (np.diag(inverse) <= 0).any():
        raise AnalysisError("these images do not determine the abilities", found=f"{len(patterns.images)} patterns")
    return inverse @ outer @ inverse, expected


def _curvature(nodes: _Nodes, weight: np.ndarray, variation: float) -> np.ndarray:
    """Minus the second derivatives of the nodes' density by base, tilt and log variation, over all images."""
    zero, one, two = (weight @ (nodes.x**power) / variation**2 for power in (0, 1, 2))
    by_base, by_tilt = (2 * weight @ (nodes.z * nodes.x**power) / variation for power in (0, 1))
    return np.array([[zero, one, by_base], [one, two, by_tilt], [by_base, by_tilt, 2 * weight @ nodes.z**2]])


def _scaled(
    found: _Parameters,
    covariance: np.ndarray,
    images: np.ndarray,
    usable: np.ndarray,
    level: float,
    steps: int,
    converged: bool,
) -> ItemResponse:
    """The estimates in units of the models' abilities, with standard errors by the delta method."""
    ability, models = found.ability, len(found.ability)
    mean, size = ability.mean(), ability.std(ddof=1)
    standard = (ability - mean) / size
    of_size = np.append(standard / (models - 1), [0, 0, 0])
    of_mean = np.append(np.full(models, 1 / models), [0, 0, 0])
    of_base = np.append(np.zeros(models), [1, 0, 0])
    by_ability = (np.eye(models) - 1 / models - np.outer(standard, standard) / (models - 1)) / size
    errors = by_ability @ covariance[:models, :models] @ by_ability.T
    discrimination = np.exp(found.base) * size
    bound = float(stats.norm.ppf((1 + level) / 2))

    def estimate(value: float, gradient: np.ndarray) -> Estimate:
        error = float(np.sqrt(gradient @ covariance @ gradient))
        return Estimate(float(value), error, Interval(float(value) - bound * error, float(value) + bound * error))

    margin = bound * np.sqrt(np.diag(errors))
    return ItemResponse(
        _spread_out(standard, usable),
        _spread_out(errors, usable),
        Interval(_spread_out(standard - margin, usable), _spread_out(standard + margin, usable)),
        estimate(-mean / size, -of_mean / size + mean / size**2 * of_size),
        estimate(1 / size, -of_size / size**2),
        estimate(discrimination, discrimination * (of_base + of_size / size)),
        found.variation,
        (images[0] - mean) / size,
        np.exp(images[1]) * size,
        np.clip(1 - images[2], 0.0, 1.0),
        steps,
        converged,
    )


def _spread_out(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Values of the usable models at their positions among all models, NaN elsewhere."""
    whole = np.full((len(usable),) * values.ndim, np.nan)
    whole[np.ix_(*(np.flatnonzero(usable),) * values.ndim)] = values
    return whole


@dataclass(frozen=True, eq=False)
class AbilityChange:
    """New minus original ability of m models, in standard deviations of ability, and its interval.

    original, new   the fit to each set, of the same models; NaN for models with none or all correct on one of them
    """

    original: ItemResponse
    new: ItemResponse
    change: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]


def ability_change(
    original: Bool[np.ndarray, "m n"], new: Bool[np.ndarray, "m new_n"], level: float = 0.95
) -> AbilityChange:
    """Each model's ability on two sets of different images, on one scale.

    The sets share no images, so harder images cannot be distinguished from less able models. The scales are linked
    through the models: the mean and standard deviation of their abilities are assumed equal on both sets. The estimates
    show which models gain or lose relative to the others, and how hard each set's images are for these models.

    original, new   which images each model classifies correctly, for the same models in the same order
    Raises what `fit_item_response` raises.
    Source: mean and sigma linking: Kolen and Brennan 2014, Test Equating, Scaling, and Linking, section 6.3.
    """
    check_level(level)
    usable = np.ones(len(original), dtype=bool)
    for side in (original, new):
        share = side.mean(axis=1)
        usable &= (share > 0) & (share < 1)
    before, after = (fit_item_response(side & usable[:, np.newaxis], level) for side in (original, new))
    change = after.ability - before.ability
    error = np.sqrt(np.diag(before.covariance) + np.diag(after.covariance))
    margin = stats.norm.ppf((1 + level) / 2) * error
    return AbilityChange(before, after, change, Interval(change - margin, change + margin))
