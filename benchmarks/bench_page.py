"""The page of 67 ImageNet models from the released predictions: how long it takes to make, how large it is, how soon it
can be used; and whether 1,500 models are sorted and filtered without a pause.

    python benchmarks/bench_page.py [FOLDER]

FOLDER holds the predictions as the authors released them (default: ../shared/data/imagenetv2-predictions). Prints
seconds of wall time; run it while nothing else keeps the processor busy. What making the page of 1,500 models took of
the processor, which depends less on that, and of memory is compared with the most that it may.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.report import Report, report
from evalshift.analysis.summary import Summary, summarize_outcomes

MOST_SECONDS, MOST_GIGABYTES = 15, 1
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    released = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared" / "data" / "imagenetv2-predictions")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        time_long(folder)  # first, as memory at its peak is that of all so far
        if released.is_dir():
            time_imagenet(released, folder)
        else:
            print(f"the released predictions are not in {released}")


def time_imagenet(released: Path, folder: Path) -> None:
    from evalshift import import_released

    import_released("recht2019-imagenet", folder / "results", released)
    begin = time.perf_counter()
    made = report(folder / "results", scale="probit")
    computed = time.perf_counter()
    page = made.save(folder / "imagenet", "html")
    written = time.perf_counter()
    print(f"67 models  statistics {computed - begin:.1f} s, page {written - computed:.1f} s, {size(page)}")
    open_page(page)


def time_long(folder: Path, models: int = 1500) -> None:
    rng = np.random.default_rng(0)
    accuracy = np.sort(rng.uniform(0.5, 0.9, models))[::-1]
    names = tuple(f"model_{number:04d}" for number in range(models))
    outcomes = Outcomes(
        original="imagenet",
        new="imagenet-new",
        metric="top1",
        models=names,
        original_correct=rng.binomial(50_000, accuracy),
        new_correct=rng.binomial(10_000, accuracy - 0.1),
        original_total=50_000,
        new_total=10_000,
        attributes={name: {"family": f"family {place % 30}"} for place, name in enumerate(names)},
    )
    begin, used = time.perf_counter(), time.process_time()
    pair = summarize_outcomes({"top1": outcomes}, scale="probit")
    computed = time.perf_counter()
    page = Report(Summary((pair,), "probit", "top1", 0.95, 100_000, 0, "", "")).save(folder / "long", "html")
    written = time.perf_counter()
    used = time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{models:,} models  statistics {computed - begin:.1f} s, page {written - computed:.1f} s, {size(page)}")
    print(f"  {used:.1f} s of the processor, memory at its peak {peak:.2f} GB")
    open_page(page)
    assert used < MOST_SECONDS, f"{used:.1f} s of the processor; at most {MOST_SECONDS}"
    assert peak < MOST_GIGABYTES, f"{peak:.2f} GB; at most {MOST_GIGABYTES}"


def size(page: Path) -> str:
    return f"{page.stat().st_size / 1e6:.1f} MB"


def open_page(page: Path) -> None:
    from browser import Opened, browser

    with browser() as started:
        begin = time.perf_counter()
        opened = Opened(started, page)
        ready = time.perf_counter()
        opened.see("#p1-top1-chart-scatter")
        print(f"  usable after {ready - begin:.2f} s, scatter drawn after {time.perf_counter() - begin:.2f} s")
        search = "document.querySelector('#p1-top1-search')"
        for words, act in (
            ("sort", "document.querySelectorAll('#p1-top1 .models thead button')[4].click()"),
            ("scroll", "document.querySelector('#p1-top1 .models').scrollTop = 1e6"),
            ("filter", f"{search}.value = '9'; {search}.dispatchEvent(new Event('input'))"),
            ("scale", "document.querySelector('#p1-top1-figure [data-view=logit]').click()"),
        ):
            milliseconds = opened.run(
                f"""async () => {{ const begin = performance.now(); {act};
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                return performance.now() - begin; }}"""
            )
            print(f"  {words} {milliseconds:.0f} ms")


if __name__ == "__main__":
    main()
