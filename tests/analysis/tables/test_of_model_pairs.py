"""The table of every model against every other."""

import numpy as np
import pytest

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.tables import of_model_pairs


@pytest.fixture(scope="module")
def many() -> tuple[dict[str, Outcomes], tuple[ImagePredictions, ImagePredictions]]:
    """Four models on 20 and 20 images."""
    rng, models = np.random.default_rng(0), tuple(f"model-{place}" for place in range(4))
    labels = rng.integers(0, 3, 20)
    original, new = (
        ImagePredictions(
            name,
            models,
            rng.integers(0, 3, (len(models), 20, 1)).astype(np.int8),
            labels,
            tuple(f"{image}" for image in range(20)),
            ("a", "b", "c"),
        )
        for name in ("old", "new")
    )
    first, second = (side.correct().sum(axis=1) for side in (original, new))
    return {"top1": Outcomes("old", "new", "top1", models, first, second, 20, 20, {})}, (original, new)


def test_of_many_models_it_is_made_only_where_it_is_asked_for(many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_model_pairs, "MOST_MODELS", 3)
    outcomes, predictions = many
    found = summarize_outcomes(outcomes, predictions=predictions, resamples=0).metrics["top1"]
    assert "pairs" not in found.tables
    assert found.missing["pairs"] == "of more than 3 models it is made only when asked for (`include`)"
    asked = summarize_outcomes(outcomes, predictions=predictions, resamples=0, include="pairs").metrics["top1"]
    assert len(asked.tables["pairs"].frame) == 6
