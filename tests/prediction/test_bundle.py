"""Bundles: content-addressed, and refused rather than half understood (D5)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from revenue_engine.errors import Refused
from revenue_engine.prediction.bundle import MANIFEST, PRIOR_RATES, RATES, dump, load, prior_bundle, seal
from tests.core_cases import NOW

BUNDLE = prior_bundle(NOW, code_version="1")


def test_a_bundle_survives_storage() -> None:
    assert load(dump(BUNDLE)) == BUNDLE
    assert dump(load(dump(BUNDLE))) == dump(BUNDLE)


def test_the_prior_says_that_it_is_one() -> None:
    assert BUNDLE.manifest.prior


def test_same_inputs_same_version_any_other_input_another() -> None:
    assert prior_bundle(NOW, code_version="1").version == BUNDLE.version
    others = [
        prior_bundle(NOW, code_version="2"),
        prior_bundle(NOW + timedelta(seconds=1), code_version="1"),
        seal(
            PRIOR_RATES.model_copy(update={"prior_clicks": 13.0}),
            trained_at=NOW,
            code_version="1",
            prior=True,
            data_fingerprint="",
            metrics={},
        ),
    ]
    assert len({b.version for b in [BUNDLE, *others]}) == 4


@pytest.mark.parametrize("missing", [MANIFEST, RATES])
def test_half_a_bundle_is_none(missing: str) -> None:
    with pytest.raises(Refused) as caught:
        load({name: raw for name, raw in dump(BUNDLE).items() if name != missing})
    assert caught.value.reason == "bundle_missing"


def test_a_bundle_for_other_rows_is_refused() -> None:
    files = dump(BUNDLE)
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | {"row_schema": 1}).encode()
    with pytest.raises(Refused) as caught:
        load(files)
    assert caught.value.reason == "bundle_schema_mismatch"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [(RATES, b'"prior_clicks":12.0', b'"prior_clicks":13.0'), (RATES, b"{", b"["), (MANIFEST, b'"prior":true', b'"prior":false')],
)
def test_a_touched_bundle_is_refused(name: str, old: bytes, new: bytes) -> None:
    files = dump(BUNDLE)
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    with pytest.raises(Refused) as caught:
        load(files)
    assert caught.value.reason == "bundle_corrupt"
