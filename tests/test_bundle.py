"""Bundles: content-addressed, and refused rather than half understood (D5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from revenue_engine import bundle as module
from revenue_engine.bundle import MANIFEST, Bundle, Parts, dump, load, prior_bundle, seal
from revenue_engine.errors import Refused
from revenue_engine.learning.export import export
from revenue_engine.pacing import curve
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.cross_line import CrossLine
from revenue_engine.prediction.features import CROSS, OFFER, SUBSCRIBER
from revenue_engine.prediction.funnel import FunnelTables, Served, StageTables
from revenue_engine.prediction.platt import Platt
from revenue_engine.prediction.prior import PRIOR_RATES
from tests.boosters import written
from tests.core_cases import NOW, PLAIN

RATES, INDEX, FUNNEL = "rates.json", "index.npz", "funnel.npz"
TABLE = solve(Habits())


def a_funnel(seed: int = 1) -> FunnelTables:
    text = written(
        np.random.default_rng(seed),
        trees=5,
        most_leaves=12,
        features=range(len(SUBSCRIBER) + len(OFFER)),
        names=(*SUBSCRIBER, *OFFER),
    )
    trees = export(text, subscriber=SUBSCRIBER, offer=OFFER)
    return FunnelTables(
        CrossLine((0.1, 0.2, -0.3, 0.05, 0.3, -0.1)),
        StageTables(trees, Platt(0.1, 0.9)),
        CrossLine((-0.1, 0.2, 0.0, 0.0, 0.0, 0.0)),
        StageTables(None, Platt()),
        Platt(-0.2, 1.1),
    )


def learned(funnel: FunnelTables | None = None) -> Bundle:
    return seal(
        Parts(PRIOR_RATES, TABLE, funnel or a_funnel()),
        trained_at=NOW,
        code_version="1",
        prior=False,
        data_fingerprint="f",
        seed=3,
        metrics={"clicks": 7.0},
    )


BUNDLE = learned()


def refusal(files: dict[str, bytes]) -> str:
    with pytest.raises(Refused) as caught:
        load(files)
    return caught.value.reason


@pytest.mark.parametrize("bundle", [prior_bundle(NOW), BUNDLE])
def test_a_bundle_survives_storage(bundle: Bundle) -> None:
    back = load(dump(bundle))
    assert back == bundle
    assert back.rates == bundle.rates
    assert dump(back) == dump(bundle)


def test_a_stored_funnel_says_what_it_said() -> None:
    random = np.random.default_rng(5)
    people, arms = (random.normal(size=(n, len(names))).astype(np.float32) for n, names in ((40, SUBSCRIBER), (6, OFFER)))
    cross, p = random.random((40, 6, len(CROSS))).astype(np.float32), random.uniform(0.01, 0.2, (40, 6))
    stored = load(dump(BUNDLE)).funnel
    assert stored is not None
    told, again = (Served(funnel, arms).chances(people, cross, p_click=p, p_sale=p) for funnel in (a_funnel(), stored))
    for name in ("click", "sale"):
        assert getattr(told, name).tobytes() == getattr(again, name).tobytes()


def test_what_was_not_learned_has_no_file() -> None:
    assert set(dump(PLAIN)) == {MANIFEST, RATES, INDEX}
    back = load(dump(PLAIN))
    assert (back.funnel, back.payout, back.value) == (None, None, None)


def test_the_prior_says_that_it_is_one() -> None:
    assert prior_bundle(NOW).manifest.prior


def test_the_prior_knows_weekdays_and_leaves_hours_to_the_list() -> None:
    prior = prior_bundle(NOW)
    assert prior.hours.tolist() == curve.load((module.PRIOR_FOLDER / "hours.json").read_bytes()).tolist()
    known = curve.week(prior.hours)
    assert known.is_flat and known.prior.tobytes() == curve.week(curve.FLAT).prior.tobytes()
    assert known.days.mean() == pytest.approx(1.0) and np.ptp(known.days) > 0.2  # worlds are busiest in the middle of the week
    assert known.days.argmax() in (1, 2, 3)
    # an org that has learned nothing else starts from them, and they are in its version
    assert load(dump(prior)).hours.tobytes() == prior.hours.tobytes()
    without = seal(
        replace(prior.parts, hours=None),
        trained_at=NOW,
        code_version="",
        prior=True,
        data_fingerprint=prior.manifest.data_fingerprint,
        metrics=prior.manifest.metrics,
    )
    assert without.version != prior.version


def test_same_inputs_same_version_any_other_input_another() -> None:
    assert learned().version == BUNDLE.version
    first = prior_bundle(NOW, code_version="1")
    others = [
        BUNDLE,
        learned(a_funnel(2)),
        prior_bundle(NOW, code_version="2"),
        prior_bundle(NOW + timedelta(seconds=1), code_version="1"),
        seal(
            Parts(PRIOR_RATES, solve(Habits(half_life_days=5.0))),
            trained_at=NOW,
            code_version="1",
            prior=True,
            data_fingerprint="",
            metrics={},
        ),
        seal(
            Parts(PRIOR_RATES.model_copy(update={"prior_clicks": 13.0}), TABLE),
            trained_at=NOW,
            code_version="1",
            prior=True,
            data_fingerprint="",
            metrics={},
        ),
    ]
    assert len({b.version for b in [first, *others]}) == 1 + len(others)


@pytest.mark.parametrize("missing", [MANIFEST, RATES, INDEX, FUNNEL])
def test_half_a_bundle_is_none(missing: str) -> None:
    assert refusal({name: raw for name, raw in dump(BUNDLE).items() if name != missing}) == "bundle_missing"


def test_what_the_manifest_does_not_name_is_not_looked_at() -> None:
    assert load(dump(BUNDLE) | {"else.npz": b"rubbish"}) == BUNDLE


@pytest.mark.parametrize("change", [{"row_schema": 1}, {"feature_schema": "0" * 16}])
def test_a_bundle_for_other_rows_or_features_is_refused(change: dict[str, object]) -> None:
    files = dump(BUNDLE)
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | change).encode()
    assert refusal(files) == "bundle_schema_mismatch"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (RATES, b'"prior_clicks":12.0', b'"prior_clicks":13.0'),
        (RATES, b"{", b"["),
        (MANIFEST, b'"prior":false', b'"prior":true'),
        (MANIFEST, b'"seed":3', b'"seed":4'),
        (MANIFEST, b"{", b"["),
        (FUNNEL, b"PK", b"pk"),
    ],
)
def test_a_touched_bundle_is_refused(name: str, old: bytes, new: bytes) -> None:
    files = dump(BUNDLE)
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    assert refusal(files) == "bundle_corrupt"


@pytest.mark.parametrize("cut", [0, 1, 100])
@pytest.mark.parametrize("name", [MANIFEST, RATES, INDEX, FUNNEL])
def test_a_truncated_file_is_refused(name: str, cut: int) -> None:
    files = dump(BUNDLE)
    files[name] = files[name][:cut]
    assert refusal(files) == "bundle_corrupt"


@pytest.mark.parametrize(
    "files",
    [{RATES: b"{}"}, {INDEX: b"no archive"}, {FUNNEL: b"no archive"}, {"strange.bin": b"1"}, {RATES: None}, {INDEX: None}],
    ids=["rates", "index", "funnel", "strange", "no rates", "no index"],
)
def test_a_bundle_sealed_over_what_is_none_is_refused(files: dict[str, bytes | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Right hashes over wrong content: the parts themselves are still looked at."""
    whole = module._files(Parts(PRIOR_RATES, TABLE)) | files
    parts = {name: raw for name, raw in whole.items() if raw is not None}
    monkeypatch.setattr(module, "_files", lambda given: parts)
    bundle = prior_bundle(NOW)
    assert refusal({MANIFEST: dump(bundle)[MANIFEST], **parts}) == "bundle_corrupt"
