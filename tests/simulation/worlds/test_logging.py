"""The log of a world: what was told comes back as mails and money, and nothing of what nobody tells."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.simulation.worlds.policies import HOT, NO_MAIL, at_random
from workbench.logs import Log, read_log, write_conversions, write_outcomes
from workbench.logs.columns import Columns, columns
from workbench.simulation.worlds import Agent, DayEvents, Kind, World
from workbench.simulation.worlds.events import DAY, Facts, joined
from workbench.simulation.worlds.logging import STARTED_AT, Recorder

PEOPLE = 1_500


@pytest.fixture(scope="module")
def played() -> tuple[World, Recorder, Facts]:
    """A busy month and the two after it."""
    world, policy, history = World(HOT, 8, PEOPLE), at_random(), []
    recorder = Recorder(world, policy="fixed")
    for day in range(90):
        recorder.take(world.step(day, policy(world) if day < 30 else NO_MAIL))
        assert world.truth.facts is not None
        history.append(world.truth.facts)
    return world, recorder, joined(history)


def test_lines_and_arrays_say_the_same(played: tuple[World, Recorder, Facts], tmp_path: Path) -> None:
    _, recorder, _ = played
    log, direct = recorder.log(), recorder.columns()
    write_outcomes(tmp_path, log.outcomes)
    write_conversions(tmp_path, log.conversions)
    again = read_log(tmp_path)
    assert again == log
    assert_same(columns(again), direct)
    assert len({sale.key for sale in log.conversions}) == len(log.conversions)
    assert {mail.policy for mail in log.outcomes} == {"fixed"}
    assert recorder.now == STARTED_AT + 90 * DAY


def assert_same(read: Columns, direct: Columns) -> None:
    """Codes may differ, what they stand for may not."""
    _, person = np.unique(direct.subscriber, return_inverse=True)
    _, code = np.unique(read.subscriber, return_inverse=True)
    assert len(np.unique(np.stack([person, code]), axis=1).T) == person.max() + 1
    for name in ("offer", "sale_offer"):
        told = [np.array(of.offers)[getattr(of, name)] for of in (read, direct)]
        assert np.array_equal(*told), name
    for field in fields(Columns):
        if field.name not in ("offers", "offer", "sale_offer", "subscriber"):
            assert np.array_equal(getattr(read, field.name), getattr(direct, field.name), equal_nan=field.name.endswith("_at")), (
                field.name
            )


def test_every_mail_is_there_once(played: tuple[World, Recorder, Facts]) -> None:
    _, recorder, facts = played
    of = recorder.columns()
    sent = facts.of(Kind.DELIVERY, Kind.HARD_BOUNCE, Kind.SOFT_BOUNCE)
    assert len(of.sent_at) == len(sent) and of.delivered.sum() == len(facts.of(Kind.DELIVERY))
    assert of.hard_bounced.sum() == len(facts.of(Kind.HARD_BOUNCE))
    assert (~np.isnan(of.unsubscribed_at)).sum() == len(facts.of(Kind.UNSUBSCRIBE))
    assert (~np.isnan(of.complained_at)).sum() == len(facts.of(Kind.COMPLAINT))


def test_clicks_are_those_of_people_but_for_the_very_fast(played: tuple[World, Recorder, Facts]) -> None:
    _, recorder, facts = played
    of = recorder.columns()
    clicks = facts.of(Kind.CLICK)
    mails = {(int(day), int(row)) for day, row in zip(clicks.sent_day[clicks.human], clicks.row[clicks.human], strict=True)}
    day = ((of.sent_at - STARTED_AT) // DAY).astype(int)
    clicked = ~np.isnan(of.clicked_at)
    found = {(int(d), int(row)) for d, row in zip(day[clicked], of.subscriber[clicked], strict=True)}
    assert len(found - mails) <= 1  # a mail of the last seconds of a day arrives on the next one
    assert len(found) > 0.99 * len(mails)
    assert not clicks.human.all()
    assert (of.clicked_at[clicked] - of.sent_at[clicked]).min() >= 60


def test_settled_money_is_what_was_told_in_the_end(played: tuple[World, Recorder, Facts]) -> None:
    _, recorder, facts = played
    of = recorder.columns()
    assert set(of.sale_state.tolist()) == {0, 1, 2, 3}
    assert (of.provisional_micros[of.provisional] > 0).all() and not of.provisional_micros[~of.provisional].any()
    assert not of.approved_micros[of.provisional].any() and not of.approved_micros[of.sale_state >= 2].any()
    paid = facts.of(Kind.APPROVAL).micros.sum() + facts.of(Kind.REBILL).micros.sum()
    assert 0.9 * paid < of.approved_micros.sum() < 1.02 * paid


# --- one mail, told by hand ------------------------------------------------------------------------------------------------
def events(*rows: tuple[float, Kind, int, int]) -> DayEvents:
    """Time, kind, part and micros of rows about the one mail of day 0."""
    at, kind, part, micros = zip((0.0, Kind.DELIVERY, 0, 0), *rows, strict=True)
    zero = np.zeros(len(at), dtype=np.int64)
    agents = [Agent.BROWSER if k in (Kind.CLICK, Kind.OPEN) else Agent.NONE for k in kind]
    return DayEvents(
        np.array(at, dtype=float),
        np.array(kind, dtype=np.uint8),
        zero,
        zero,
        zero,
        zero,
        np.array(agents, dtype=np.uint8),
        np.array(part),
        np.array(micros),
        zero,
    )


def told(*rows: tuple[float, Kind, int, int]) -> Log:
    recorder = Recorder(World(HOT, 8, 1))
    recorder.take(events(*rows))
    return recorder.log()


@pytest.mark.parametrize(
    ("rows", "state", "provisional", "approved"),
    [
        ([], "provisional", 1_000, 0),
        ([(20.0, Kind.APPROVAL, 0, 900)], "approved", 0, 900),
        ([(20.0, Kind.REVERSAL, 0, -1_000)], "rejected", 0, 0),
        ([(20.0, Kind.REVERSAL, 0, -400)], "approved", 0, 600),
        ([(20.0, Kind.APPROVAL, 0, 900), (30.0, Kind.REVERSAL, 0, -1_000)], "reversed", 0, 0),
        ([(20.0, Kind.APPROVAL, 0, 900), (30.0, Kind.REVERSAL, 0, -400)], "approved", 0, 500),
        ([(15.0, Kind.CONVERSION, 0, 1_000)], "provisional", 1_000, 0),  # posted twice: one
    ],
)
def test_a_conversion_is_booked_as_told(
    rows: list[tuple[float, Kind, int, int]], state: str, provisional: int, approved: int
) -> None:
    (sale,) = told((10.0, Kind.CONVERSION, 0, 1_000), *rows).conversions
    assert (sale.state, sale.provisional_micros, sale.approved_micros) == (state, provisional, approved)
    assert sale.converted_at == STARTED_AT + 10


def test_a_second_id_and_a_rebill_are_lines_of_their_own() -> None:
    log = told(
        (10.0, Kind.CONVERSION, 0, 1_000),
        (12.0, Kind.CONVERSION, 1, 1_000),
        (20.0, Kind.APPROVAL, 0, 1_000),
        (30.0, Kind.REBILL, 1, 300),
    )
    assert [(sale.state, sale.provisional_micros + sale.approved_micros) for sale in log.conversions] == [
        ("approved", 1_000),
        ("provisional", 1_000),
        ("approved", 300),
    ]
    assert len({sale.key for sale in log.conversions}) == 3


def test_what_comes_within_a_minute_is_a_machines() -> None:
    (mail,) = told((59.0, Kind.CLICK, 0, 0), (59.0, Kind.OPEN, 0, 0)).outcomes
    assert (mail.human_opens, mail.human_clicks, mail.first_human_click_at) == (0, 0, None)
    (mail,) = told((60.0, Kind.CLICK, 0, 0), (70.0, Kind.CLICK, 0, 0), (61.0, Kind.OPEN, 0, 0)).outcomes
    assert (mail.human_opens, mail.human_clicks, mail.first_human_click_at) == (1, 2, STARTED_AT + 60)
    assert replace(mail, delivered=True) == mail
