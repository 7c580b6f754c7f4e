"""The Offers table: the catalogue, and the evidence decide folds into posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from revenue_engine.aws.dynamo import Table, changes
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds, from_epoch
from revenue_engine.offers.sync import DetailRead
from revenue_engine.records.offer import Offer, offer_document, offer_of

_READ, _REPORT = "synced#", "sync"


@dataclass(frozen=True)
class Offers:
    """All reads and writes of the table."""

    table: Table

    def put(self, org: str, offer: Offer) -> None:
        """Writes or replaces one offer."""
        self.table.put({**offer_document(offer), "pk": org, "sk": f"offer#{offer.offer}"})

    def get(self, org: str, offer: str) -> Offer | None:
        """One offer."""
        item = self.table.get(org, f"offer#{offer}")
        return _offer(item) if item else None

    def catalogue(self, org: str) -> tuple[Offer, ...]:
        """All offers of the org, by id."""
        return tuple(_offer(item) for item in self.table.beginning_with(org, "offer#"))

    # --- the sync's own memory -------------------------------------------------------------------------------------------
    def detail_reads(self, org: str) -> dict[str, DetailRead]:
        """By offer, when its detail was last understood and what the listing said then."""
        items = self.table.beginning_with(org, _READ)
        return {item["sk"].removeprefix(_READ): DetailRead(item["seen"], from_epoch(item["read_at"])) for item in items}

    def put_detail_read(self, org: str, offer: str, *, seen: str, read_at: datetime) -> None:
        """Notes that an offer's detail was understood."""
        self.table.put({"pk": org, "sk": f"{_READ}{offer}", "seen": seen, "read_at": epoch_seconds(read_at)})

    def put_sync_report(self, org: str, report: Item) -> None:
        """What the last sync did."""
        self.table.put({**report, "pk": org, "sk": _REPORT})

    def sync_report(self, org: str) -> Item | None:
        """What the last sync did; None before the first."""
        return self.table.get(org, _REPORT)

    # --- evidence --------------------------------------------------------------------------------------------------------
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


def _offer(item: Item) -> Offer:
    return offer_of({name: value for name, value in item.items() if name not in ("pk", "sk")})
