"""The price of a mail: a table that solves one person's problem, held against plain value iteration, closed forms and sense."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.errors import Refused
from revenue_engine.pacing.index import Habits, dump, fatigue_of, load, prices
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction import archive

HABITS = Habits()
TABLE = solve(HABITS)
DAY = 86_400


def _by_iteration(habits: Habits, hazard: float, cost: float, fatigue: np.ndarray) -> np.ndarray:
    """One cell by the recursion itself, 30,000 times."""
    fade, value = habits.fades(1.0), np.zeros(len(fatigue))
    exits, lapse = habits.leaves(np.array(hazard), fatigue), habits.lost_by_lapse(fatigue)
    for _ in range(30_000):
        rest = habits.kept_per_day * np.interp(fatigue * fade, fatigue, value)
        stay = habits.kept_per_day * (1 - exits) * (1 - lapse) * np.interp((fatigue + 1) * fade, fatigue, value)
        value = np.maximum(rest, habits.worth(fatigue) - cost + stay)
    return value


@pytest.mark.parametrize(("h", "k"), [(0, 0), (17, 12), (25, 30), (39, 39)])
def test_the_table_solves_the_recursion(h: int, k: int) -> None:
    wanted = _by_iteration(HABITS, TABLE.hazard[h], TABLE.cost[k], TABLE.fatigue)
    assert TABLE.value[h, k] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_readers_who_never_tire_or_leave_are_mailed_every_day() -> None:
    """V = (1 − k) / (1 − d) then."""
    tireless = Habits(value_per_mail=0.0, exits_per_mail=0.0, exits_over=1.0, lapse_per_mail=0.0)
    table = solve(tireless)
    assert table.value[0, 0] == pytest.approx(1 / (1 - tireless.kept_per_day * (1 - table.hazard[0])), rel=1e-6)
    assert (table.value[:, table.cost >= 1.0] == 0).all(), "nothing is earned by mails that cost what they bring"


def test_more_hazard_more_cost_and_more_fatigue_are_never_worth_more() -> None:
    for axis in range(3):
        assert (np.diff(TABLE.value, axis=axis) <= 1e-5).all()


def _prices(value: float = 20_000.0, fatigue: float = 0.0, exits: float = 0.001, complaint: float = 1e-4, kappa: float = 0.0):  # type: ignore[no-untyped-def]
    one = np.ones(1)
    return prices(
        TABLE,
        value_micros=value * one,
        fatigue=fatigue * one,
        exits=exits * one,
        complaint=complaint * one,
        cost_micros=1_000.0,
        kappa=kappa,
    )


@given(scale=st.floats(0.01, 100), fatigue=st.floats(0, 6), exits=st.floats(1e-5, 0.09), complaint=st.floats(0, 0.01))
def test_prices_grow_with_the_value_they_protect_and_are_never_below_zero(
    scale: float, fatigue: float, exits: float, complaint: float
) -> None:
    one = prices(
        TABLE,
        value_micros=np.array([1e4, 1e4 * scale]),
        fatigue=np.full(2, fatigue),
        exits=np.full(2, exits),
        complaint=np.full(2, complaint),
        cost_micros=0.0,
        kappa=0.0,
    )
    for name in ("hazard", "fatigue", "complaint", "lapse", "value_now", "value_after"):
        values = getattr(one, name)
        assert (values >= 0).all()
        assert values[1] == pytest.approx(scale * values[0], rel=1e-9)


def test_the_index_is_what_the_better_of_two_futures_is_worth() -> None:
    """At a point of the grid: sent and index positive, or not sent, exactly as the recursion chose."""
    for h in (5, 20, 30):
        for f in (0, 8, 16):
            value, cost = 1e6, TABLE.cost[10]
            found = prices(
                TABLE,
                value_micros=np.array([value]),
                fatigue=TABLE.fatigue[[f]],
                exits=TABLE.hazard[[h]],
                complaint=np.zeros(1),
                cost_micros=cost * value,
                kappa=0.0,
            )
            index = value * (HABITS.worth(TABLE.fatigue[f]) - cost) - found.total[0]
            rest = HABITS.kept_per_day * np.interp(TABLE.fatigue[f] * HABITS.fades(1.0), TABLE.fatigue, TABLE.value[h, 10])
            gain = TABLE.value[h, 10, f] - rest
            # hazard and lapse are priced one by one: their product is left out of the sum
            assert max(index / value, 0.0) == pytest.approx(gain, abs=2e-3)


def test_a_complaint_costs_the_person_once_more_and_never_less_than_its_price() -> None:
    floor, dear = _prices(), _prices(kappa=5e9)
    assert floor.complaint[0] == pytest.approx(1e-4 * HABITS.exits_over * HABITS.kept_per_day * floor.value_after[0], rel=1e-9)
    assert dear.complaint[0] == pytest.approx(1e-4 * HABITS.exits_over * 5e9, rel=1e-9)


def test_nobody_worth_nothing_has_a_price() -> None:
    assert _prices(value=0.0).total[0] == 0
    assert _prices(value=-5.0).total[0] == 0


def test_fatigue_is_the_sum_of_fading_mails() -> None:
    now = 1_000 * DAY
    recent = np.array([[now, now - 4 * DAY, now - 8 * DAY, 0], [0, 0, 0, 0]], dtype=np.int64)
    assert fatigue_of(recent, now, 4.0).tolist() == pytest.approx([1.75, 0.0])


def test_a_stored_table_is_the_same_to_the_byte_and_a_broken_one_is_refused() -> None:
    raw = dump(TABLE)
    back = load(raw)
    assert back.habits == HABITS
    assert back.value.tobytes() == TABLE.value.tobytes()
    assert dump(back) == raw
    with pytest.raises(Refused, match="archive_corrupt"):
        load(raw[:100])
    with pytest.raises(Refused, match="index_corrupt"):
        load(_stored(value=TABLE.value[:3]))


def _stored(habits: dict[str, object] | None = None, **arrays: np.ndarray) -> bytes:
    """The table's archive with something else in it, as no table could be."""
    known = archive.load(dump(TABLE))
    said = archive.document(known.pop("habits")) | (habits or {})
    text = np.frombuffer(json.dumps(said).encode(), np.uint8)
    return archive.dump({**known, **arrays, "habits": text})


def _with(values: np.ndarray, place: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed.flat[place] = value
    return changed


BROKEN: dict[str, bytes] = {
    "a value that is no number": _stored(value=_with(TABLE.value, 500, np.nan)),
    "an infinite one": _stored(value=_with(TABLE.value, 500, np.inf)),
    "one below nothing": _stored(value=_with(TABLE.value, 500, -0.5)),
    "more than a mail every day": _stored(value=_with(TABLE.value, 0, HABITS.horizon_days + 1)),
    "hazards that are no numbers": _stored(hazard=np.full_like(TABLE.hazard, np.nan)),
    "falling hazards": _stored(hazard=TABLE.hazard[::-1].copy()),
    "a hazard without a logarithm": _stored(hazard=_with(TABLE.hazard, 0, 0.0)),
    "a cost twice": _stored(cost=_with(TABLE.cost, 5, TABLE.cost[4])),
    "an infinite cost": _stored(cost=_with(TABLE.cost, -1, np.inf)),
    "fatigue below nothing": _stored(fatigue=_with(TABLE.fatigue, 0, -1.0)),
    "one hazard": _stored(hazard=TABLE.hazard[:1], value=TABLE.value[:1]),
    "words": _stored(cost=np.full(len(TABLE.cost), "dear")),
    **{
        f"{name} {value}": _stored({name: value})
        for name, value in (
            *(("half_life_days", value) for value in (0.0, -1.0, "4", float("nan"), float("inf"), None)),
            *(("horizon_days", 1.0), ("exits_over", 0.0), ("value_per_mail", -5.0), ("exits_per_mail", -0.1)),
            *(("lapse_per_mail", 1.1), ("lapse_per_mail", -0.1), ("lapse_grows", -1.0), ("kept_of_lapsed", 1.5)),
        )
    },
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_table_that_prices_nothing_is_refused(what: str) -> None:
    with pytest.raises(Refused, match="index_corrupt"):
        load(BROKEN[what])


def test_a_table_that_does_not_say_all_habits_is_refused() -> None:
    """One that was solved before a habit had a name must not be priced with that habit's default."""
    arrays = archive.load(dump(TABLE))
    habits = archive.document(arrays.pop("habits"))
    del habits["exits_over"]
    with pytest.raises(Refused, match="index_corrupt"):
        load(archive.dump({"habits": archive.text(habits), **arrays}))


def test_a_table_of_another_shape_is_none() -> None:
    with pytest.raises(ValueError, match="a value for every"):
        replace(TABLE, value=TABLE.value[1:])
