"""What the processes that draw figures are sent: what figures show, and little else."""

import io
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from evalshift.analysis.plot_data.agreement import agreement_plot
from evalshift.analysis.plot_data.classes import class_plot
from evalshift.analysis.plot_data.decomposition import decomposition_plot
from evalshift.analysis.plot_data.drawn_part import drawn_part
from evalshift.analysis.plot_data.ranks import rank_plot
from evalshift.analysis.plot_data.reliability import reliability_curves
from evalshift.analysis.plot_data.risk_coverage import risk_coverage_curves
from evalshift.analysis.plot_data.robustness import robustness_plot
from evalshift.analysis.plot_data.scatter import scatter_plot
from evalshift.analysis.summary import MetricSummary, Summary
from evalshift.analysis.summary.stored import summarize

PLOTS: dict[str, Callable[[MetricSummary], object]] = {
    "agreement": lambda metric: agreement_plot(metric, 9),
    "classes": lambda metric: class_plot(metric, 9),
    "decomposition": decomposition_plot,
    "ranks": lambda metric: rank_plot(metric, 9),
    "reliability": reliability_curves,
    "risk_coverage": risk_coverage_curves,
    "robustness": robustness_plot,
    "scatter": lambda metric: scatter_plot(metric, "probit"),
}


@pytest.fixture(scope="module")
def whole(kept_letters) -> Summary:
    return summarize(kept_letters.results, resamples=50)


class Matrices(pickle.Pickler):
    """Counts the matrices of every model against every other in what is pickled."""

    def __init__(self, models: int) -> None:
        super().__init__(io.BytesIO())
        self._shape, self.found = (models, models), 0

    def persistent_id(self, obj: object) -> None:
        self.found += isinstance(obj, np.ndarray) and obj.shape == self._shape


def matrices(summary: Summary) -> int:
    pickler = Matrices(3)
    pickler.dump(summary)
    return pickler.found


@pytest.mark.parametrize("metric, undefined", [("top1", set()), ("top5", {"reliability", "risk_coverage"})])
def test_figures_show_the_same(whole: Summary, metric: str, undefined: set[str]):
    before, after = (
        {name: plot(summary.pairs[0].metrics[metric]) for name, plot in PLOTS.items()}
        for summary in (whole, drawn_part(whole))
    )

    # Three models are too few for effective robustness.
    assert {name for name, shown in before.items() if shown is None} == {"robustness"} | undefined
    assert {name: pickle.dumps(shown) for name, shown in after.items()} == {
        name: pickle.dumps(shown) for name, shown in before.items()
    }


def test_of_all_matrices_of_models_those_of_agreement_are_left(whole: Summary):
    # By either metric on either set: the agreement and κ of top-1, κ alone of top-5.
    assert matrices(drawn_part(whole)) == 6
    assert matrices(whole) > 50
