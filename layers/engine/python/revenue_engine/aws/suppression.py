"""The Suppression table: our own opt-outs and each advertiser's, by hash, with the age of every list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from revenue_engine.aws.clients import client
from revenue_engine.aws.dynamo import Expression, Table
from revenue_engine.aws.items import encode
from revenue_engine.ids import advertiser_hashes

_META = "#meta"
_BATCH = 25


@dataclass(frozen=True)
class Suppression:
    """All reads and writes of the table."""

    table: Table

    def suppress(self, org: str, address_hash: str, *, reason: str, at: int) -> None:
        """Our own list: for ever."""
        self.table.put({"pk": f"{org}#own", "sk": address_hash, "reason": reason, "at": at})

    def suppressing(self, org: str, address_hash: str, *, reason: str, at: int) -> dict[str, Any]:
        """The same as part of a transaction."""
        return self.table.putting({"pk": f"{org}#own", "sk": address_hash, "reason": reason, "at": at})

    def is_suppressed(self, org: str, address_hash: str) -> bool:
        """Whether our own list holds the address."""
        return self.table.get(f"{org}#own", address_hash) is not None

    def checking(self, org: str, address_hash: str) -> dict[str, Any]:
        """The claim's own proof that the address is not on our list (P1)."""
        return self.table.checking(f"{org}#own", address_hash, Expression(condition="attribute_not_exists(pk)"))

    def replace_advertiser_list(self, org: str, list_id: str, hashes: Iterable[str], *, refreshed_at: int) -> int:
        """Adds a list's hashes, then its age: a list half loaded stays as old as it was. Returns how many."""
        pk, total, batch = f"{org}#advertiser#{list_id}", 0, dict[str, None]()
        for entry in hashes:
            batch[entry] = None
            total += 1
            if len(batch) == _BATCH:
                self._write(pk, batch)
                batch = {}
        if batch:
            self._write(pk, batch)
        self.table.put({"pk": pk, "sk": _META, "refreshed_at": refreshed_at, "entries": total})
        return total

    def refreshed_at(self, org: str, list_id: str) -> int | None:
        """When the list was last loaded whole, epoch seconds."""
        meta = self.table.get(f"{org}#advertiser#{list_id}", _META)
        return meta["refreshed_at"] if meta else None

    def advertiser_forbids(self, org: str, list_id: str, address: str) -> bool:
        """Whether the advertiser's list holds the normalised address, in any of the forms lists come in."""
        return any(self.table.get(f"{org}#advertiser#{list_id}", h) is not None for h in advertiser_hashes(address))

    def _write(self, pk: str, hashes: Iterable[str]) -> None:
        requests: list[Any] = [{"PutRequest": {"Item": encode({"pk": pk, "sk": h})}} for h in hashes]
        while requests:
            answer = client("dynamodb").batch_write_item(RequestItems={self.table.name: requests})
            requests = answer.get("UnprocessedItems", {}).get(self.table.name, [])
