"""An offer of which no mail can be made for a reader: he gets the other one the next time."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from revenue_engine.services.catalogue import import_suppression_list
from tests.e2e.house import ORG, address, house, offers

BROKEN = '<html><body>Hi {{ password }} <a href="{{ offer_url }}">x</a></body></html>'


@pytest.mark.parametrize("reason", ["content_incomplete", "advertiser_suppressed"])
def test_whoever_had_no_mail_of_an_offer_is_mailed_another_one_the_next_time(reason: str) -> None:
    sound, other = offers()
    if reason == "content_incomplete":
        other = replace(other, content_hash="x", creatives=tuple(replace(one, html=BROKEN) for one in other.creatives))
    else:
        other = replace(other, content_hash="x", suppression_list="12")
    with house(12, by_hand=True, catalogue=(sound, other)) as made:
        import_suppression_list(
            made.w, ORG, "12", ["md5:" + hashlib.md5(address(n).encode()).hexdigest() for n in range(12)], now=made.now
        )
        for _ in range(2):
            made.cycle()
            made.run(2 * 24 * 60)
        assert made.drops() == {reason}
        planned = Counter((line["subscriber"], line["offer"]) for line in made.receipts() if line["mailed"])
        assert set(planned.values()) == {1}
        assert sorted(mail.offer for mail in made.mails) == ["1001"] * 12
