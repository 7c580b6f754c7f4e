"""The Offers table: the catalogue, and the evidence decide folds into posteriors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from revenue_engine.aws.dynamo import Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import parse_iso
from revenue_engine.records.offer import Creative, Offer


@dataclass(frozen=True)
class Offers:
    """All reads and writes of the table."""

    table: Table

    def put(self, org: str, offer: Offer) -> None:
        """Writes or replaces one offer."""
        facts = asdict(offer)
        facts["countries"] = sorted(offer.countries)
        facts["live_until"] = offer.live_until.isoformat() if offer.live_until else None
        self.table.put({**facts, "pk": org, "sk": f"offer#{offer.offer}"})

    def get(self, org: str, offer: str) -> Offer | None:
        """One offer."""
        item = self.table.get(org, f"offer#{offer}")
        return _offer(item) if item else None

    def catalogue(self, org: str) -> tuple[Offer, ...]:
        """All offers of the org, by id."""
        return tuple(_offer(item) for item in self._range(org, "offer#"))

    def adding_evidence(
        self, org: str, *, day: str, offer: str, variant: str, segment: str, amounts: Mapping[str, int]
    ) -> dict[str, Any]:
        """Deliveries, clicks, conversions of one (arm, segment, day), added in the transaction that books the fact."""
        sk = f"evidence#{day}#{offer}#{variant}#{segment}"
        facts = {"day": day, "offer": offer, "variant": variant, "segment": segment}
        return self.table.updating(org, sk, changes(add=amounts, set_=facts))

    def evidence(self, org: str, *, since_day: str) -> list[Item]:
        """Evidence rows from a day on."""
        return list(
            self.table.query(
                "#pk = :org AND #sk BETWEEN :first AND :last",
                {":org": org, ":first": f"evidence#{since_day}", ":last": "evidence#~"},
                names={"#pk": "pk", "#sk": "sk"},
                consistent=True,
            )
        )

    def _range(self, org: str, prefix: str) -> Iterator[Item]:
        return self.table.query(
            "#pk = :org AND begins_with(#sk, :prefix)",
            {":org": org, ":prefix": prefix},
            names={"#pk": "pk", "#sk": "sk"},
            consistent=True,
        )


def _offer(item: Item) -> Offer:
    facts: dict[str, Any] = {k: v for k, v in item.items() if k not in ("pk", "sk")}
    live_until: datetime | None = parse_iso(facts["live_until"]) if facts.get("live_until") else None
    facts |= {
        "live_until": live_until,
        "payout_micros": facts.get("payout_micros"),
        "suppression_list": facts.get("suppression_list"),
        "payout_percentage": float(facts["payout_percentage"]),
        "countries": frozenset(facts["countries"]),
        "creatives": tuple(Creative(**creative) for creative in facts["creatives"]),
    }
    return Offer(**facts)
