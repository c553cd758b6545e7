"""What a network returns → one number per class: which tensor, which of its columns, logits or probabilities.

Networks return a tensor, or several of them in a tuple, a list, a dict or an object with `.logits`; some have a class
more, one output for two classes, or a softmax at their end. What holds for a model is decided once, on real images.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, no_type_check

import torch
from torch import nn

from evalshift.errors import ModelError, did_you_mean
from evalshift.formatting import counted, name_some
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.models.classifier import Classifier, Settled

# How far the sum of a row of probabilities may be from 1: half a unit in the last place of bfloat16 below 1.
SUM_TOLERANCE = 2.0**-8
# What rounding may leave below 0, such as of 1 − p.
_BELOW_ZERO = -1e-3

Place = tuple[Any, ...]


def settle(classifier: Classifier, returned: Iterable[Any], images: int) -> Classifier:
    """The classifier with a module that gives (n, classes) alone, and with what those numbers are.

    returned   what its module gave for batches of real images; the first says where the classes stand, and all of
               them must look like probabilities for the numbers to be taken as such
    images     how many there were in the first batch
    Raises ModelError where no output can be the classes, or several can.
    """
    rule = classifier.logits or Logits()
    batches = iter(returned)
    first = next(batches)
    place, scores = find_scores(classifier, first, images)
    probabilities = rule.probabilities
    if probabilities is None:
        looks_so = _look_like_chances if rule.sigmoid else are_probabilities
        probabilities = all(looks_so(at(one, place)) for one in chain([first], batches))
    chosen = _chosen(classifier)
    settled = Settled(_name(place) or None, probabilities, exact=rule.probabilities is None and chosen is None)
    plain = not place and chosen is None and scores.ndim == 2 and not rule.sigmoid
    module = classifier.module if plain else ScoresOf(classifier.module, place, chosen, rule.sigmoid, probabilities)
    module.eval()
    return dataclasses.replace(classifier, module=module, logits=None, output=None, settled=settled)


def read_unsettled(classifier: Classifier, returned: Any, images: int) -> torch.Tensor:
    """The logits (n, classes) in what the module returned for a batch, read by itself and never as probabilities."""
    _, scores = find_scores(classifier, returned, images)
    rule = classifier.logits or Logits()
    return columns(scores, _chosen(classifier), rule.sigmoid, False)


def are_probabilities(scores: torch.Tensor) -> bool:
    """Whether each row of (n, d) is made of numbers of at least 0 that sum to 1, but for the rounding of bfloat16."""
    rows = scores.flatten(1).float()
    return bool(len(rows) and (rows >= 0).all() and ((rows.sum(dim=1) - 1).abs() <= SUM_TOLERANCE).all())


def _look_like_chances(scores: torch.Tensor) -> bool:
    """Whether all numbers lie from 0 to 1, as those of a sigmoid do."""
    return bool(scores.numel() and ((scores >= 0) & (scores <= 1)).all())


def are_improbable(scores: torch.Tensor, exact: bool) -> torch.Tensor:
    """Which rows of (n, classes) are no distribution, though the model's first images had one: bool (n,).

    exact   whether a row must sum to 1; where classes were left out, or the entry says so, it need not
    """
    sums = scores.sum(dim=1)
    bad = (scores < _BELOW_ZERO).any(dim=1) | ~(sums > 0)
    return bad | ((sums - 1).abs() > SUM_TOLERANCE) if exact else bad


class ScoresOf(nn.Module):
    """A network whose module returns more than one number per class: float (n, c, h, w) in, (n, classes) out.

    place          where among the outputs the tensor stands
    chosen         the columns that are the classes, in their order; None for all
    sigmoid        whether one number speaks for two classes: it is that of the second
    probabilities  whether that number is its probability rather than its logit
    """

    def __init__(
        self,
        module: nn.Module,
        place: Place = (),
        chosen: Sequence[int] | None = None,
        sigmoid: bool = False,
        probabilities: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.place, self.sigmoid, self.probabilities = place, sigmoid, probabilities
        self.chosen: torch.Tensor | None
        self.register_buffer("chosen", None if chosen is None else torch.tensor(chosen), persistent=False)

    # Types are not checked, also while tests run: tracing a network sends stand-ins for tensors through it.
    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = at(self.module(x), self.place)
        return columns(scores, self.chosen, self.sigmoid, self.probabilities)


@no_type_check
def columns(
    scores: torch.Tensor, chosen: torch.Tensor | Sequence[int] | None, sigmoid: bool, probabilities: bool
) -> torch.Tensor:
    """The tensor that holds the classes as (n, classes): both of a sigmoid, those that are chosen, in their order."""
    scores = scores.flatten(1) if not sigmoid else scores.reshape(-1, 1)
    if sigmoid:
        scores = torch.cat([1 - scores if probabilities else torch.zeros_like(scores), scores], dim=1)
    if chosen is None:
        return scores
    order = chosen if isinstance(chosen, torch.Tensor) else torch.tensor(chosen, device=scores.device)
    return scores.index_select(1, order)


def find_scores(classifier: Classifier, returned: Any, images: int) -> tuple[Place, torch.Tensor]:
    """Where in what the module returned for so many images the classes stand, and the tensor there.

    The output that the entry names; else the only one with a number per class; else, of several, the one called logits.
    """
    where = f"model {classifier.name}"
    if isinstance(returned, torch.Tensor) and classifier.output is None:
        _check_tensor(classifier, returned, images, where)
        return (), returned
    tensors = _tensors(returned)
    if not tensors:
        raise ModelError(
            "the network does not return logits",
            where=where,
            found=type(returned).__name__,
            expected="a tensor (images, classes)",
        )
    if classifier.output is not None:
        tensors = _asked_for(classifier.output, returned, tensors, where)
        if len(tensors) == 1:
            ((place, tensor),) = tensors.items()
            _check_tensor(classifier, tensor, images, where)
            return place, tensor
    fitting = {place: tensor for place, tensor in tensors.items() if _fits(classifier, tensor, images)}
    if len(fitting) > 1 and ("logits",) in fitting:
        fitting = {("logits",): fitting["logits",]}
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    wanted = f"one tensor {_wanted_shape(classifier, images)}"
    if fitting:
        names = [_name(place) for place in fitting]
        raise ModelError(
            "several outputs could be the logits",
            where=where,
            found=_listed(fitting),
            expected=wanted,
            fix=f"choose one, as with output: {names[0]}",
        )
    pixels = any(
        tensor.ndim == 4 and tensor.shape[:2] == (images, _width(classifier)[0]) for tensor in tensors.values()
    )
    raise ModelError(
        "no output has a number per class",
        where=where,
        found=_listed(tensors),
        expected=wanted,
        fix=_PIXELS if pixels else _remedy(None),
    )


def _asked_for(
    output: int | str, returned: Any, tensors: dict[Place, torch.Tensor], where: str
) -> dict[Place, torch.Tensor]:
    """The tensors at or below the output of that name or number."""
    name = str(output)
    numbered = list(_children(returned))
    begin: Place | None = None
    if isinstance(output, int) and not isinstance(returned, torch.Tensor) and output < len(numbered):
        begin = (numbered[output],)
    found = {
        place: tensor
        for place, tensor in tensors.items()
        if _name(place) == name or _name(place).startswith(f"{name}.") or (begin is not None and place[:1] == begin)
    }
    if not found:
        names = list(map(_name, tensors))
        alone = isinstance(returned, torch.Tensor)
        raise ModelError(
            f'the network has no output "{name}"',
            where=where,
            found=f"a single tensor {_shape(returned)}" if alone else _listed(tensors),
            expected=None if alone else f"one of {', '.join(names)}",
            fix="leave output out" if alone else did_you_mean(name, names),
        )
    return found


def _children(value: Any) -> dict[Any, Any]:
    """The parts of a structure by what one calls them: the keys of a dict, the fields of a tuple or object, numbers."""
    if isinstance(value, torch.Tensor):
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return {name: getattr(value, name) for name in names}
    if isinstance(value, tuple | list):
        return dict(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {"logits": getattr(value, "logits")} if hasattr(value, "logits") else {}  # noqa: B009


def at(value: Any, place: Place) -> Any:
    """The part of a structure at a place."""
    for key in place:
        value = value[key] if isinstance(value, Mapping | list) or type(value) is tuple else _part(value, key)
    return value


def _part(value: Any, key: Any) -> Any:
    return value[key] if isinstance(key, int) else getattr(value, key)


def _tensors(value: Any, place: Place = ()) -> dict[Place, torch.Tensor]:
    """All tensors in a structure, by their places."""
    if isinstance(value, torch.Tensor):
        return {place: value}
    return {
        deeper: tensor
        for key, part in _children(value).items()
        for deeper, tensor in _tensors(part, (*place, key)).items()
    }


def _width(classifier: Classifier) -> tuple[int, int | None]:
    """From how many to how many columns the tensor may have."""
    logits, classes = classifier.logits, len(classifier.classes)
    if logits is None:
        return classes, classes
    if logits.sigmoid:
        return 1, 1
    if logits.subset:
        return max(logits.subset) + 1, None
    return classes + len(logits.drop), classes + len(logits.drop)


def _width_words(classifier: Classifier) -> str:
    least, most = _width(classifier)
    return f"{least:,}" if least == most else f"{least:,} or more"


def _wanted_shape(classifier: Classifier, images: int) -> str:
    return f"({images:,}, {_width_words(classifier)})"


def _has_rows(classifier: Classifier, tensor: torch.Tensor, images: int) -> bool:
    """Whether a tensor has a row of numbers per image; sides of 1 at its end, as of a pooled map, do no harm."""
    if tensor.ndim == 1 and classifier.logits is not None and classifier.logits.sigmoid:
        return len(tensor) == images
    return tensor.ndim >= 2 and len(tensor) == images and all(side == 1 for side in tensor.shape[2:])


def _fits(classifier: Classifier, tensor: torch.Tensor, images: int) -> bool:
    least, most = _width(classifier)
    width = 1 if tensor.ndim == 1 else tensor.shape[1] if tensor.ndim else 0
    return _has_rows(classifier, tensor, images) and least <= width and (most is None or width <= most)


def _check_tensor(classifier: Classifier, tensor: torch.Tensor, images: int, where: str) -> None:
    """Refuse a tensor that has not one number per class in each row."""
    if _fits(classifier, tensor, images):
        return
    if not _has_rows(classifier, tensor, images):
        raise ModelError(
            "the network does not return logits",
            where=where,
            found=_shape(tensor),
            expected=f"a tensor {_wanted_shape(classifier, images)}",
            fix=_PIXELS if tensor.ndim == 4 else _remedy(1) if tensor.shape == (images,) else None,
        )
    rule, space, width = classifier.logits or Logits(), classifier.classes, tensor.shape[1]
    named = [name for name in ("drop", "subset", "sigmoid") if getattr(rule, name)]
    if named:
        raise ModelError(
            f"logits.{named[0]} does not fit the network",
            where=where,
            found=counted(width, "output"),
            expected=f"{_width_words(classifier)}, for the {len(space):,} classes of {space.name}",
        )
    background = "one too many is often a background class put first: drop it with logits: {drop: 0}"
    raise ModelError(
        "unexpected number of outputs",
        where=where,
        found=counted(width, "output"),
        expected=f"{len(space):,}, one per class of {space.name}",
        fix=background if width == len(space) + 1 else _remedy(width),
    )


_PIXELS = "a number per class and pixel, as in segmentation, is none per image; the network needs a pooled head"


def _remedy(outputs: int | None) -> str:
    if outputs == 1:
        return "one output for two classes is read with logits: {sigmoid: true}, as the score of the second class"
    return "check the label space in classes:, and the arguments that make the network"


def _listed(tensors: Mapping[Place, torch.Tensor], most: int = 6) -> str:
    words = [f"{_name(place)}: {_shape(tensor)}" for place, tensor in tensors.items()]
    return name_some(words, most)


def _name(place: Place) -> str:
    return ".".join(map(str, place))


def _shape(tensor: torch.Tensor) -> str:
    return str(tuple(tensor.shape))


def _chosen(classifier: Classifier) -> list[int] | None:
    """The columns that are the classes; None where all are, in their order."""
    logits = classifier.logits
    if logits is None or not (logits.subset or logits.drop):
        return None
    if logits.subset:
        return list(logits.subset)
    outputs = len(classifier.classes) + len(logits.drop)
    return [output for output in range(outputs) if output not in logits.drop]


def check_rule(logits: Logits, space: ClassSpace, where: str) -> None:
    """Raise ModelError where an entry's `logits` cannot give a number for each class of the label space."""
    if logits.sigmoid and len(space) != 2:
        raise ModelError(
            "logits.sigmoid is for two classes",
            where=where,
            found=f"{len(space):,} classes of {space.name}",
            expected="a label space of two classes: the output is that of the second",
        )
    if logits.subset and len(logits.subset) != len(space):
        raise ModelError(
            "logits.subset does not name an output for each class",
            where=where,
            found=counted(len(logits.subset), "output"),
            expected=f"{len(space):,}, one per class of {space.name}, in its order",
        )
    outputs = len(space) + len(logits.drop)
    if logits.drop and max(logits.drop) >= outputs:
        raise ModelError(
            "logits.drop names an output that does not exist",
            where=where,
            found=max(logits.drop),
            expected=f"0 to {outputs - 1:,}: {len(space):,} classes of {space.name} and {len(logits.drop)} to drop",
        )
