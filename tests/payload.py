"""An object whose pickle runs code: what is forged in checkpoints, arrays, batches and programs."""

import os
from pathlib import Path
from typing import Any


class Payload:
    """Makes a folder when it is unpickled, by which tests see that it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)
