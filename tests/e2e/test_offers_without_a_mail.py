"""An offer of which no mail can be made for a reader: he gets the other one the next time."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from revenue_engine.records.offer import Offer
from revenue_engine.services.catalogue import import_suppression_list
from tests.e2e.house import ORG, House, address, an_offer_to_mail, house, offers

BROKEN = '<html><body>Hi {{ password }} <a href="{{ offer_url }}">x</a></body></html>'


@pytest.mark.parametrize("reason", ["content_incomplete", "advertiser_suppressed"])
def test_whoever_had_no_mail_of_an_offer_is_mailed_another_one_the_next_time(reason: str) -> None:
    sound, other = offers()
    if reason == "content_incomplete":
        other = replace(other, content_hash="x", creatives=tuple(replace(one, html=BROKEN) for one in other.creatives))
    else:
        other = replace(other, content_hash="x", suppression_list="12")
    with house(12, by_hand=True, catalogue=(sound, other)) as made:
        opted_out_at_the_advertiser(made, 12)
        for _ in range(2):
            made.cycle()
            made.run(2 * 24 * 60)
        assert made.drops() == {reason}
        planned = Counter((line["subscriber"], line["offer"]) for line in made.receipts() if line["mailed"])
        assert set(planned.values()) == {1}
        assert sorted(mail.offer for mail in made.mails) == ["1001"] * 12


def opted_out_at_the_advertiser(made: House, people: int) -> None:
    """Everybody is on list 12, which is taken in anew."""
    hashes = ["md5:" + hashlib.md5(address(n).encode()).hexdigest() for n in range(people)]
    import_suppression_list(made.w, ORG, "12", hashes, now=made.now)


def suppressed(number: int) -> Offer:
    """An offer that pays most, whose advertiser's list is 12."""
    return replace(an_offer_to_mail(number, payout_micros=60_000_000), content_hash=f"x{number}", suppression_list="12")


@pytest.mark.parametrize(("per_week", "gap_days"), [(1, 3), (1, 0), (7, 0)])
def test_whoever_is_back_later_than_after_the_gap_is_not_planned_for_the_same_offer_again(per_week: int, gap_days: int) -> None:
    catalogue = (an_offer_to_mail(1001, payout_micros=2_000_000), suppressed(1002))
    with house(
        4, by_hand=True, catalogue=catalogue, max_emails_per_subscriber_per_week=per_week, same_offer_gap_days=gap_days
    ) as made:
        for _ in range(4):
            opted_out_at_the_advertiser(made, 4)
            made.cycle()
            made.run((7 * 24 + 2) * 60)
        assert made.drops() == {"advertiser_suppressed"}
        planned = Counter((line["subscriber"], line["offer"]) for line in made.receipts() if line["mailed"])
        assert [n for (_, offer), n in planned.items() if offer == "1002"] == [1] * 4
        assert Counter(mail.offer for mail in made.mails) == {"1001": 8}


def test_five_offers_of_which_there_is_no_mail_are_tried_once_each_and_then_another_one_goes_out() -> None:
    barred = [suppressed(number) for number in range(1002, 1007)]
    catalogue = (an_offer_to_mail(1001, payout_micros=2_000_000), *barred)
    with house(4, by_hand=True, catalogue=catalogue, same_offer_gap_days=7, max_emails_per_subscriber_per_week=7) as made:
        for _ in range(8):
            opted_out_at_the_advertiser(made, 4)
            made.cycle(minutes=30)
            made.run(2 * 24 * 60 - 30)
        planned = Counter((line["subscriber"], line["offer"]) for line in made.receipts() if line["mailed"])
        assert sorted(n for (_, offer), n in planned.items() if offer != "1001") == [1] * 20
        assert Counter(mail.offer for mail in made.mails) == {"1001": 4}
