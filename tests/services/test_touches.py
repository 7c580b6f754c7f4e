"""What later events teach about earlier ones: verdicts, outcome, row, evidence and counters change together, in any order (P2, D2)."""

from __future__ import annotations

import itertools
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from revenue_engine.aws import dynamo, names
from revenue_engine.aws.items import Item, decode
from revenue_engine.clock import epoch_seconds, iso_millis
from revenue_engine.intake.engagement import OUTCOME_NAMES
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import touches
from revenue_engine.services.engage import engage_message
from tests.builders import COUNTED_SENT, NOW, Org
from tests.ses_events import ses_event

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
MAIL_AT = datetime(2026, 3, 4, 10, 0, 2, 345_000, tzinfo=UTC)  # of every fixture


def at(seconds: float) -> str:
    return iso_millis(datetime.fromtimestamp(MAIL_AT.timestamp() + seconds, UTC))


def click(plan: PlannedSend, seconds: float, link: str = "cta1") -> str:
    return ses_event(
        "ses-event-click.json",
        plan,
        timestamp=at(seconds),
        userAgent=BROWSER,
        ipAddress="198.51.100.7",
        linkTags={"slot": [link]},
    )


def opened(plan: PlannedSend, seconds: float) -> str:
    return ses_event("ses-event-open.json", plan, timestamp=at(seconds), userAgent=BROWSER, ipAddress="198.51.100.7")


def delivered(plan: PlannedSend, seconds: float) -> str:
    return ses_event("ses-event-delivery.json", plan, timestamp=at(seconds))


def tell(org: Org, *bodies: str) -> list[str]:
    return [engage_message(org.w, body, now=NOW) for body in bodies]


def state_of(org: Org, plan: PlannedSend) -> dict[str, Any]:
    """All that touches leave behind."""
    send, row = org.send(plan), org.row(plan.subscriber)
    hours = org.w.counters.hour_counters(org.name, since=NOW, until=NOW.replace(hour=23))
    return {
        "outcome": {name: send.get(name) for name in OUTCOME_NAMES},
        "verdicts": {item["sk"]: (item.get("human"), item.get("signs")) for item in org.timeline(plan.subscriber)},
        "counters": {name: n for name, n in org.counters().items() if name not in COUNTED_SENT},
        "hours": {name: n for name, n in hours.items() if n},
        "evidence": org.evidence(),
        "row": {n: round(getattr(row, n), 4) for n in ("deliveries", "human_opens", "machine_opens", "human_clicks")},
        "last": (row.last_human_open_at, row.last_human_click_at),
    }


def put_by(action: dict[str, Any]) -> Item:
    return decode(action["Put"]["Item"])


def test_a_burst_takes_back_what_its_first_clicks_were_counted_as(org: Org) -> None:
    plan = org.mailed()
    first, second, third = (click(plan, 45 + n / 2, f"cta{n}") for n in range(3))
    assert tell(org, delivered(plan, 1), opened(plan, 44.5), first) == ["delivery", "human_open", "human_click"]
    assert (org.send(plan)["human_clicks"], org.counters()["clicked_mails"], org.counters()["opened_mails"]) == (1, 1, 1)
    assert tell(org, second, third) == ["machine_click", "machine_click"]
    left = state_of(org, plan)
    assert left["outcome"] == {
        "delivered_at": epoch_seconds(MAIL_AT) + 1,
        "machine_opens": 1,
        "machine_clicks": 3,
        "first_machine_open_at": epoch_seconds(MAIL_AT) + 44,
        "first_machine_click_at": epoch_seconds(MAIL_AT) + 45,
        **dict.fromkeys(("human_opens", "human_clicks", "first_human_open_at", "first_human_click_at")),
    }
    assert left["counters"] == {
        "delivered": 1,
        "delivered#other": 1,
        "machine_opens": 1,
        "machine_clicks": 3,
        "capped_clicks@1042": 3,
    }
    assert left["row"] == {"deliveries": 1.0, "human_opens": 0.0, "machine_opens": 1.0, "human_clicks": 0.0}
    assert left["last"] == (0, 0)
    assert left["evidence"] == {"2026-03-04": {"deliveries": 1}}
    assert [human for human, _ in left["verdicts"].values()] == [None, False, False, False, False]
    clicks = [item for item in org.timeline(plan.subscriber) if item["kind"] == "click"]
    assert all(item["signs"] == ["burst", "hasty"] and item["human_probability"] < 0.05 for item in clicks)


def test_every_click_that_the_network_redirects_counts_towards_its_cap(org: Org) -> None:
    """Whoever followed it, once an event, whatever it is judged later; the invisible link leads to a page of ours."""
    plan = org.mailed()
    clicks = [click(plan, seconds, link) for seconds, link in ((3, "cta1"), (60, "honeypot"), (900, "cta1"), (1_800, "cta2"))]
    tell(org, *clicks, delivered(plan, 1), *clicks)
    assert org.counters()["capped_clicks@1042"] == 3
    assert org.w.counters.capped(org.name, "1042") == {"capped_clicks@1042": 3}


def test_a_person_who_clicks_after_the_scanner_is_the_first_to_have_clicked(org: Org) -> None:
    plan = org.mailed()
    burst = [click(plan, 45 + n / 2, f"cta{n}") for n in range(3)]
    tell(org, delivered(plan, 1), *burst[:2], click(plan, 7_200), burst[2])
    send = org.send(plan)
    assert (send["human_clicks"], send["machine_clicks"]) == (1, 3)
    assert send["first_human_click_at"] == org.row(plan.subscriber).last_human_click_at == epoch_seconds(MAIL_AT) + 7_200
    assert send["first_click_revision"] == 3  # it was the scanner's, nobody's, the person's
    assert (org.counters()["clicked_mails"], org.counters()["clicked_mails@1042"], org.counters()["human_clicks"]) == (1, 1, 1)
    hours = org.w.counters
    ten = hours.hour_counters(org.name, since=NOW, until=NOW)
    twelve = hours.hour_counters(org.name, since=NOW.replace(hour=12), until=NOW.replace(hour=12))
    assert (ten.get("clicked_mails", 0), twelve["clicked_mails"]) == (0, 1)


def test_a_mail_teaches_its_topic_once_and_not_what_a_scanner_clicked(org: Org) -> None:
    person = org.add_person()
    mail = org.plan(person, topic=7)
    assert org.execute([mail]).outcomes == {"sent": 1}
    assert org.send(mail)["topic"] == 7
    burst = [click(mail, 45 + n / 2, f"cta{n}") for n in range(3)]
    tell(org, delivered(mail, 1), burst[0])
    assert org.row(person).recent_clicks == (7, *(0,) * 7)
    tell(org, *burst[1:])  # three links in a second: nobody was there
    assert org.row(person).recent_clicks == (0,) * 8
    tell(org, click(mail, 7_200), click(mail, 7_260))
    assert org.row(person).recent_clicks == (7, *(0,) * 7)


def test_a_click_moves_to_the_day_of_the_first_one_that_stands(org: Org) -> None:
    plan = org.mailed()
    day = 24 * 3_600
    tell(org, *(click(plan, 3_600 + n / 2, f"cta{n}") for n in range(2)), click(plan, 2 * day))
    assert org.evidence() == {"2026-03-04": {"clicks": 1}}
    tell(org, click(plan, 3_601, "cta2"))
    assert org.evidence() == {"2026-03-06": {"clicks": 1}}


def test_a_click_told_before_a_late_delivery_is_taken_back_by_it(org: Org) -> None:
    plan = org.mailed()
    assert tell(org, click(plan, 605), delivered(plan, 600)) == ["human_click", "delivery"]
    assert (org.send(plan)["machine_clicks"], "first_human_click_at" in org.send(plan)) == (1, False)
    assert "clicked_mails" not in org.counters()


def due(org: Org, person: str) -> float:
    """Seconds after the mail at which somebody is decided next."""
    return float(org.person(person)["next_decision_at"]) - epoch_seconds(MAIL_AT)


def test_any_answer_ends_a_silence_and_what_a_machine_did_does_not(org: Org) -> None:
    """Half a year until the next mail, as it is for who has not answered for long."""
    plans = [org.mailed() for _ in range(3)]
    for plan in plans:
        org.w.subscribers.set_next_decision(org.name, plan.subscriber, at=epoch_seconds(MAIL_AT) + 180 * 86_400, decided_at=0)
    read, scanned, bought = plans
    assert tell(org, delivered(read, 1), opened(read, 600)) == ["delivery", "human_open"]
    assert due(org, read.subscriber) == 600 + 3_600
    assert tell(org, click(read, 700), opened(read, 90)) == ["human_click", "human_open"]
    assert due(org, read.subscriber) == 600 + 3_600, "no later; and for one open more nobody is looked at who is looked at anyway"
    prefetched = ses_event("ses-event-open.json", scanned, timestamp=at(600), userAgent="Mozilla/5.0", ipAddress="198.51.100.7")
    assert tell(org, delivered(scanned, 1), prefetched) == ["delivery", "machine_open"]
    assert due(org, scanned.subscriber) == 180 * 86_400
    sold = {"kind": "conversion_applied", "org": org.name, "subscriber": bought.subscriber, "at": epoch_seconds(MAIL_AT) + 7_200}
    tell(org, json.dumps({**sold, "revenue_micros": 5_000_000, "conversions": 1, "dedupe": "x1"}))
    assert due(org, bought.subscriber) == 7_200 + 3_600
    later = epoch_seconds(MAIL_AT) + 86_400
    org.w.subscribers.set_next_decision(org.name, bought.subscriber, at=later, decided_at=0)
    tell(org, json.dumps({**sold, "revenue_micros": 5_000_000, "conversions": 1, "dedupe": "x1"}))
    tell(org, json.dumps({**sold, "revenue_micros": -5_000_000, "conversions": -1, "dedupe": "x2"}))
    assert due(org, bought.subscriber) == 86_400, "told again, or taken back: no answer"


def test_an_older_mails_click_is_the_persons_last_again_when_a_newer_one_was_a_machines(org: Org) -> None:
    person = org.add_person()
    old, new = org.plan(person), org.plan(person, decision="d2")
    for plan in (old, new):
        org.w.sends.table.put({**put_by(org.w.sends.claiming(plan, now=NOW, day="2026-03-04")), "state": "SENT"})
    tell(org, click(old, 3_600), click(new, 7_200), opened(old, 3_500))
    assert org.row(person).last_human_click_at == epoch_seconds(MAIL_AT) + 7_200
    tell(org, click(new, 7_201, "cta2"), click(new, 7_202, "cta3"))
    row = org.row(person)
    assert (row.last_human_click_at, row.last_human_open_at) == (epoch_seconds(MAIL_AT) + 3_600, epoch_seconds(MAIL_AT) + 3_500)
    assert row.human_clicks == pytest.approx(1.0, abs=0.01)


def test_any_order_and_any_repetition_leave_the_same_behind(org: Org) -> None:
    chance = random.Random(11)
    states = []
    for n in range(4):
        here = Org.open(org.system, f"{org.name}-{n}")
        plan = here.mailed()
        told = [
            delivered(plan, 31),
            opened(plan, 39.5),
            *(click(plan, 40 + i / 2, f"cta{i}") for i in range(4)),
            click(plan, 50),
            opened(plan, 4_000),
            click(plan, 4_100),
            click(plan, 90_000),
        ]
        if n:
            chance.shuffle(told)
        tell(here, *told, *told[:4])
        states.append(state_of(here, plan))
        assert states[-1] == states[0]
    assert states[0]["outcome"]["human_clicks"] == 3


def test_several_workers_at_once_leave_what_one_would(org: Org) -> None:
    one, many = org.mailed(), Org.open(org.system, f"{org.name}-many")
    other = many.mailed()

    def told(plan: PlannedSend) -> list[str]:
        return [
            delivered(plan, 31),
            *(click(plan, 40 + i / 2, f"cta{i}") for i in range(3)),
            opened(plan, 39.5),
            click(plan, 4_100),
        ]

    tell(org, *told(one))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda body: tell(many, body), told(other)))
    assert state_of(many, other) == state_of(org, one)


def test_more_verdicts_than_a_transaction_holds_change_in_several(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touches, "MOST_REVISIONS", 2)
    plan = org.mailed()
    tell(org, *(click(plan, 603 + n / 10, "cta1") for n in range(7)))
    assert org.counters()["human_clicks"] == 7
    assert tell(org, delivered(plan, 600), delivered(plan, 600)) == ["delivery", "repeated"]
    assert (org.counters()["machine_clicks"], org.send(plan)["machine_clicks"]) == (7, 7)
    assert "human_clicks" not in org.counters()


def test_a_worker_that_died_between_two_transactions_is_followed_by_one_that_ends_its_work(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(touches, "MOST_REVISIONS", 2)
    plan = org.mailed()
    tell(org, *(click(plan, 603 + n / 10, "cta1") for n in range(5)))
    calls = itertools.count()

    def dying(actions: Any) -> None:
        if next(calls):
            raise RuntimeError("killed")
        dynamo.commit(actions)

    monkeypatch.setattr(touches, "commit", dying)
    with pytest.raises(RuntimeError):
        tell(org, delivered(plan, 600))
    assert org.send(plan)["machine_clicks"] == 2
    monkeypatch.setattr(touches, "commit", dynamo.commit)
    assert tell(org, delivered(plan, 600)) == ["repeated"]
    assert org.send(plan)["machine_clicks"] == 5


def test_money_is_reckoned_again_for_whom_the_verdict_took_the_click(org: Org) -> None:
    """Attribute is told the keys of all conversions after the first touch that changed."""
    plan = org.mailed()
    tell(org, *(click(plan, 3_600 + n / 2, f"cta{n}") for n in range(2)))
    org.drained(names.POSTBACKS_QUEUE_URL)
    facts = {"key": "k1", "send_id": plan.send_id}
    sold = org.w.timeline.recording(
        org.name, plan.subscriber, at=datetime.fromisoformat(at(3_600.7)), kind="conversion", event_id="x", facts=facts
    )
    org.w.timeline.table.put(put_by(sold))
    third = click(plan, 3_601, "cta2")
    for _ in range(2):  # and once more when the event comes again: whoever took it first may have died before asking
        tell(org, third)
        asked = [json.loads(body) for body in org.drained(names.POSTBACKS_QUEUE_URL)]
        assert asked == [{"kind": "reattribute", "org": org.name, "key": "k1"}]


def test_what_is_kept_of_a_click_shows_neither_where_it_came_from_nor_where_it_led(org: Org) -> None:
    plan = org.mailed()
    tell(org, click(plan, 3_600))
    (item,) = org.timeline(plan.subscriber)
    assert (item["agent"], item["honeypot"], item["data_centre"]) == (BROWSER, False, False)
    assert not any(secret in repr(item) for secret in ("198.51.100.7", "http"))
