"""What conversions pay in the end, from a log told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.logs.columns import STATES, Columns
from workbench.simulation.twin import money

DAY = money.DAY
NOW = 100 * DAY
NAN = float("nan")


def log(*sales: tuple[int, float, str, int], mails: int = 40, unclicked: tuple[int, ...] = ()) -> Columns:
    """`sales`: mail, days ago, state, micros. Mails are of offer 0, those of even numbers of offer 1; all clicked but these."""
    mail, ago, state, micros = (np.array(values) for values in zip(*sales, strict=True))
    offer = (np.arange(mails) + 1) % 2
    clicked = np.where(np.isin(np.arange(mails), unclicked), NAN, NOW - 90 * DAY)
    code = np.array([STATES.index(one) for one in state], dtype=np.uint8)
    return Columns(
        offers=("a", "b"),
        currencies=("USD",),
        subscriber=np.arange(mails),
        offer=offer,
        sent_at=np.full(mails, NOW - 91 * DAY),
        delivered=np.ones(mails, dtype=bool),
        hard_bounced=np.zeros(mails, dtype=bool),
        opened=np.ones(mails, dtype=bool),
        clicked_at=clicked,
        unsubscribed_at=np.full(mails, NAN),
        complained_at=np.full(mails, NAN),
        sale_mail=mail,
        sale_offer=np.where(mail >= 0, offer[mail], 0),
        sale_at=NOW - ago * DAY,
        sale_state=code,
        provisional_micros=np.where(code == 0, micros, 0),
        approved_micros=np.where(code == 1, micros, 0),
    )


def test_sales_rebills_and_lines_without_a_click_are_told_apart() -> None:
    of = log(
        (0, 80, "approved", 900),
        (0, 50, "approved", 270),  # a month after the first
        (0, 20, "approved", 270),  # and another
        (2, 60, "approved", 500),
        (2, 59, "provisional", 500),  # a day after: a second sale, or a second id
        (3, 10, "provisional", 700),
        (-1, 10, "provisional", 700),
        unclicked=(3,),
    )
    lines = money.sort(of)
    assert lines.sale.tolist() == [True, False, False, True, True, False, False]
    assert lines.rebill.tolist() == [False, True, True, False, False, False, False]
    assert lines.unclicked.tolist() == [False] * 5 + [True] * 2
    assert lines.before.tolist() == [-1, 0, 1, -1, 3, -1, -1]
    assert lines.first.tolist() == [0, 0, 0, 3, 3, 5, 6]
    assert lines.micros.tolist() == [900, 270, 270, 500, 500, 700, 700]


def test_the_share_kept_is_of_those_old_enough_to_be_decided() -> None:
    sales = [(mail, 31.0 + mail, "approved", 100) for mail in range(16)]
    sales += [(16 + mail, 35.5 + mail, "rejected", 0) for mail in range(4)]
    sales += [(20 + mail, 1.0 + mail, "provisional", 100) for mail in range(18)]
    sales += [(38, 3.0, "rejected", 0), (39, 5.0, "rejected", 0)]  # the young that are decided are the bad ones
    of = log(*sales)
    kept = money.kept(of, money.sort(of), NOW)
    assert kept is not None
    assert (kept.kept, kept.lost) == (16, 4)
    assert 18 < kept.hold_days <= 31
    draws = kept.draws(20_000, np.random.default_rng(1))
    assert draws.mean() == pytest.approx(16.5 / 21, abs=0.005)


def test_without_settled_lines_nothing_is_known_of_approval() -> None:
    of = log(*[(mail, 5.0 + mail, "provisional", 100) for mail in range(20)])
    assert money.kept(of, money.sort(of), NOW) is None
    of = log(*[(mail, 5.0 + mail, "approved", 100) for mail in range(9)])
    assert money.kept(of, money.sort(of), NOW) is None


def test_amounts_are_the_offers_own_and_now_and_then_anothers() -> None:
    of = log(*[(mail, 40.0, "approved", 1_000 if mail % 2 else 5_000) for mail in range(38)])
    amounts = money.amounts(of, money.sort(of))
    offer = np.array([0, 1] * 5_000)
    drawn = amounts.draws(offer, np.arange(10_000) % 100, 100, np.random.default_rng(2))
    assert set(drawn.tolist()) == {1_000, 5_000}
    assert (drawn[offer == 0] == 1_000).mean() == pytest.approx(1 - 0.5 / 20, abs=0.01)
    with pytest.raises(ValueError, match="pays"):
        money.amounts(log((0, 40.0, "rejected", 0)), money.sort(log((0, 40.0, "rejected", 0))))


def test_rebills_fall_due_a_month_after_the_line_before() -> None:
    first = [(mail, 70.0, "approved", 1_000) for mail in range(0, 20, 2)]  # of offer b
    again = [(mail, 40.0, "approved", 300) for mail in range(0, 16, 2)]
    other = [(mail, 70.0, "approved", 800) for mail in range(1, 21, 2)]  # of offer a, never billed again
    due = [(30, 25.0, "approved", 1_000), (32, 22.0, "approved", 1_000), (33, 29.0, "approved", 800)]
    of = log(*first, *again, *other, *due)
    found = money.rebills(of, money.sort(of), NOW, 7)
    chance = found.came / (found.came + found.stayed_away)
    told = dict(zip(found.line.tolist(), zip(found.micros.tolist(), chance.tolist(), strict=True), strict=True))
    assert set(told) == {28, 30}  # of 25 and of 29 days; that of 22 days is not due yet, those of 40 did not come again
    assert told[28][0] == 300 and told[30][0] == 240
    assert told[28][1] > 0.4 > 0.1 > told[30][1]
    assert found.draws(20_000, np.random.default_rng(3)).mean() == pytest.approx(float(found.micros @ chance), rel=0.03)


def test_without_a_rebill_none_is_expected() -> None:
    of = log((0, 40.0, "approved", 100), (2, 25.0, "approved", 100))
    assert not money.rebills(of, money.sort(of), NOW, 7).draws(10, np.random.default_rng(0)).any()
