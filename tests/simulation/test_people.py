"""The demo's readers: reproducible, importable, and none of them real."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from revenue_engine.records.subscriber import provider_of
from tests.shared_data import shared_path
from workbench.cli.files import catalogue_of, subscribers_of
from workbench.simulation.people import advertiser_opt_outs, demo_people, write_subscribers_csv

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
NOWHERE = Path("/no/such/file.csv.gz")
OFFERS = Path(__file__).resolve().parents[2] / "workbench" / "data" / "offers.json"


def test_the_same_seed_makes_the_same_people_and_another_seed_others() -> None:
    first, source = demo_people(50, 7, now=NOW, source=NOWHERE)
    assert source == "50 made-up people"
    assert first == demo_people(50, 7, now=NOW, source=NOWHERE)[0]
    assert first != demo_people(50, 8, now=NOW, source=NOWHERE)[0]


def test_traits_come_from_the_e_mail_test_when_its_file_is_there() -> None:
    file = shared_path("data/hillstrom/hillstrom_dev.csv.gz")
    people, source = demo_people(200, 7, now=NOW, source=file)
    assert "hillstrom" in source
    assert people == demo_people(200, 7, now=NOW, source=file)[0]
    # the test's own lowest spend, of which a sample of 200 has several
    assert sum(p.history_dollars == 29.99 for p in people) > 3


def test_more_people_than_the_file_has_is_refused() -> None:
    with pytest.raises(ValueError, match="44800"):
        demo_people(50_000, 7, now=NOW, source=shared_path("data/hillstrom/hillstrom_dev.csv.gz"))


def test_addresses_spread_over_mailbox_providers_and_cannot_exist() -> None:
    people, _ = demo_people(400, 7, now=NOW, source=NOWHERE)
    assert len({p.email for p in people}) == 400
    assert set(Counter(provider_of(p.email) for p in people)) == {"gmail", "yahoo", "outlook", "icloud", "other"}
    # Gmail takes 30 characters at most, Yahoo 32, and neither takes hyphens
    assert all(len(p.email.partition("@")[0]) > 32 for p in people)


def test_the_list_is_in_the_importers_form(tmp_path: Path) -> None:
    people, _ = demo_people(300, 7, now=NOW, source=NOWHERE)
    write_subscribers_csv(people, tmp_path / "list.csv")
    found = subscribers_of(tmp_path / "list.csv", mapping={}, now=NOW)
    assert found.problems == ()
    assert [r.email for r in found.records] == [p.email for p in people]
    assert {r.status for r in found.records} == {"active", "unsubscribed"}
    assert found.records[0].consent_source == "shop checkout"
    with (tmp_path / "list.csv").open() as file:
        assert not {"click_disposition", "buy_disposition"} & set(next(csv.reader(file)))


def test_some_readers_told_the_advertiser_to_leave_them_alone() -> None:
    people, _ = demo_people(500, 7, now=NOW, source=NOWHERE)
    assert 5 <= len(advertiser_opt_outs(people, 7)) <= 45


def test_the_bundled_catalogue_has_one_offer_of_every_kind() -> None:
    found = catalogue_of(OFFERS)
    assert (found.problems, found.warnings) == ((), ())
    kinds = {o.offer: (o.status, o.may_run, o.payout_micros is None, o.suppression_list, len(o.creatives)) for o in found.offers}
    assert kinds == {
        "1001": ("active", True, False, None, 3),
        "1002": ("active", True, False, "12", 3),
        "1003": ("active", True, False, None, 2),
        "1004": ("active", True, True, None, 1),
        "1005": ("paused", False, False, None, 1),
    }
