"""The counters, write-sharded but for campaigns: UTC hours for the judge, org days for reports, people per arm (docs/data-model.md).

Every addition is part of the transaction that books the fact it counts (M2), so a sum of counters is a recount of the facts.
A read costs a fixed number of items per hour, day or campaign, whatever the traffic was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from revenue_engine.aws.dynamo import Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import day_in, epoch_seconds, utc_hour
from revenue_engine.ids import stable_hash

COUNTER_SHARDS = 8  # a shard takes a thousand writes a second; two transactions on one shard refuse each other
_KEEP_HOURS = timedelta(days=400)
_KEEP_DAYS = timedelta(days=800)  # two years side by side
_UNSETTLED = timedelta(hours=2)  # hours whose counters still move every minute
_NO_COUNTERS = ("pk", "sk", "expires_at")


@dataclass(frozen=True)
class Counters:
    """All reads and writes of counters, in partitions of the Control table away from breaker and budget."""

    table: Table

    # --- actions of the transaction that books the fact --------------------------------------------------------------
    def counting(
        self,
        org: str,
        at: datetime,
        amounts: Mapping[str, int],
        *,
        zone: str,
        shard_by: str,
        by_cause: Mapping[str, int] | None = None,
    ) -> list[dict[str, Any]]:
        """A fact of the mail machine at `at`: its UTC hour, with what only the judge reads, and its day in the org's zone."""
        hour = self.hour(org, utc_hour(at), {**amounts, **(by_cause or {})}, shard_by=shard_by)
        return [*hour, *self.money(org, day_in(at, zone), amounts, shard_by=shard_by)]

    def hour(self, org: str, hour: str, amounts: Mapping[str, int], *, shard_by: str) -> list[dict[str, Any]]:
        """Amounts, up or down, in one UTC hour (`2026-03-04T12`): no action when nothing changes."""
        if not any(amounts.values()):
            return []
        expires_at = epoch_seconds(datetime.fromisoformat(f"{hour}:00+00:00") + _KEEP_HOURS)
        return [self.table.updating(_of(org), f"counter#{hour}#{_shard(shard_by)}", _adding(amounts, expires_at))]

    def money(self, org: str, day: date, amounts: Mapping[str, int], *, shard_by: str) -> list[dict[str, Any]]:
        """A booking's amounts, up or down, on the org day of its conversion: no action when nothing changes."""
        if not any(amounts.values()):
            return []
        return [self.table.updating(_of(org), f"day#{day}#{_shard(shard_by)}", _adding(amounts, _day_expires_at(day)))]

    def dropped(self, org: str, day: date, reasons: Mapping[str, int], *, shard_by: str) -> list[dict[str, Any]]:
        """Planned mails that ended before their claim, by reason: only on the org day, for people to read."""
        return self.money(org, day, {f"dropped#{reason}": n for reason, n in reasons.items()}, shard_by=shard_by)

    def campaign(self, org: str, day: date, campaign: str, amounts: Mapping[str, int]) -> dict[str, Any]:
        """A campaign's amounts, up or down, on the org day of the conversion: one item, since few conversions share it."""
        return self.table.updating(_campaigns_of(org), f"{day}#{campaign}", _adding(amounts, _day_expires_at(day)))

    def capping(self, org: str, amounts: Mapping[str, int], *, shard_by: str) -> list[dict[str, Any]]:
        """What counts towards offers' caps (`capped_…@{offer}`), up or down, for good: there are caps without a window."""
        of_offer: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, n in amounts.items():
            if n:
                of_offer[name.partition("@")[2]][name] = n
        shard = _shard(shard_by)
        return [self.table.updating(_of(org), f"capped#{offer}#{shard}", changes(add=of)) for offer, of in of_offer.items()]

    def person(self, org: str, arm: str, *, lot: str, shard_by: str) -> dict[str, Any]:
        """Somebody new in a randomised arm, for good (D4): an opt-out is what an arm did to a person, and changes no arm."""
        return self.table.updating(_of(org), f"people#{_shard(shard_by)}", changes(add={arm: 1, f"{arm}@{lot}": 1}))

    # --- reading back --------------------------------------------------------------------------------------------------
    def hour_counters(self, org: str, *, since: datetime, until: datetime, only: Sequence[str] = ()) -> dict[str, int]:
        """Sums over the UTC hours of [since, until], of all counters or these."""
        last = utc_hour(until + timedelta(hours=1))
        return _sum(self._between(_of(org), f"counter#{utc_hour(since)}", f"counter#{last}", only))

    def each_hour(self, org: str, *, since: datetime, until: datetime, only: Sequence[str]) -> dict[str, dict[str, int]]:
        """These counters of every UTC hour of [since, until] in which something was counted, by hour (`2026-03-04T12`)."""
        return self._hours(org, since, until, ("sk", *only))

    def settled_hours(self, org: str, *, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
        """Every UTC hour of [since, until] on which something was counted, in order, for somebody who asks every minute: hours long
        past are read anew only every quarter of an hour."""
        edge = max(until.replace(minute=0, second=0, microsecond=0) - _UNSETTLED, since)
        quarter = until.replace(minute=until.minute // 15 * 15, second=0, microsecond=0)
        settled_key = (org, utc_hour(since), utc_hour(edge), quarter)
        if settled_key not in self._settled:
            self._settled.clear()
            before = edge - timedelta(hours=1)
            self._settled[settled_key] = self._hours(org, since, before) if utc_hour(before) >= utc_hour(since) else {}
        return {**self._settled[settled_key], **self._hours(org, edge, until)}

    def _hours(self, org: str, since: datetime, until: datetime, only: Sequence[str] = ()) -> dict[str, dict[str, int]]:
        found: defaultdict[str, list[Item]] = defaultdict(list)
        last = utc_hour(until + timedelta(hours=1))
        for item in self._between(_of(org), f"counter#{utc_hour(since)}", f"counter#{last}", only):
            found[item["sk"].split("#")[1]].append(item)
        return {hour: _sum(items) for hour, items in sorted(found.items())}

    def day_counters(self, org: str, first_day: date, last_day: date, *, only: Sequence[str] = ()) -> dict[date, dict[str, int]]:
        """Every org day of [first_day, last_day] on which something was counted, all counters or these."""
        found: defaultdict[date, list[Item]] = defaultdict(list)
        wanted = ("sk", *only) if only else ()
        for item in self._between(_of(org), f"day#{first_day}", f"day#{last_day}~", wanted):
            found[date.fromisoformat(item["sk"].split("#")[1])].append(item)
        return {day: _sum(items) for day, items in found.items()}

    def campaign_counters(
        self, org: str, first_day: date, last_day: date, *, most: int
    ) -> tuple[dict[str, dict[str, int]], bool]:
        """Sums by campaign over the org days of [first_day, last_day], and whether there was more than the newest `most` items."""
        found: defaultdict[str, list[Item]] = defaultdict(list)
        newest = list(self._between(_campaigns_of(org), f"{first_day}", f"{last_day}~", (), newest=most + 1))
        for item in newest[:most]:
            found[item["sk"].split("#")[1]].append(item)
        return {campaign: _sum(items) for campaign, items in found.items()}, len(newest) > most

    def capped(self, org: str, offer: str) -> dict[str, int]:
        """What ever counted towards an offer's caps."""
        return _sum(self._between(_of(org), f"capped#{offer}#", f"capped#{offer}#~", ()))

    def people(self, org: str) -> dict[str, int]:
        """How many people each randomised arm was given."""
        return {arm: n for arm, n in self._people(org).items() if "@" not in arm}

    def lots(self, org: str) -> dict[str, dict[str, int]]:
        """The same by lot."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, n in self._people(org).items():
            arm, of_lot, lot = name.partition("@")
            if of_lot:
                found[lot][arm] = n
        return dict(found)

    def _people(self, org: str) -> dict[str, int]:
        return _sum(self._between(_of(org), "people#", "people#~", ()))

    def _between(self, pk: str, first: str, last: str, only: Sequence[str], *, newest: int | None = None) -> Iterator[Item]:
        return self.table.query(
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            {":pk": pk, ":first": first, ":last": last},
            names={"#pk": "pk", "#sk": "sk"},
            consistent=True,
            only=only,
            limit=newest,
            descending=newest is not None,
        )

    @cached_property
    def _settled(self) -> dict[tuple[str, str, str, datetime], dict[str, dict[str, int]]]:
        return {}


def _of(org: str) -> str:
    return f"{org}#counters"


def _campaigns_of(org: str) -> str:
    return f"{org}#campaigns"


def _shard(shard_by: str) -> int:
    return stable_hash(shard_by) % COUNTER_SHARDS


def _adding(amounts: Mapping[str, int], expires_at: int) -> Any:
    return changes(add={name: n for name, n in amounts.items() if n}, set_={"expires_at": expires_at})


def _day_expires_at(day: date) -> int:
    return epoch_seconds(datetime.combine(day, time.min, UTC) + _KEEP_DAYS)


def _sum(items: Iterator[Item] | list[Item]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for item in items:
        total.update({name: int(n) for name, n in item.items() if name not in _NO_COUNTERS})
    return dict(total)
