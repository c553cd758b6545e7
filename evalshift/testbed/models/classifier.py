"""A network ready to answer, and what each source gives towards it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.preprocessing import Preprocess


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network ready to answer, and what it wants to see.

    module      float (n, c, h, w) in, logits (n, classes) out; in eval mode, on the CPU
    checkpoint_sha256  of the weights file; None when only code knows where the weights came from
    versions    of the libraries that built it
    """

    name: str
    module: nn.Module
    preprocess: Preprocess
    classes: ClassSpace
    checkpoint_sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Built:
    """What a source gives.

    module      which may turn out to be no network, where someone else's code made it
    preprocess  what the source says of it; None when it says nothing
    """

    module: Any
    preprocess: Preprocess | None = None
    sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
