"""The catalogue as the API tells it: what is not whole changes nothing, what is not understood is mailed to nobody."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.everflow import OfferDetail, parse_offer_detail, parse_offers
from revenue_engine.records.offer import Creative, Offer, ineligible_reason
from revenue_engine.services import sync_offers
from revenue_engine.services.catalogue import import_offers
from revenue_engine.services.everflow_api import EverflowClient, EverflowUnavailable
from revenue_engine.services.sync_offers import sync_catalogue
from tests.builders import NOW, Org, an_offer
from tests.everflow_members import a_mail, a_member
from workbench.simulation.everflow import EverflowApi, Fault

HOURS = timedelta(hours=1)
FILE = "/suppression/list.txt"


class Network:
    """The fake API on a socket, with what a test wants to say about it."""

    def __init__(self, org: Org, api: EverflowApi, origin: str) -> None:
        self.org, self.api, self.origin = org, api, origin
        self.pauses: list[float] = []

    def sync(self, *, now: datetime = NOW, remaining: Callable[[], int] = lambda: 900_000) -> dict[str, Any]:
        with EverflowClient(self.origin, "k", pause=self.pauses.append, clock=lambda: 0.0) as client:
            return sync_catalogue(self.org.w, client, org=self.org.name, now=now, remaining_millis=remaining)

    def offer(self, number: int) -> Offer:
        offer = self.org.w.offers.get(self.org.name, str(number))
        assert offer is not None
        return offer

    def why_not(self, number: int) -> str | None:
        return ineligible_reason(self.offer(number), now=NOW)

    def details_read(self) -> list[str]:
        """Which details were asked for, since the last call."""
        asked = [line.rpartition("/")[2] for line in self.api.asked if "/affiliates/offers/" in line]
        self.api.asked.clear()
        return asked

    def file(self, text: str, path: str = FILE) -> str:
        self.api.files[path] = text.encode()
        return f"{self.origin}{path}"


@pytest.fixture
def network(org: Org) -> Iterator[Network]:
    api = EverflowApi("k")
    (creative,) = an_offer().creatives
    org.w.offers.put(org.name, an_offer(creatives=(replace(creative, asset="10420"),)))
    with api.serve() as origin:
        yield Network(org, api, origin)


def told(problems: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(one["where"], one["field"], one["reason"]) for one in problems]


# --- offers ------------------------------------------------------------------------------------------------------------------
def test_a_new_catalogue_is_taken_in_and_a_second_sync_changes_nothing(network: Network) -> None:
    network.api.offers = [a_member(1042), a_member(2077)]
    said = network.sync()
    assert said == {"listed": 2, "created": 1, "updated": 1, "lists": {}, "problems": [], "remarks": []}  # 1042 was imported
    assert (network.why_not(1042), network.why_not(2077)) == (None, None)
    assert network.offer(2077).creatives[0].asset == "20770"
    assert network.details_read() == ["1042", "2077"]
    before = network.org.w.offers.catalogue(network.org.name)
    assert network.sync(now=NOW + 6 * HOURS)["unchanged"] == 2
    assert network.details_read() == []
    assert network.org.w.offers.catalogue(network.org.name) == before


def test_details_are_read_again_when_the_listing_says_something_else_and_once_a_day(network: Network) -> None:
    network.api.offers = [a_member(1042), a_member(2077)]
    network.sync()
    network.details_read()
    network.api.offers[0]["relationship"]["payouts"]["entries"][0]["payout_amount"] = 40
    said = network.sync(now=NOW + 6 * HOURS)
    assert (said["updated"], said["unchanged"]) == (1, 1)
    assert network.details_read() == ["1042"]
    assert network.offer(1042).payout_micros == 40_000_000
    # a creative is in no listing: it is known at the next day's reading
    network.api.offers[1]["relationship"]["creatives"]["entries"][0]["email_subject"] = "Another"
    network.sync(now=NOW + 12 * HOURS)
    assert network.details_read() == []
    assert network.sync(now=NOW + 24 * HOURS)["updated"] == 1
    assert network.details_read() == ["2077"]  # the other was read eighteen hours ago
    assert network.offer(2077).creatives[0].subject == "Another"


def test_an_offer_that_is_not_listed_any_more_stops_and_comes_back_when_it_is(network: Network) -> None:
    network.api.offers = [a_member(1042), a_member(2077)]
    network.sync()
    gone = network.api.offers.pop()
    assert network.sync()["stopped"] == 1
    assert (network.offer(2077).may_run, network.why_not(2077), network.why_not(1042)) == (False, "offer_not_listed", None)
    assert network.offer(2077).currency == "USD"  # its books still need it
    assert "stopped" not in network.sync()
    network.api.offers.append(gone)
    assert network.sync()["updated"] == 1
    assert network.why_not(2077) is None


def test_an_empty_listing_stops_everything_and_rings(network: Network, capfd: pytest.CaptureFixture[str]) -> None:
    said = network.sync()
    assert (said["stopped"], told(said["problems"])) == (1, [("listing", "offers", "nothing_listed")])
    assert network.why_not(1042) == "offer_not_listed"
    assert '"OffersNotUnderstood":[1.0]' in capfd.readouterr().out


@pytest.mark.parametrize("fault", [Fault.SHORT_PAGE, Fault.MOVED_TOTAL, Fault.NO_DATA, Fault.SERVER_ERROR, Fault.NO_ANSWER])
def test_a_listing_that_is_not_whole_changes_nothing(network: Network, fault: Fault) -> None:
    network.api.offers = [a_member(1042), a_member(2077)]
    network.sync()
    before = network.org.w.offers.catalogue(network.org.name)
    network.api.offers = [a_member(1042, offer_status="paused")]
    network.api.faults.extend([fault] * 40)
    with pytest.raises(EverflowUnavailable):
        network.sync()
    assert network.org.w.offers.catalogue(network.org.name) == before


def test_a_detail_that_cannot_be_understood_stops_its_offer_and_no_other(
    network: Network, capfd: pytest.CaptureFixture[str]
) -> None:
    network.api.offers = [a_member(1042), a_member(2077), a_member(3003)]
    network.sync()
    network.api.offers[0] = a_member(1042, r_ruleset={"regions": [{"region_id": 1501}]})
    network.api.offers[2] = a_member(3003, r_channels={"total": 1, "entries": [{"name": "Email, but not for mail"}]})
    network.api.offers.append(a_member(4004, currency_id="XQZ"))
    said = network.sync()
    assert told(said["problems"]) == [
        ("offer 1042", "relationship.ruleset.regions", "rule_we_cannot_keep"),
        ("offer 3003", "relationship.channels", "unreadable_channel"),
        ("offer 4004", "currency_id", "unknown_currency"),
    ]
    assert [network.why_not(n) for n in (1042, 2077, 3003)] == ["offer_not_understood", None, "offer_not_understood"]
    assert network.org.w.offers.get(network.org.name, "4004") is None
    assert '"OffersNotUnderstood":[3.0]' in capfd.readouterr().out
    network.details_read()
    assert len(network.sync()["problems"]) == 3  # it rings until somebody mends it
    assert network.details_read() == ["1042", "3003", "4004"]
    network.api.offers[:] = [a_member(1042), a_member(2077), a_member(3003)]
    assert network.sync()["problems"] == []
    assert [network.why_not(n) for n in (1042, 2077, 3003)] == [None] * 3


def test_an_offer_whose_detail_is_gone_stops(network: Network) -> None:
    network.api.offers = [a_member(1042)]
    network.sync()
    answer = network.api.answer

    def without_details(method: str, url: str, key: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        return (404, {"error": "Not Found"}) if "/offers/" in url else answer(method, url, key, body)

    network.api.answer = without_details  # type: ignore[method-assign]
    network.api.offers = [a_member(1042, name="Renamed")]
    assert told(network.sync()["problems"]) == [("offer 1042", "document", "no_detail")]
    assert network.why_not(1042) == "offer_not_understood"


def test_a_changed_offer_that_could_not_be_read_rests_until_it_is(network: Network) -> None:
    network.api.offers = [a_member(1042), a_member(2077), a_member(3003)]
    network.sync()
    network.api.offers = [a_member(1042, name="A"), a_member(2077, name="B"), a_member(3003)]
    network.api.faults.extend([None, None, *[Fault.SERVER_ERROR] * 40])  # the listing and the first detail come
    with pytest.raises(EverflowUnavailable):
        network.sync()
    assert [network.why_not(n) for n in (1042, 2077, 3003)] == [None, "offer_changed_unread", None]
    network.api.faults.clear()
    network.sync()
    assert [network.why_not(n) for n in (1042, 2077, 3003)] == [None] * 3


def test_a_sync_that_dies_while_it_reads_leaves_no_changed_offer_on_its_old_terms(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.api.offers = [a_member(1042), a_member(2077), a_member(3003), a_member(4004)]
    network.sync()
    network.api.offers = [a_member(1042, name="A"), a_member(2077, name="B"), a_member(3003, name="C"), a_member(4004)]
    with monkeypatch.context() as patched:

        def dies(text: str, *, offer: str, **known: Any) -> OfferDetail:
            if offer == "2077":
                raise SystemExit  # as where its memory, or its time, is over
            return parse_offer_detail(text, offer=offer, **known)

        patched.setattr(sync_offers, "parse_offer_detail", dies)
        with pytest.raises(SystemExit):
            network.sync()
    unread = "offer_changed_unread"
    assert [network.why_not(n) for n in (1042, 2077, 3003, 4004)] == [None, unread, unread, None]
    assert network.sync()["updated"] == 2
    assert [network.why_not(n) for n in (1042, 2077, 3003, 4004)] == [None] * 4


def test_a_sync_goes_as_far_as_its_time_and_the_next_goes_on(network: Network) -> None:
    network.api.offers = [a_member(number) for number in (1042, 2077, 3003)]
    left = iter((900_000, sync_offers.DETAIL_MILLIS, 0, 0, 0))
    said = network.sync(remaining=lambda: next(left))
    assert (said.get("created"), said["updated"], said["unread"]) == (1, 1, 1)
    assert network.details_read() == ["1042", "2077"]
    assert network.sync()["created"] == 1
    assert network.details_read() == ["3003"]


def test_a_burst_of_refusals_is_waited_out(network: Network) -> None:
    network.api.offers = [a_member(1042)]
    network.api.faults.extend([Fault.TOO_MANY] * 2 + [None, Fault.NO_ANSWER])
    assert network.sync()["updated"] == 1
    assert [pause for pause in network.pauses if pause == 2.0] == [2.0, 2.0]


def test_without_a_key_the_catalogue_stays(org: Org) -> None:
    before = org.w.offers.catalogue(org.name)
    assert sync_catalogue(org.w, None, org=org.name, now=NOW, remaining_millis=lambda: 0) == {"skipped": "no_api_key"}
    assert org.w.offers.catalogue(org.name) == before


def test_the_last_sync_is_on_record_for_the_operator(network: Network) -> None:
    assert network.org.w.offers.sync_report(network.org.name) is None
    network.api.offers = [a_member(1042, is_force_terms_and_conditions=True)]
    said = network.sync()
    report = network.org.w.offers.sync_report(network.org.name)
    assert report is not None
    assert {name: report[name] for name in said} == said
    assert told(report["remarks"]) == [("offer 1042", "is_force_terms_and_conditions", "terms_to_accept")]
    assert report["synced_at"] == epoch_seconds(NOW)


def test_an_asset_that_makes_no_mail_is_not_taken_and_a_remark_says_why(network: Network) -> None:
    broken = a_mail(2, "soft", html_code="<p>{{ offer_url }} {{ offer_url.name }}</p>")
    network.api.offers = [a_member(1042), a_member(2077, r_creatives={"total": 2, "entries": [a_mail(1), broken]})]
    network.sync()
    assert [c.asset for c in network.offer(2077).creatives] == ["1"]
    report = network.org.w.offers.sync_report(network.org.name)
    assert report is not None
    assert told(report["remarks"]) == [("offer 2077", "relationship.creatives[1].html_code", "does_not_render")]
    assert report["remarks"][0]["detail"] == "'str object' has no attribute 'name'"


def test_half_a_character_wherever_it_stands_is_one_offers_fault_and_ends_no_sync(network: Network) -> None:
    unsaid = a_mail(2, "soft", html_code='<p>{{ offer_url }} {{ {"a": 1}["\\ud83d"] }}</p>')
    network.api.offers = [
        a_member(1042, r_category={"name": "\ud83d"}),
        a_member(2077, r_creatives={"entries": [a_mail(1), unsaid, a_mail(3, html_code="{{ offer_url }}\ud83d")]}),
    ]
    said = network.sync()
    assert told(said["problems"]) == [("offer 1042", "document", "half_a_character")]
    assert [one["reason"] for one in said["remarks"]] == ["does_not_render", "control_character"]
    assert "has no attribute" in said["remarks"][0]["detail"]
    assert [c.asset for c in network.offer(2077).creatives] == ["1"]


# --- what the operator has said ----------------------------------------------------------------------------------------------
def test_the_operators_slot_and_variants_survive_and_so_do_creatives_of_his_own(network: Network) -> None:
    org = network.org
    file = a_member(2077, sub_slot="sub5")
    file["relationship"]["creatives"]["entries"] = [a_mail(1, "A", variant="urgency"), a_mail(2, "B", variant="soft")]
    import_offers(org.w, org.name, parse_offers(json.dumps([file])).offers)
    own = Creative("discount", "Us", "Ours", "<a>")
    known = network.offer(2077)
    org.w.offers.put(org.name, replace(known, creatives=(*known.creatives, own)))
    network.api.offers = [
        a_member(2077, r_creatives={"total": 2, "entries": [a_mail(2, "B", email_subject="New"), a_mail(3, "C")]})
    ]
    network.sync()
    synced = network.offer(2077)
    assert synced.sub_slot == "sub5"
    assert {c.variant: (c.asset, c.subject) for c in synced.creatives} == {
        "discount": ("", "Ours"),
        "soft-2": ("2", "New"),
        "standard-3": ("3", "An offer for {{ first_name | default('you') }}"),
    }  # asset 1, which the network has withdrawn, is gone


def test_what_is_left_of_caps_is_known_without_reading_details(network: Network) -> None:
    network.api.offers = [a_member(1042, daily_conversion_cap=10, r_remaining_caps={"remaining_daily_conversion_cap": 4})]
    network.sync()
    assert [(cap.limit, cap.left) for cap in network.offer(1042).caps] == [(10, 4)]
    network.details_read()
    network.api.offers = [a_member(1042, daily_conversion_cap=10, r_remaining_caps={"remaining_daily_conversion_cap": 0})]
    assert network.sync(now=NOW + 6 * HOURS)["unchanged"] == 1
    assert network.details_read() == []
    offer = network.offer(1042)
    assert (offer.caps[0].left, offer.caps_read_at) == (0, NOW + 6 * HOURS)


def test_what_the_day_had_of_ours_is_kept_with_what_is_left(network: Network) -> None:
    org, said = network.org, {"remaining_daily_conversion_cap": 4}
    commit(org.w.counters.money(org.name, NOW.date(), {"capped_conversions@1042": 3}, shard_by="x"))
    network.api.offers = [a_member(1042, daily_conversion_cap=10, r_remaining_caps=said)]
    for at, n in ((NOW, 3), (NOW + 6 * HOURS, 5)):
        network.sync(now=at)
        assert [(cap.left, cap.ours) for cap in network.offer(1042).caps] == [(4, n)]
        assert network.offer(1042).caps_read_at == at
        commit(org.w.counters.money(org.name, NOW.date(), {"capped_conversions@1042": 2}, shard_by="x"))


# --- opt-outs ----------------------------------------------------------------------------------------------------------------
def forbidden(network: Network, list_id: str, address: str = "ada@x.example") -> bool:
    return network.org.w.suppression.advertiser_forbids(network.org.name, list_id, address)


def age(network: Network, list_id: str) -> int | None:
    return network.org.w.suppression.refreshed_at(network.org.name, list_id)


def test_an_offers_list_is_fetched_where_its_detail_says_and_again_at_half_its_time(network: Network) -> None:
    link = network.file("ada@x.example\n")
    network.api.offers = [
        a_member(1042, suppression_file=link),
        a_member(2077, suppression_file=link, is_using_suppression_list=True, suppression_list_id=12),
    ]
    assert network.sync()["lists"] == {"12": "refreshed", "offer-1042": "refreshed"}
    assert forbidden(network, "12") and forbidden(network, "offer-1042")
    for hours, refreshed in ((6, {}), (80, {}), (84, {"12": "refreshed", "offer-1042": "refreshed"}), (90, {})):
        network.details_read()
        assert network.sync(now=NOW + hours * HOURS)["lists"] == refreshed
    assert age(network, "12") == epoch_seconds(NOW + 84 * HOURS)  # 3.5 of 7 days


def test_another_file_is_fetched_at_once(network: Network) -> None:
    network.api.offers = [a_member(1042, suppression_file=network.file("ada@x.example\n"))]
    network.sync()
    network.api.offers = [a_member(1042, name="N", suppression_file=network.file("bob@x.example\n", "/other.txt"))]
    assert network.sync()["lists"] == {"offer-1042": "refreshed"}
    assert forbidden(network, "offer-1042", "bob@x.example") and forbidden(network, "offer-1042")


def test_a_refused_file_leaves_the_old_age_rings_and_is_tried_again(network: Network, capfd: pytest.CaptureFixture[str]) -> None:
    link = network.file("ada@x.example\n")
    network.api.offers = [a_member(1042, suppression_file=link)]
    network.sync()
    network.file("<html>Please log in</html>\n")
    for hours in (84, 90):
        later = NOW + hours * HOURS
        assert network.sync(now=later)["lists"] == {"offer-1042": "refused: empty: 0 good lines, 1 bad ones"}
        assert age(network, "offer-1042") == epoch_seconds(NOW)
        assert '"SuppressionFilesRefused":[1.0]' in capfd.readouterr().out
    network.file("ada@x.example\nbob@x.example\n")
    assert network.sync(now=NOW + 96 * HOURS)["lists"] == {"offer-1042": "refreshed"}


def test_a_list_without_a_file_waits_for_the_operators_import(network: Network) -> None:
    network.api.offers = [a_member(1042, is_using_suppression_list=True, suppression_list_id=12)]
    assert network.sync()["lists"] == {"12": "no_link"}
    network.org.w.suppression.add_to_advertiser_list(network.org.name, "12", ["md5:" + "0" * 32], refreshed_at=epoch_seconds(NOW))
    assert network.sync()["lists"] == {}


def test_no_list_is_fetched_for_an_offer_that_nobody_gets_nor_in_the_last_minutes(network: Network) -> None:
    link = network.file("ada@x.example\n")
    network.api.offers = [a_member(1042, offer_status="paused", suppression_file=link)]
    assert network.sync()["lists"] == {}
    network.api.offers = [a_member(1042, suppression_file=link)]
    assert network.sync(remaining=lambda: sync_offers.DETAIL_MILLIS)["lists"] == {"offer-1042": "later"}
    assert network.sync()["lists"] == {"offer-1042": "refreshed"}


def test_neither_logs_nor_the_report_hold_a_link(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    network.api.offers = [
        a_member(1042, suppression_file="https://127.0.0.1:1/list?key=TOP-SECRET"),
        a_member(2077, suppression_file="http://vendor.example/list?key=TOP-SECRET"),
    ]
    with caplog.at_level(logging.DEBUG):
        said = network.sync()
    assert said["lists"] == {"offer-1042": "refused: ConnectError", "offer-2077": "refused: not_https"}
    assert "SECRET" not in caplog.text + str(network.org.w.offers.sync_report(network.org.name))


def test_after_a_sync_the_mails_leave_but_for_those_whom_the_advertiser_may_not_reach(network: Network) -> None:
    org = network.org
    network.api.offers = [a_member(1042, suppression_file=network.file("ada@x.example\n"), r_ruleset={"countries": ["US"]})]
    network.sync()
    people = {
        "sent": org.add_person("bob@x.example"),
        "advertiser_suppressed": org.add_person("ada@x.example"),
        "country_excluded": org.add_person("carl@x.example", country="DE"),
    }
    for outcome, person in people.items():
        assert org.execute([org.plan(person)]).outcomes == {outcome: 1}
    network.api.offers = []
    network.sync()
    assert org.execute([org.plan(org.add_person())]).outcomes == {"offer_not_listed": 1}


def test_an_imported_offer_that_the_api_tells_too_is_the_same_one(network: Network) -> None:
    org = network.org
    member = a_member(2077)
    assert import_offers(org.w, org.name, parse_offers(json.dumps([member])).offers) == {"created": 1}
    network.api.offers = [member, a_member(1042)]
    assert network.sync()["unchanged"] == 1
    assert org.w.offers.get(org.name, "1042") != an_offer()  # the built one was not the network's
