"""How the time of a run went: decoding, networks, storing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from evalshift.formatting import duration

# Runs that are over sooner leave nothing to say.
WORTH_SAYING_SECONDS = 2.0


@dataclass
class TimeSpent:
    """Seconds of a run, by what they were spent on.

    decode   waiting for images to be decoded, resized and cropped; on a GPU, which computes meanwhile, the rest of that
    forward  networks at work, with their copies to the device
    store    writing predictions
    """

    decode: float = 0.0
    forward: float = 0.0
    store: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Count the block as storing."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.store += time.perf_counter() - began

    def line(self, decoded: int, now: float | None = None) -> str | None:
        """How the time went, in one line; None for a run that was over in no time.

        decoded   how many images were decoded
        """
        total = (time.perf_counter() if now is None else now) - self.started
        if total < WORTH_SAYING_SECONDS:
            return None
        images = f"{decoded:,} image{'' if decoded == 1 else 's'}"
        other = max(0.0, total - self.decode - self.forward - self.store)
        parts = (
            f"decode {duration(self.decode)} ({images})",
            f"forward {duration(self.forward)}",
            f"store {duration(self.store)}",
            f"loading models and choosing batches {duration(other)}",
        )
        return f"time      {duration(total)}: {', '.join(parts)}"
