"""Export: every objective and way of missing as LightGBM has it; what the tables cannot hold is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.booster import NotExportable
from revenue_engine.learning.export import export
from revenue_engine.prediction.scorer import Scorer, chosen
from revenue_engine.prediction.tables import TreeTables
from tests.boosters import OFFER, SUBSCRIBER, Written, drawn, lightgbm, odd_values, reference, trained, written


def exported(booster: object) -> TreeTables:
    return export(booster, subscriber=SUBSCRIBER, offer=OFFER)  # type: ignore[arg-type]


def refused(booster: object) -> str:
    with pytest.raises(NotExportable) as caught:
        exported(booster)
    return str(caught.value)


@pytest.mark.parametrize("missing", [{}, {"use_missing": False}, {"zero_as_missing": True}])
@pytest.mark.parametrize(
    ("objective", "link"),
    [("binary", "sigmoid"), ("gamma", "exp"), ("poisson", "exp"), ("tweedie", "exp"), ("regression", "identity")],
)
def test_every_objective_is_scored_as_lightgbm_does(objective: str, link: str, missing: dict[str, bool]) -> None:
    booster = trained(objective, missing)
    tables = exported(booster)
    luck = np.random.default_rng(2)
    people, offers = drawn(luck, 300, len(SUBSCRIBER)), drawn(luck, 9, len(OFFER))
    people[:30] = odd_values(luck, 30, len(SUBSCRIBER))
    raw = Scorer(tables, offers).raw(people)
    assert raw == pytest.approx(reference(booster, people, offers), abs=1e-7)
    assert tables.predicted(raw) == pytest.approx(reference(booster, people, offers, raw=False), rel=1e-6)
    assert (tables.objective, tables.link, tables.trees) == (objective, link, 20)


def test_a_sigmoids_slope_is_kept() -> None:
    booster = trained("binary", {"sigmoid": 2.5})
    people, offers = (drawn(np.random.default_rng(3), 40, len(names)) for names in (SUBSCRIBER, OFFER))
    tables = exported(booster)
    assert tables.predicted(Scorer(tables, offers).raw(people)) == pytest.approx(
        reference(booster, people, offers, raw=False), abs=1e-7
    )


def test_many_pairs_choose_the_same_offer_in_single_and_double_precision() -> None:
    booster = trained("binary", {"num_leaves": 31}, trees=120)
    luck = np.random.default_rng(4)
    people, offers = drawn(luck, 3_000, len(SUBSCRIBER)), drawn(luck, 20, len(OFFER))
    for rows, columns in ((people, offers), (people.astype(np.float32), offers.astype(np.float32))):
        raw, truth = Scorer(exported(booster), columns).raw(rows), reference(booster, rows, columns)
        assert np.abs(raw - truth).max() < 1e-7
        best_two = np.sort(truth, axis=1)[:, -2:]
        apart = best_two[:, 1] - best_two[:, 0] > 1e-5
        assert apart.mean() > 0.9
        assert (chosen(raw) == truth.argmax(axis=1))[apart].all()


def test_features_may_come_in_any_order_and_beside_others() -> None:
    booster = trained("regression", names=("rate", "unread", "age"))
    tables = export(booster, subscriber=("unread", "unknown_to_it", "age"), offer=("payout", "rate"))
    luck = np.random.default_rng(5)
    people, offers = drawn(luck, 50, 3), drawn(luck, 4, 2)
    pairs = [[offer[1], person[0], person[2]] for person in people for offer in offers]
    truth = np.asarray(booster.predict(np.array(pairs), raw_score=True)).reshape(50, 4)
    assert Scorer(tables, offers).raw(people) == pytest.approx(truth, abs=1e-7)


def test_early_stopping_keeps_the_best_iteration() -> None:
    booster = trained("regression", trees=30)
    booster.best_iteration = 7
    tables = exported(booster)
    people, offers = (drawn(np.random.default_rng(6), 20, len(names)) for names in (SUBSCRIBER, OFFER))
    assert tables.trees == 7
    assert Scorer(tables, offers).raw(people) == pytest.approx(reference(booster, people, offers), abs=1e-7)


def test_what_was_trained_the_same_way_has_the_same_version() -> None:
    first, again, other = (exported(trained("binary", seed=seed)).version for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("objective", "settings", "reason"),
    [
        ("multiclass", {"num_class": 3}, "multi_class"),
        ("regression", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ("regression", {"linear_tree": True}, "linear_tree: tree 0"),
        ("regression", {"reg_sqrt": True}, "objective: regression sqrt"),
        ("quantile", {}, "objective: quantile"),
    ],
)
def test_a_model_of_another_kind_is_refused(objective: str, settings: dict[str, object], reason: str) -> None:
    assert refused(trained(objective, settings, rows=500, trees=3)).startswith(reason)


def test_categories_are_refused() -> None:
    codes = np.random.default_rng(9).integers(0, 9, (500, 1)).astype(np.float64)
    data = lightgbm().Dataset(codes, codes[:, 0] % 2, feature_name=["category"], categorical_feature=["category"])
    assert (
        refused(lightgbm().train({"objective": "binary", "verbose": -1}, data, 1))
        == "categorical_split: tree 0: feature category"
    )


def test_an_objective_of_ones_own_is_refused() -> None:
    data = lightgbm().Dataset(np.arange(60.0)[:, None], np.arange(60.0), feature_name=["age"])
    settings = {"objective": lambda scores, rows: (scores - rows.get_label(), np.ones_like(scores)), "verbose": -1}
    assert refused(lightgbm().train(settings, data, 1)) == "objective: none"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version=v4", "version=v5", "format: v5, read is v4"),
        ("threshold=", "threshold=nan ", "not_finite: tree 0: feature "),
        ("leaf_value=", "leaf_value=inf ", "not_finite: tree 0: a leaf"),
        ("decision_type=", "decision_type=12 ", "missing_type: tree 0: feature "),
        ("decision_type=", "decision_type=17 ", "categorical_split: tree 0: feature "),
        ("decision_type=", "decision_type=34 ", "missing_type: tree 0: feature "),
        ("feature_names=age", "feature_names=height", "unknown_feature: height"),
        (r"leaf_value=\S+", "leaf_value=1e12", "too_coarse: 1 trees whose largest leaves add up to 1e+12"),
    ],
)
def test_a_text_that_cannot_be_held_is_refused_by_name(old: str, new: str, message: str) -> None:
    text = written(np.random.default_rng(7), trees=1, most_leaves=8, features=range(7))
    assert exported(text).trees == 1
    assert refused(text.replaced(old, new)).startswith(message)


def test_a_column_of_both_sides_and_a_model_without_trees_are_refused() -> None:
    text = written(np.random.default_rng(8), trees=1, most_leaves=8, features=range(7))
    with pytest.raises(NotExportable, match="ambiguous_feature: age"):
        export(text, subscriber=SUBSCRIBER, offer=(*OFFER, "age"))
    assert refused(Written(text.text.partition("\nTree=")[0])) == "no_trees"
