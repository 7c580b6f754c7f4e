"""People and offers of a world, read back as the engine's imports read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from revenue_engine.intake.everflow import parse_offer_detail, parse_offers
from revenue_engine.records.offer import ineligible_reason, tone_of
from revenue_engine.records.subscriber import provider_of
from workbench.cli.files import subscribers_of
from workbench.simulation.everflow import OFFERS, RUNNABLE, EverflowApi
from workbench.simulation.stage.cast import CATEGORY_NAMES, address_of, write_world_csv
from workbench.simulation.stage.catalogue import members, number_of, offer_of
from workbench.simulation.stage.reader_clock import FIRST_DAY, ReaderClock
from workbench.simulation.worlds import World, WorldSpec, named
from workbench.simulation.worlds.offers import HORIZON
from workbench.simulation.worlds.spec import CATEGORIES, PROVIDERS, TONES

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World(named("default"), 9, 400)


def test_every_trait_that_a_list_knows_is_imported(world: World, tmp_path: Path) -> None:
    write_world_csv(world.profile, tmp_path / "people.csv", now=NOW)
    found = subscribers_of(tmp_path / "people.csv", mapping={}, now=NOW)
    assert (found.problems, found.warnings, len(found.records)) == ((), (), 400)
    profile = world.profile
    for row, record in enumerate(found.records):
        assert record.email == address_of(profile, row)
        assert provider_of(record.email) == PROVIDERS[profile.provider[row]]
        assert {CATEGORY_NAMES.index(topic) for topic in record.topics} == set(np.flatnonzero(profile.topics[row]).tolist())
        assert record.price_sensitivity == profile.price_sensitivity[row]
        assert record.created_at == record.consent_at == NOW - timedelta(days=float(profile.tenure_days[row]))
        assert record.purchases == profile.purchases[row]
        assert record.last_purchase_at == NOW - timedelta(days=30.4 * int(profile.months_since_order[row]))
        assert record.country == ("US", "GB", "FR", "ES")[profile.country[row]]
        assert (record.peak_hour is None) == (not profile.past_opens[row].any())
        if record.peak_hour is not None:
            assert profile.past_opens[row][record.peak_hour // 4] == profile.past_opens[row].max()
    assert len(CATEGORY_NAMES) == CATEGORIES


def test_every_offer_is_one_of_everflows(world: World) -> None:
    offers = world.commons.offers
    found = parse_offers(json.dumps(members(offers)))
    assert (found.problems, found.warnings) == ((), ())
    for index, offer in enumerate(found.offers):
        assert (offer.offer, offer_of(offer.offer)) == (number_of(index), index)
        assert offer.category == CATEGORY_NAMES[offers.category[index]]
        assert offer.payout_micros == (int(offers.payout_micros[index]) or None)  # a share of the sale hides it
        assert offer.payout_percentage == pytest.approx(100 * offers.share[index])
        caps = {cap.window: cap.limit for cap in offer.caps}
        known = {"week": offers.weekly_cap[index], "ever": offers.budget[index]}
        assert caps == {window: int(limit) for window, limit in known.items() if np.isfinite(limit)}
        gone = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=int(offers.expires[index]))
        assert offer.live_until == (gone if offers.expires[index] < HORIZON else None)
        assert sorted(tone_of(creative.variant) for creative in offer.creatives) == sorted(TONES)
        assert all(creative.html.count("{{ offer_url }}") == 3 for creative in offer.creatives)
        assert ineligible_reason(offer, now=NOW) is None
        assert not offer.countries
    assert {offer.payout_micros is None for offer in found.offers} == {True, False}
    assert any(offer.caps for offer in found.offers)
    assert any(offer.live_until for offer in found.offers)


def test_a_sync_reads_the_same_offer_as_the_import(world: World) -> None:
    api = EverflowApi("key")
    api.offers = members(world.commons.offers)
    imported = {offer.offer: offer for offer in parse_offers(json.dumps(api.offers)).offers}
    status, listing = api.answer("GET", f"{RUNNABLE}?page_size=100", "key", b"")
    assert (status, len(listing["offers"])) == (200, len(imported))
    for number, offer in imported.items():
        _, detail = api.answer("GET", f"{OFFERS}/{number}", "key", b"")
        assert parse_offer_detail(json.dumps(detail), offer=number, known=None, read_at=NOW).offer == offer


# --- the reader's clock -----------------------------------------------------------------------------------------------------
def test_the_first_day_is_the_worlds() -> None:
    spec = WorldSpec("any")
    assert (FIRST_DAY.weekday(), FIRST_DAY.timetuple().tm_yday - 1) == (spec.start_weekday, spec.start_day_of_year)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Europe/Paris"])
def test_a_moment_is_read_as_it_is_told(zone: str) -> None:
    clock = ReaderClock.of(zone)
    for moment in (datetime(2026, 3, 2, 17, 41, 7, 250_000, tzinfo=UTC), datetime(2026, 3, 5, 4, 59, tzinfo=UTC)):
        day, hour, past = clock.read(moment)
        local = moment.astimezone(ZoneInfo(zone))
        assert (day, hour) == ((local.date() - FIRST_DAY).days, local.hour)
        assert abs(clock.moment(86_400 * day + 3_600 * (hour + past)) - moment) < timedelta(microseconds=2)


def test_before_the_first_midnight_there_is_no_day() -> None:
    with pytest.raises(ValueError, match="has not begun"):
        ReaderClock.of("America/New_York").read(datetime(2026, 3, 2, 4, 59, tzinfo=UTC))
