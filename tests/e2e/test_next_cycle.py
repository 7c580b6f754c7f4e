"""What the world did to the last mail is known to the next cycle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from revenue_engine.offers.posterior import fold
from revenue_engine.records.offer import Cap
from revenue_engine.services.models import finder
from revenue_engine.snapshot import load_context
from tests.e2e.house import HOME, ORG, PHONE, house, offers
from workbench.simulation import events


def test_the_next_cycle_knows_it_and_keeps_the_gap() -> None:
    one_a_day = (Cap("day", "conversions", 1),)
    with house(by_hand=True, catalogue=[replace(offer, caps=one_a_day) for offer in offers()]) as made:
        made.run(15)
        made.cycle()
        (mail,) = made.mails
        made.delivered(mail)
        made.clicked(mail)
        made.converted(mail)
        made.cycle()
        before = load_context(made.object(f"cycles/{ORG}/20260302T1415/context.json"), finder(made.w, ORG))
        after = load_context(made.object(f"cycles/{ORG}/20260302T1430/context.json"), finder(made.w, ORG))
        arm = after.posteriors.arms.index((mail.offer, mail.variant))
        gained = after.posteriors.mean - before.posteriors.mean
        assert gained[:, arm].max() == gained.max() > 0  # nobody learned more than the arm that sold
        untaught = fold([], after.offers, after.bundle.rates, after.now)
        assert (after.posteriors.mean != untaught.mean).any()
        assert (before.caps_reached, after.caps_reached) == ({}, {mail.offer: "daily_cap_reached"})
        assert (before.budget_left, after.budget_left) == (10_000, 9_999)

        for hours in (1, 12, 9):
            made.run(hours * 60)
            again = made.cycle()  # the click had him looked at within the hour; 24 hours between two mails all the same
            assert (again["planned"], again["reasons"]) == (0, {"too_soon_since_last_email": 1} if hours == 1 else {})
        made.run(3 * 60)
        assert made.cycle()["planned"] == 1
        first, second = made.mails
        assert second.at - first.at >= timedelta(hours=24)
        assert second.offer != first.offer  # nor the same offer within a week


def test_a_machines_click_is_nobodys_conversion_story() -> None:
    with house(by_hand=True) as made:
        made.cycle()
        (mail,) = made.mails
        made.delivered(mail)
        made.publish(events.clicked(mail, mail.at + timedelta(seconds=4), agent=PHONE, ip=HOME))
        assert made.send(mail)["machine_clicks"] == 1
        assert "first_human_click_at" not in made.send(mail)
        assert "human_clicks" not in made.counters()
        (evidence,) = made.w.offers.evidence(ORG, since_day="2026-03-01")
        assert "clicks" not in evidence
