"""evalshift: how far image classifiers fall from a test set to its replication, with confidence intervals, and why.

    import evalshift as es

    results = es.run(pairs=["digits:digits-new-writers"])
    report = es.report(results, scale="probit")
    report.fit.slope, report.table
    es.compare(results, "digits-cnn-4-8", "digits-ridge").verdict
    es.figures.save(report.draw("scatter"), "scatter.pdf")

Names are imported when they are first used, so that `import evalshift` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from evalshift._version import __version__ as __version__

if TYPE_CHECKING:
    from evalshift.analysis import figures
    from evalshift.analysis.comparison.compute import compare
    from evalshift.analysis.comparison.records import Comparison
    from evalshift.analysis.report import Report, report
    from evalshift.errors import EvalshiftError
    from evalshift.evaluate.combinations import combine
    from evalshift.evaluate.importers.predictions import import_predictions
    from evalshift.evaluate.importers.released import import_released
    from evalshift.evaluate.importers.tables import import_table
    from evalshift.evaluate.own_network import predict
    from evalshift.evaluate.predictions import Predictions
    from evalshift.evaluate.run import run
    from evalshift.evaluate.store import Results
    from evalshift.testbed.pixels import pixel_statistics
    from evalshift.testbed.preprocessing import Preprocess
    from evalshift.testbed.registry_reading import load_registry

__all__ = [
    "Comparison",
    "EvalshiftError",
    "Predictions",
    "Preprocess",
    "Report",
    "Results",
    "combine",
    "compare",
    "figures",
    "import_predictions",
    "import_released",
    "import_table",
    "load_registry",
    "pixel_statistics",
    "predict",
    "report",
    "run",
]

_HOMES = {
    "Comparison": "evalshift.analysis.comparison.records",
    "combine": "evalshift.evaluate.combinations",
    "compare": "evalshift.analysis.comparison.compute",
    "EvalshiftError": "evalshift.errors",
    "Predictions": "evalshift.evaluate.predictions",
    "Preprocess": "evalshift.testbed.preprocessing",
    "Report": "evalshift.analysis.report",
    "Results": "evalshift.evaluate.store",
    "import_predictions": "evalshift.evaluate.importers.predictions",
    "import_released": "evalshift.evaluate.importers.released",
    "import_table": "evalshift.evaluate.importers.tables",
    "load_registry": "evalshift.testbed.registry_reading",
    "pixel_statistics": "evalshift.testbed.pixels",
    "predict": "evalshift.evaluate.own_network",
    "report": "evalshift.analysis.report",
    "run": "evalshift.evaluate.run",
}
_MODULES = {"figures": "evalshift.analysis.figures"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evalshift' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
