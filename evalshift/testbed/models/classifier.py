"""A network that is ready to predict, and what each source contributes to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entry import Logits
from evalshift.testbed.preprocessing import Preprocess


@dataclass(frozen=True)
class Settled:
    """What the outputs of a network turned out to be; see evalshift.testbed.models.outputs.

    output         the name of the output that was taken; None where the network gives a single tensor
    probabilities  whether they are probabilities already, as after a softmax, rather than logits
    exact          whether probabilities must sum to 1; not where some were dropped, or the entry says what they are
    """

    output: str | None = None
    probabilities: bool = False
    exact: bool = True


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network ready to run, and what it wants to see.

    module      float (n, c, h, w) in, logits (n, classes) out; in eval mode, on the CPU
    checkpoint_sha256  of the weights file; None when only code knows where the weights came from
    versions    of the libraries that built it
    output      which of several outputs holds the classes, as the entry says; None finds it by its shape
    logits      which of its numbers are the classes, and what they are, as the entry says
    settled     what was decided on real images; the module then gives (n, classes) alone. None before that
    left_out    names of tensors in the checkpoint that the entry says are not the network's
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    classes: ClassSpace
    checkpoint_sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    output: int | str | None = None
    logits: Logits | None = None
    settled: Settled | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Built:
    """What a source gives.

    module        which may turn out to be no network, where someone else's code made it
    preprocess    what the source says of it; None when it says nothing
    takes_output  whether the module gives nothing but the output that the entry names, where it names one
    """

    module: Any
    preprocess: Preprocess | None = None
    sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    takes_output: bool = False
    left_out: tuple[str, ...] = ()
