"""Array aliases: the shapes and types that cross from one module to the next.

n images of h × w pixels in c channels, d classes, top k predictions, m models. Annotations are checked while the tests
run (pytest --jaxtyping-packages=evalshift,beartype.beartype). Otherwise nobody reads them, and jaxtyping, which takes
as long to import as numpy, is left out: an annotation then says only that it is an array.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Float32, Int, Int32, Int64, UInt8
else:

    class _AnyArray:
        def __class_getitem__(cls, array_and_shape: tuple[Any, str]) -> Any:
            return array_and_shape[0]

    Bool = Float = Float32 = Int = Int32 = Int64 = UInt8 = _AnyArray

Images = UInt8[np.ndarray, "n h w c"]
Labels = Int64[np.ndarray, " n"]
Top = Int32[np.ndarray, "n k"]
Prob = Float32[np.ndarray, " n"]
Counts = Int[np.ndarray, " m"]
Accuracies = Float[np.ndarray, " m"]
Correct = Bool[np.ndarray, "m n"]

__all__ = [
    "Accuracies",
    "Bool",
    "Correct",
    "Counts",
    "Float",
    "Float32",
    "Images",
    "Int",
    "Int32",
    "Int64",
    "Labels",
    "Prob",
    "Top",
    "UInt8",
]
