"""From stored pages with ghosts to a bundle whose table is solved for the list's habits: what was kept back is read with what was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np

from revenue_engine.audit import decision_id
from revenue_engine.bundle import dump, load, prior_bundle
from revenue_engine.clock import cycle_id_at, epoch_seconds
from revenue_engine.learning.outcomes import Mail, gather
from revenue_engine.learning.people import mail_plan
from revenue_engine.learning.train import train_habits
from revenue_engine.log_pages import Stored
from revenue_engine.pacing.index import Habits
from revenue_engine.pacing.solve import solve
from revenue_engine.records.batch import decode
from revenue_engine.records.controls import Controls
from revenue_engine.records.subscriber import apply_claim, apply_touch, pack
from revenue_engine.served import mails_of_people
from revenue_engine.training import Source, Trained, run_value
from tests.core_cases import DAY, NOW, a_cycle, a_row, keep
from tests.learning.test_value_from_pages import decided, stored

PEOPLE, CYCLES, EVERY = 300, 16, timedelta(days=2)
BEGAN = NOW - CYCLES * EVERY - timedelta(days=14)
PRIOR = prior_bundle(NOW)
CONTROLS = Controls(ghost_share=0.2, max_emails_per_subscriber_per_week=7)


@cache
def played() -> tuple[list[Stored], list[Mail], int, int]:
    """A month of a list that is due every other day, a fifth of its mails kept back: pages, mails, sends and ghosts."""
    random, pages, mails, sends, ghosts = np.random.default_rng(1), [], [], 0, 0
    rows = [
        replace(a_row(i + 1), recent_sends=(0,) * 8, last_send_at=0, decayed_at=epoch_seconds(BEGAN) - DAY) for i in range(PEOPLE)
    ]
    for number in range(CYCLES):
        now = BEGAN + number * EVERY
        at = epoch_seconds(now)
        page = decode([f"s{i:07d}" for i in range(PEOPLE)], [pack(row) for row in rows], [0] * PEOPLE)
        cycle = a_cycle(now=now, cycle_id=cycle_id_at(now), bundle=PRIOR, controls=CONTROLS)
        decisions = decided(page, cycle)
        pages.append(stored(page, cycle, decisions))
        sends, ghosts = sends + int(decisions.send.sum()), ghosts + int(decisions.ghost.sum())
        for i in np.flatnonzero(decisions.mail).tolist():
            name = decision_id(cycle.context.cycle_id, str(page.subscriber[i]))
            rows[i] = apply_touch(apply_claim(rows[i], at=at, offer_number=101), kind="delivery", at=at + 60)
            mails.append(Mail(name, f"m-{name}", float(at), at + 600.0 if random.random() < 0.2 else None, False))
    return pages, mails, sends, ghosts


@cache
def trained() -> Trained:
    pages, mails, _, _ = played()
    return run_value(Source([], {}, PRIOR, keep(PRIOR), iter(mails), iter([]), iter(pages)), NOW, code_version="1")


def test_what_was_kept_back_is_read_with_what_was_sent() -> None:
    pages, mails, sends, ghosts = played()
    outcomes = gather(mails, [])
    by = mail_plan(outcomes, as_of=float(epoch_seconds(NOW)))
    log, meant, left_out = mails_of_people(pages, keep(PRIOR), outcomes, by)
    assert ghosts > 200 and int(meant.ghost.sum()) == ghosts and int(meant.sent.sum()) == len(mails) == len(log.day) == sends
    assert not (meant.ghost & (meant.sent | meant.clicked)).any() and meant.closed.all()
    np.testing.assert_allclose(meant.ghost_share, 0.2)
    assert int(meant.clicked.sum()) == sum(mail.first_click_at is not None for mail in mails)
    assert left_out["not_delivered"] == 0
    other = mails_of_people(list(reversed(pages)), keep(PRIOR), outcomes, by)[1]
    assert all(getattr(meant, name).tobytes() == getattr(other, name).tobytes() for name in meant.__slots__)


def test_a_list_too_young_for_a_value_model_gets_its_habits() -> None:
    found = trained()
    assert found.refused.startswith("value_too_young")
    (only,) = found.candidates
    assert found.promoted is only and only.name == "habits"
    figures, habits = only.bundle.manifest.metrics, only.bundle.index.habits
    assert figures["habits_ghosts"] > 100 and figures["habits_mails"] == len(played()[1])
    assert figures["habits_value_per_mail_prior"] == Habits().value_per_mail
    assert figures["habits_value_per_mail"] == habits.value_per_mail != Habits().value_per_mail
    assert only.bundle.index.value.tobytes() == solve(habits).value.tobytes()
    assert load(dump(only.bundle)) == only.bundle and only.bundle.index.habits.half_life_days == Habits().half_life_days
    assert found.report()["candidates"][0]["metrics"]["habits_value_per_mail"] == habits.value_per_mail


def test_the_same_log_gives_the_same_bundle_and_then_nothing_new() -> None:
    pages, mails, _, _ = played()
    champion = trained().candidates[0].bundle
    again = run_value(Source([], {}, PRIOR, keep(PRIOR), iter(mails[::-1]), iter([]), iter(pages[::-1])), NOW, code_version="1")
    assert again.candidates[0].bundle.version == champion.version
    later = run_value(Source([], {}, champion, keep(PRIOR), iter(mails), iter([]), iter(pages)), NOW, code_version="1")
    assert later.candidates == ()


def test_no_log_is_the_prior() -> None:
    outcomes = gather([], [])
    _, meant, _ = mails_of_people([], keep(PRIOR), outcomes, mail_plan(outcomes, as_of=float(epoch_seconds(NOW))))
    assert train_habits(meant, code_version="1", champion=PRIOR).bundle.index.habits == Habits() == PRIOR.index.habits
