"""What a sync has to do about a whole listing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.intake.everflow import ListedOffer
from revenue_engine.offers.sync import DETAIL_AGE, DetailRead, SyncPlan, plan_sync, stopped
from revenue_engine.records.offer import Offer
from tests.core_cases import NOW, an_offer


def seen(number: int, what: str = "as before") -> ListedOffer:
    return ListedOffer(str(number), what, {})


def planned(*listed: ListedOffer, reads: dict[str, DetailRead], offers: list[Offer], due: set[str] | None = None) -> SyncPlan:
    return plan_sync({o.offer: o for o in offers}, reads, listed, now=NOW, due_lists=due or set())


def test_the_most_pressing_detail_is_read_first() -> None:
    offers = [an_offer(n) for n in (1, 2, 3, 4, 6)] + [
        an_offer(5, suppression_list="l"),
        stopped(an_offer(7), "offer_not_listed"),
    ]
    ages = {1: 23, 2: 40, 3: 1, 4: 1, 5: 1, 6: 50, 7: 1}
    reads = {str(n): DetailRead("as before", NOW - timedelta(hours=hours)) for n, hours in ages.items()}
    listed = [seen(n) for n in (1, 2, 3, 5, 6, 7, 8)] + [seen(4, "another payout")]
    plan = planned(*listed, reads=reads, offers=offers, due={"l"})
    # changed; stopped or new; with a list that is due; old, the oldest first
    assert [one.offer for one in plan.to_read] == ["4", "7", "8", "5", "6", "2", "1"]
    assert (plan.changed, [one.offer for one in plan.as_known], plan.gone) == (frozenset({"4"}), ["3"], ())


def test_an_offer_that_no_sync_has_read_yet_rests_until_one_has() -> None:
    plan = planned(seen(1), reads={}, offers=[an_offer(1)])
    assert (plan.changed, [one.offer for one in plan.to_read]) == (frozenset({"1"}), ["1"])


def test_a_stopped_offer_is_like_no_other_so_that_it_can_come_back() -> None:
    offer = stopped(an_offer(1), "offer_not_listed")
    assert (offer.may_run, offer.stop_reason, offer.content_hash) == (False, "offer_not_listed", "")


numbers = st.integers(1, 12)
readings = st.builds(DetailRead, st.sampled_from(["a", "b"]), st.integers(0, 48).map(lambda h: NOW - timedelta(hours=h)))
catalogues = st.dictionaries(numbers, st.sampled_from([None, "offer_not_listed"]))


@given(catalogues, st.dictionaries(numbers, readings), st.dictionaries(numbers, st.sampled_from(["a", "b"])))
def test_every_listed_offer_is_read_or_kept_and_every_other_is_gone(
    known: dict[int, Any], read: dict[int, DetailRead], listing: dict[int, str]
) -> None:
    offers = [an_offer(n) if reason is None else stopped(an_offer(n), reason) for n, reason in known.items()]
    reads = {str(n): one for n, one in read.items()}
    plan = planned(*(seen(n, what) for n, what in listing.items()), reads=reads, offers=offers)
    to_read, kept = {one.offer for one in plan.to_read}, {one.offer for one in plan.as_known}
    running = {str(n) for n, reason in known.items() if reason is None}
    assert to_read | kept == {str(n) for n in listing}
    assert not to_read & kept
    assert {offer.offer for offer in plan.gone} == running - {str(n) for n in listing}
    assert plan.changed <= to_read & running
    for one in plan.as_known:  # nothing is kept that was not understood as it is, lately
        assert one.offer in running
        assert reads[one.offer].seen == one.seen
        assert NOW - reads[one.offer].read_at < DETAIL_AGE
