"""The world fitted to a log shows the log's moments, and comes back from its file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from revenue_engine.errors import BadInput
from tests.simulation.worlds.policies import at_random
from workbench.simulation.twin import Refusal, Twin, likened, load, moments, save, view, world
from workbench.simulation.worlds import World, named
from workbench.simulation.worlds.logging import Recorder
from workbench.simulation.worlds.spec import TONES

# Unlike the default world in all that is fitted.
TRUTH = replace(
    named("default"),
    name="unknown",
    open_rate=0.22,
    click_rate=0.30,
    convert_rate=0.10,
    unsubscribe=0.012,
    complaint=0.004,
    dead_from_start=0.015,
    payout_dollars=45.0,
    reversed=0.15,
    trait_spread=0.8,
)


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    of, policy = World(TRUTH, 17, 12_000), at_random(2.0, len(TONES))
    recorder = Recorder(of)
    for day in range(42):
        recorder.take(of.step(day, policy(of)))
    return recorder


@pytest.fixture(scope="module")
def twin(recorder: Recorder) -> Twin:
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(world, "SEEDS", 8)
        smaller.setattr(world, "SUBSCRIBERS", 3_000)
        found = likened(recorder.columns(), recorder.now)
    assert isinstance(found, Twin)
    return found


@pytest.mark.slow
def test_the_twins_moments_are_the_logs_within_their_errors(twin: Twin) -> None:
    apart = (twin.world.values - twin.log.values) / np.hypot(twin.log.errors, twin.world.errors)
    assert np.isfinite(apart).all()
    assert (np.abs(apart) < 2).all(), dict(zip(moments.NAMES, apart.tolist(), strict=True))
    # and the default world's are not
    assert (np.abs(twin.log.values / default_moments() - 1) > 3 * twin.log.errors / twin.log.values)[:7].all()


def default_moments() -> np.ndarray:
    of, policy = World(named("default"), 17, 12_000), at_random(2.0, len(TONES))
    recorder = Recorder(of)
    for day in range(42):
        recorder.take(of.step(day, policy(of)))
    return moments.of_log(recorder.columns()).values


@pytest.mark.parametrize(
    ("constant", "within"),
    [
        # what the offers of one world happen to be like cannot be told from how people are
        ("open_rate", 0.1),
        ("click_rate", 0.3),
        ("convert_rate", 0.5),
        ("unsubscribe", 0.15),
        ("complaint", 0.4),
        ("dead_from_start", 0.2),
        ("payout_dollars", 0.4),
        ("trait_spread", 0.1),
    ],
)
def test_its_constants_are_near_those_of_the_world_that_wrote_the_log(twin: Twin, constant: str, within: float) -> None:
    true, usual, found = (getattr(spec, constant) for spec in (TRUTH, named("default"), twin.spec))
    assert abs(np.log(found / true)) < np.log1p(within)
    assert abs(np.log(found / true)) < abs(np.log(usual / true))


def test_offers_that_were_never_seen_are_allowed_for(twin: Twin) -> None:
    assert 9 <= twin.spec.offers <= 16  # of 12, of which some come later


def test_errors_are_those_of_a_sample_of_people() -> None:
    """Worlds of other people under the same offers scatter as the jackknife says; without complaints, for these move whole lists."""
    values, errors = [], []
    for first in range(0, 24_000, 2_000):
        of, policy = World(replace(TRUTH, complaint=0.0), 17, np.arange(first, first + 2_000)), at_random(2.0)
        recorder = Recorder(of)
        for day in range(14):
            recorder.take(of.step(day, policy(of)))
        found = moments.of_log(recorder.columns())
        values.append(found.values)
        errors.append(found.errors)
    frequent = [
        moments.NAMES.index(name) for name in ("opened", "clicked", "sold", "unsubscribed", "bounced", "payout", "spread")
    ]
    scatter, error = np.std(values, axis=0, ddof=1)[frequent], np.sqrt((np.array(errors) ** 2).mean(axis=0))[frequent]
    ratio = scatter / error
    assert (ratio > 0.5).all() and (ratio < 1.8).all()


def test_a_log_with_hardly_a_click_is_refused(recorder: Recorder) -> None:
    of = recorder.columns()
    found = likened(replace(of, clicked_at=np.full(len(of.clicked_at), np.nan)), recorder.now)
    assert isinstance(found, Refusal)
    assert found.reason == "few_clicks"


# --- its file --------------------------------------------------------------------------------------------------------------
def test_a_twin_comes_back_as_it_was_saved(twin: Twin, recorder: Recorder, tmp_path: Path) -> None:
    save(tmp_path / "new" / "twin.json", twin)
    again = load(tmp_path / "new" / "twin.json")
    assert again.spec == twin.spec and again.spec.name == "twin"
    assert again.source == twin.source == world.fingerprint(recorder.columns())
    for one, other in ((again.log, twin.log), (again.world, twin.world)):
        assert np.array_equal(one.values, other.values, equal_nan=True)
        assert np.array_equal(one.errors, other.errors, equal_nan=True)
    World(again.spec, 1, 100).step(0, at_random()(World(again.spec, 1, 100)))


def test_the_fingerprint_is_of_the_log(recorder: Recorder) -> None:
    of = recorder.columns()
    assert world.fingerprint(replace(of, approved_micros=of.approved_micros + 1)) != world.fingerprint(of)
    assert world.fingerprint(replace(of, currencies=("EUR",))) != world.fingerprint(of)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "no_twin"),
        (b"{}", "no_twin"),
        (orjson.dumps({"form": 1, "source": "abc", "spec": {"name": "x"}, "moments": {}}), "other_form"),
        (orjson.dumps({"form": 1, "source": "abc", "spec": asdict(TRUTH), "moments": {}}), "no_twin"),
    ],
)
def test_what_is_no_twin_is_named(text: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(text)
    with pytest.raises(BadInput) as raised:
        load(tmp_path / "t.json")
    assert (raised.value.field, raised.value.reason) == ("t.json", reason)


def test_the_moments_are_shown_beside_each_other(twin: Twin) -> None:
    rows = view.moment_rows(twin)
    assert [row[0] for row in rows] == list(moments.NAMES)
    assert {len(row) for row in rows} == {len(view.MOMENT_COLUMNS)}
    assert rows[0][1] == f"{twin.log.values[0]:.4g}"
