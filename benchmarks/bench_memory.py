"""Peak memory of a run, as the number of images grows: it is that of the network, whatever the dataset.

python benchmarks/bench_memory.py [IMAGES ...]

Real photographs, linked so often that they make the numbers of files asked for (default 1,000 and 8,000), with a small
network, each run in a process of its own: from the cache on disk, and streamed. 50,000 images differ from 8,000 in the
length of two lists (names and labels, 20 MB) alone. Needs the folder that EVALSHIFT_TEST_DATA names.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
COUNTS = [int(text) for text in sys.argv[1:]] or [1_000, 8_000]
REGISTRY = """
datasets:
  photographs: {source: folder, path: photographs, classes: imagenet-1k}
  few: {source: folder, path: few, classes: imagenet-1k}
models:
  one: &one
    source: python
    function: network.py:network
    classes: imagenet-1k
    preprocess: {resize: 256, crop: 224}
  two: *one
"""
# A network that costs next to nothing: its memory is not what is measured.
NETWORK = """
from torch import nn

def network():
    return nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3 * 7 * 7, 1000))
"""
PROGRAM = """
import resource, sys
from evalshift import run
if sys.argv[1] == "imports":
    import evalshift.evaluate.evaluation
else:
    run("registry.yaml", ["few:photographs"], results="results", device="cpu", cache_size=sys.argv[1],
        cache_dir="cache", force=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(folder: Path, cache_size: str) -> float:
    """GiB that a process took at most."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, cache_size], cwd=folder, check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024**2


def main() -> None:
    paths = sorted((DATA / "imagenet-samples").glob("*/*.JPEG"))
    if not paths:
        sys.exit(f"no photographs in {DATA}; name the folder with EVALSHIFT_TEST_DATA")
    print(f"{'images':>8}{'pixels':>10}{'imports':>10}{'cache on disk':>16}{'streamed':>10}   peak memory")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for number in range(count):
                path = paths[number % len(paths)]
                for part in ("photographs", "few")[: 2 if number < 8 else 1]:
                    (folder / part / path.parent.name).mkdir(parents=True, exist_ok=True)
                    (folder / part / path.parent.name / f"{number:06d}.JPEG").symlink_to(path)
            (folder / "registry.yaml").write_text(REGISTRY)
            (folder / "network.py").write_text(NETWORK)
            peaks = [peak(folder, size) for size in ("imports", "20GB", "0")]
        shown = "".join(f"{one:>{width}.2f}" for one, width in zip(peaks, (10, 16, 10), strict=True))
        print(f"{count:>8,}{count * 224 * 224 * 3 / 1024**3:>10.2f}{shown}   GiB")


if __name__ == "__main__":
    main()
