"""What readers do with mails: keyed draws with the demo's announced rates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.simulation.behaviour import Reaction, react
from workbench.simulation.people import Person, demo_people

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return demo_people(2_000, 7, now=NOW, source=Path("/no/such/file"))[0]


@pytest.fixture(scope="module")
def reactions(people: list[Person]) -> list[Reaction]:
    liked = ("mens", "womens", "home")
    return [react(p, send_id=f"s{p.number}", category=liked[p.number % 3], variant="standard", at=NOW, seed=7) for p in people]


def test_a_reaction_depends_on_its_key_alone(people: list[Person]) -> None:
    def all_of(order: list[Person]) -> dict[str, Reaction]:
        return {p.email: react(p, send_id="s", category="home", variant="discount", at=NOW, seed=7) for p in order}

    assert all_of(people[:200]) == all_of(people[:200][::-1])
    assert all_of(people[:200]) != {
        p.email: react(p, send_id="s", category="home", variant="discount", at=NOW, seed=8) for p in people[:200]
    }


def test_about_one_in_twenty_mails_is_clicked_by_a_person_and_a_fifth_of_those_converts(reactions: list[Reaction]) -> None:
    clicked = [r for r in reactions if any(t.human and t.kind == "click" for t in r.touches)]
    assert 0.035 < len(clicked) / len(reactions) < 0.065
    assert 0.12 < sum(r.converts_at is not None for r in clicked) / len(clicked) < 0.30


def test_machines_click_within_seconds_and_people_do_not(reactions: list[Reaction]) -> None:
    for reaction in reactions:
        for touch in reaction.touches:
            assert reaction.delivered_at is not None
            waited = touch.at - reaction.delivered_at
            if touch.kind == "click":
                assert (waited < timedelta(seconds=5)) == (not touch.human)
            assert waited > timedelta(0)
    assert sum(not t.human and t.kind == "click" for r in reactions for t in r.touches) > 20


def test_nothing_follows_a_bounce(reactions: list[Reaction]) -> None:
    bounced = [r for r in reactions if r.bounced_at is not None]
    assert bounced
    assert all(r.delivered_at is None and r.touches == () and r.converts_at is None for r in bounced)


def test_feedback_stays_well_below_the_breakers_limits(reactions: list[Reaction]) -> None:
    n = len(reactions)
    assert sum(r.complained_at is not None for r in reactions) / n < 0.001
    assert sum(r.unsubscribed_at is not None for r in reactions) / n < 0.005
    assert sum(r.bounced_at is not None and r.bounce_permanent for r in reactions) / n < 0.01
