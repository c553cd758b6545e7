"""Array aliases: the shapes and types that cross from one module to the next.

n images of h × w pixels in c channels, d classes, top k predictions, m models. Annotations are checked while the tests
run (pytest --jaxtyping-packages=evalshift,beartype.beartype) and cost nothing otherwise.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32, Int64, UInt8

Images = UInt8[np.ndarray, "n h w c"]
Labels = Int64[np.ndarray, " n"]
Top = Int32[np.ndarray, "n k"]
Prob = Float32[np.ndarray, " n"]
Counts = Int[np.ndarray, " m"]
Accuracies = Float[np.ndarray, " m"]
Correct = Bool[np.ndarray, "m n"]

__all__ = ["Accuracies", "Correct", "Counts", "Images", "Labels", "Prob", "Top"]
