"""The same credits as PyPI marketing-attribution-models gives, which solves the chain and weighs the sets by code of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from revenue_engine.attribution.data_driven import Credits, Paths, markov, removal_effects, shapley
from tests.attribution.test_golden import SMALL, paths_of

CHANNELS = "ABC"


@pytest.fixture(scope="module")
def frame() -> Any:
    """The small fixture in the package's own form: one row for a path's conversions, one for its journeys without."""
    pl = import_module("polars")
    rows = [(path, True, count, value / count) for path, count, value, _ in SMALL if count]
    rows += [(path, False, nulls, 0.0) for path, _, _, nulls in SMALL]
    columns = {
        "journey_id": [str(number) for number in range(len(rows))],
        "channels": pl.Series([list(path) for path, *_ in rows], dtype=pl.List(pl.Categorical)),
        "time_till_conv": pl.Series([[None] * len(path) for path, *_ in rows], dtype=pl.List(pl.Float64)),
        "has_conversion": [converts for _, converts, _, _ in rows],
        "weight": [count for _, _, count, _ in rows],
        "conversion_value": [value for *_, value in rows],
    }
    return pl.DataFrame(columns)


def ours() -> Paths:
    return paths_of(SMALL)[1]


def credit(model: Any, frame: Any) -> list[float]:
    got = model.get_aggregated_results(frame)
    by_name = dict(zip(got["channels"].to_list(), got["attribution"].to_list(), strict=True))
    return [by_name[channel] for channel in CHANNELS]


def test_removal_effects_are_those_of_its_markov_chain(frame: Any) -> None:
    model = import_module("mam.models.markov").MarkovModel(transition_to_same_state=True)
    model.calculate(frame)
    assert model.removal_effect_df["removal_effect"].to_list() == pytest.approx(removal_effects(ours()).tolist(), abs=1e-9)


def test_shapley_credits_are_its_values_by_conversion_rate(frame: Any) -> None:
    model = import_module("mam.models.shapley").ShapleyModel(max_size=None, value_column="conv_rate")
    got: Credits = shapley(ours())
    assert credit(model, frame) == pytest.approx(got.value.tolist(), abs=1e-9)
    assert got.conversions.sum() == pytest.approx(markov(ours()).conversions.sum(), abs=1e-9)
