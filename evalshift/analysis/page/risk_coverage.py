"""Risk–coverage curves: the error rate of each model on its most confident images, on either set."""

from evalshift.analysis.page.chart import Chart
from evalshift.analysis.page.model_curves import HEIGHT, WIDEST, curve_views
from evalshift.analysis.page.words import counted
from evalshift.analysis.plot_data.risk_coverage import risk_coverage_curves
from evalshift.analysis.summary import MetricSummary


def risk_coverage_chart(metric: MetricSummary) -> Chart | None:
    """One diagram per set; None where no model has probabilities on both sets."""
    curves = risk_coverage_curves(metric)
    if curves is None:
        return None
    sides, models = curves.sides, len(curves.titles)
    mean = "" if models == 1 else f" (means over {counted(models, 'model')})"
    return Chart(
        key="risk_coverage",
        title="Selective prediction",
        result=f"Area under the risk–coverage curve: original set, {sides['original'].words}; new set, "
        f"{sides['new'].words}{mean}.",
        caption="Error rate on the images that a model is most confident on, against their share (coverage): a thin "
        "line per model, a thick one for their mean. At 100 % it is one minus the accuracy. A model that knows where "
        "it errs has a low curve that rises late.",
        views=curve_views(curves, ("Coverage (%)", "Error rate (%)")),
        height=HEIGHT,
        widest=WIDEST,
    )
