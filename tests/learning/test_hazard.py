"""Fitting hazards: lifelines' own answers, known truths, and what happens to covariates that cannot be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, CoxTimeVaryingFitter
from lifelines.datasets import load_rossi
from lifelines.exceptions import ConvergenceError
from lifelines.statistics import proportional_hazard_test

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.learning import cox
from revenue_engine.learning.cox import Cox, concordance, fit_cox, frame, penalizer
from revenue_engine.learning.exposures import Exposures
from revenue_engine.learning.hazard import export, fit_hazard, proportionality
from revenue_engine.value.survival import survival


def rossi() -> Exposures:
    """432 released prisoners, weeks to their next arrest (Rossi, Berk and Lenihan 1980)."""
    table = load_rossi()
    names = ("fin", "age", "race", "wexp", "mar", "paro", "prio")
    x = table[list(names)].to_numpy(dtype=np.float64)
    return Exposures(
        np.zeros(len(table)), table["week"].to_numpy(dtype=np.float64), table["arrest"].to_numpy(dtype=bool), x, names
    )


def drawn(n: int, seed: int, *, effect: float = 0.7, changes: float = 1.0, steps: int = 50) -> Exposures:
    """Exponential lives, seen in steps of the clock: 0/1 `trait` and normal `size` with known effects; from clock 0.5 on that of
    `trait` counts `changes` times."""
    random = np.random.default_rng(seed)
    x = np.stack([(random.random(n) < 0.4).astype(np.float64), random.normal(size=n)], axis=1)
    early, late = np.exp(x @ [effect, -0.5]), np.exp(x @ [changes * effect, -0.5])
    spent = random.exponential(1.0, n)
    life = np.where(spent < 0.5 * early, spent / early, 0.5 + (spent - 0.5 * early) / late)
    censored = 2 * random.random(n) + 0.01
    stop = np.ceil(np.minimum(life, censored) * steps) / steps
    return Exposures(np.zeros(n), stop, life <= censored, x, ("trait", "size"))


def test_the_textbook_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a penalty, as printed for these data by R's survival package (Efron)."""
    monkeypatch.setattr(cox, "LADDER", ((0.0, 0.95),))
    rows = rossi()
    assert fit_cox(rows, range(7)).coefficients == pytest.approx(
        [-0.3794, -0.0574, 0.3139, -0.1498, -0.4337, -0.0849, 0.0915], abs=1e-4
    )


def test_numpy_serves_what_lifelines_fitted() -> None:
    rows = rossi()
    columns = list(range(7))
    table = frame(rows, columns)
    fitter = CoxTimeVaryingFitter(penalizer=penalizer(rows, 0.01)).fit(table, "event", "start", "stop")
    served = export(rows, columns, fit_cox(rows, columns).coefficients)
    weeks = np.asarray(fitter.baseline_cumulative_hazard_.index, dtype=np.float64)
    theirs = np.exp(-np.outer(fitter.predict_partial_hazard(table), fitter.baseline_cumulative_hazard_.to_numpy()[:, 0]))
    ours = survival(served, rows.covariates[:, None, :], np.zeros((432, 1)), weeks[None, :])
    assert np.abs(ours - theirs).max() < 1e-9


def test_rows_that_start_late_and_change_are_served_alike() -> None:
    """The same lives cut in two: nothing may change, in lifelines or here."""
    rows = rossi()
    cut = np.minimum(rows.stop, 20.0)
    long = rows.stop > 20.0
    halves = Exposures(
        np.concatenate([rows.start, np.full(long.sum(), 20.0)]),
        np.concatenate([cut, rows.stop[long]]),
        np.concatenate([rows.left & ~long, rows.left[long]]),
        np.concatenate([rows.covariates, rows.covariates[long]]),
        rows.names,
    )
    whole = fit_cox(rows, range(7)).coefficients
    assert fit_cox(halves, range(7)).coefficients == pytest.approx(whole, abs=5e-3)
    one, two = export(rows, range(7), whole), export(halves, range(7), whole)
    clock = np.array([[10.0, 30.0, 52.0]])
    gone = [survival(served, rows.covariates[:5, None, :], np.zeros((5, 1)), clock) for served in (one, two)]
    assert gone[0] == pytest.approx(gone[1], abs=1e-12)


def test_known_effects_and_survival_come_back() -> None:
    rows = drawn(20_000, 1)
    fit = fit_hazard(rows)
    assert fit.hazard.coefficients == pytest.approx([0.7, -0.5], abs=0.05)
    assert fit.dropped == {} and fit.stratified == () and fit.rung == 0
    people = np.array([[1.0, 0.0], [0.0, 1.0]])
    truth = np.exp(-np.exp(people @ [0.7, -0.5]) * 1.0)
    assert survival(fit.hazard, people, np.zeros(2), np.ones(2)) == pytest.approx(truth, abs=0.015)
    beyond = survival(fit.hazard, people, np.full(2, 5.0), np.full(2, 6.0))
    assert beyond == pytest.approx(truth, abs=0.03)  # the truth is constant, so the last quarter's hazard is right


def test_proportionality_is_lifelines_own_test() -> None:
    """No two exits at one clock, so ranks are the same; β and its variance from lifelines, too."""
    rows = drawn(400, 3, changes=-1.0, steps=10**9)
    table = pd.DataFrame(rows.covariates, columns=list(rows.names)).assign(stop=rows.stop, event=rows.left).sort_values("stop")
    fitter = CoxPHFitter().fit(table, "stop", "event")
    theirs = proportional_hazard_test(fitter, table, time_transform="rank")
    fitted = Cox(np.asarray(fitter.params_, dtype=np.float64), np.asarray(fitter.variance_matrix_, dtype=np.float64), 0.0, 0)
    assert proportionality(rows, [0, 1], fitted) == pytest.approx(theirs.p_value, rel=1e-6)


def test_an_effect_that_changes_gets_baselines_of_its_own() -> None:
    rows = drawn(20_000, 4, effect=1.0, changes=-0.5)
    fit = fit_hazard(rows)
    assert fit.stratified == ("trait",) and "trait" not in fit.not_proportional
    assert fit.hazard.coefficients[0] == 0.0 and fit.hazard.coefficients[1] == pytest.approx(-0.5, abs=0.05)
    assert "trait" in fit_hazard(rows, stratify=False).not_proportional
    alone = Exposures(rows.start, rows.stop, rows.left, rows.covariates[:, :1], ("trait",))
    assert fit_hazard(alone).stratified == ()
    people = np.array([[1.0, 0.0], [0.0, 0.0]])
    truth = np.exp([-(0.5 * np.exp(1.0) + 0.5 * np.exp(-0.5)), -1.0])
    assert survival(fit.hazard, people, np.zeros(2), np.ones(2)) == pytest.approx(truth, abs=0.015)


def test_what_cannot_be_told_is_left_out_and_said() -> None:
    rows = drawn(2_000, 5)
    n = len(rows.left)
    more: dict[str, Floats] = {
        "constant": np.full(n, 3.0),
        "separating": np.where(rows.left, 1.5, np.linspace(0, 1, n)),
        "rare": (np.arange(n) % 400 == 0).astype(np.float64),
    }
    wide = Exposures(rows.start, rows.stop, rows.left, np.column_stack([rows.covariates, *more.values()]), (*rows.names, *more))
    fit = fit_hazard(wide)
    assert fit.dropped == {"constant": "constant", "separating": "separates", "rare": "few_exits"}
    assert fit.hazard.coefficients[2:].tolist() == [0.0, 0.0, 0.0]
    assert fit.hazard.coefficients[:2] == pytest.approx(fit_hazard(rows).hazard.coefficients)
    with pytest.raises(ValueError, match="exits and covariates"):
        fit_hazard(Exposures(rows.start, rows.stop, np.zeros(n, dtype=bool), rows.covariates, rows.names))


def test_the_penalty_climbs_until_it_converges(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[float, float]] = []
    real = CoxTimeVaryingFitter.fit

    def refuses(succeeds_at: int):  # type: ignore[no-untyped-def]
        def fit(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            tried.append((self.penalizer, kwargs["fit_options"]["step_size"]))
            if len(tried) < succeeds_at:
                raise ConvergenceError("no")
            return real(self, *args, **kwargs)

        return fit

    rows = rossi()
    monkeypatch.setattr(CoxTimeVaryingFitter, "fit", refuses(4))
    fitted = fit_cox(rows, range(7))
    assert fitted.rung == 3
    share = rows.left.mean()
    assert np.array(tried) == pytest.approx(np.array([[0.01 * share, 0.95], [0.1 * share, 0.95], [share, 0.95], [share, 0.25]]))
    tried.clear()
    monkeypatch.setattr(CoxTimeVaryingFitter, "fit", refuses(9))
    with pytest.raises(Refused, match="hazard_did_not_converge"):
        fit_cox(rows, range(7))


def test_concordance_counts_pairs_in_the_right_order() -> None:
    time, left = np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    assert concordance(time, np.array([3.0, 2.0, 1.0]), left) == 1.0
    assert concordance(time, np.array([1.0, 2.0, 3.0]), left) == 0.0
