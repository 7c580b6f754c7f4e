"""The Suppression table: our own opt-outs and each advertiser's, by hash, with the age of every list."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from revenue_engine.aws.clients import client
from revenue_engine.aws.dynamo import Expression, Table
from revenue_engine.aws.items import Item, encode
from revenue_engine.errors import Contention
from revenue_engine.ids import advertiser_hashes

ERASED = "erased"
_META = "#meta"
_BATCH = 25
_WRITERS = 8  # batches are written side by side: the calls wait on the network
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class ListState:
    """An advertiser's list as it was last loaded whole."""

    refreshed_at: int  # epoch seconds
    entries: int  # people it named
    files: frozenset[str]  # fingerprints of where it came from


@dataclass(frozen=True)
class Suppression:
    """All reads and writes of the table."""

    table: Table

    def suppress(self, org: str, address_hash: str, *, reason: str, at: int) -> None:
        """Our own list: for ever."""
        self.table.put({"pk": f"{org}#own", "sk": address_hash, "reason": reason, "at": at})

    def suppressing(self, org: str, address_hash: str, *, reason: str, at: int) -> dict[str, Any]:
        """The same as part of a transaction, which an erased address refuses: nobody by it is to be written again."""
        unless = Expression(
            condition="attribute_not_exists(pk) OR #reason <> :erased", names={"#reason": "reason"}, values={":erased": ERASED}
        )
        return self.table.putting({"pk": f"{org}#own", "sk": address_hash, "reason": reason, "at": at}, condition=unless)

    def erasing(self, org: str, address_hash: str, *, at: int) -> dict[str, Any]:
        """A transaction's entry for an address that is to be forgotten: only its hash is left, for ever."""
        return self.table.putting({"pk": f"{org}#own", "sk": address_hash, "reason": ERASED, "at": at})

    def listed(self, org: str, address_hash: str) -> Item | None:
        """The entry of our own list: `reason` and `at`."""
        return self.table.get(f"{org}#own", address_hash)

    def is_suppressed(self, org: str, address_hash: str) -> bool:
        """Whether our own list holds the address."""
        return self.listed(org, address_hash) is not None

    def checking(self, org: str, address_hash: str) -> dict[str, Any]:
        """The claim's own proof that the address is not on our list (P1)."""
        return self.table.checking(f"{org}#own", address_hash, Expression(condition="attribute_not_exists(pk)"))

    def add_to_advertiser_list(
        self,
        org: str,
        list_id: str,
        hashes: Iterable[str],
        *,
        refreshed_at: int,
        entries: int | None = None,
        files: Sequence[str] = (),
    ) -> int:
        """Adds a list's hashes, then its age: a list half loaded stays as old as it was. Returns how many were written.

        Whoever was on it stays: an opt-out has no end. `entries`: how many people the list names, when they are not one a hash;
        `files`: the fingerprints of the files it came from.
        """
        pk, total = _pk(org, list_id), 0
        batches = _batches(hashes)
        with ThreadPoolExecutor(_WRITERS) as writers:
            while some := list(islice(batches, _WRITERS * 4)):
                total += sum(map(len, some))
                list(writers.map(lambda batch: self._write(pk, batch), some))
        meta = {"refreshed_at": refreshed_at, "entries": total if entries is None else entries, "files": list(files)}
        self.table.put({"pk": pk, "sk": _META, **meta})
        return total

    def list_state(self, org: str, list_id: str) -> ListState | None:
        """When the list was last loaded whole, and how long it was; None = never."""
        meta = self.table.get(_pk(org, list_id), _META)
        return ListState(meta["refreshed_at"], meta["entries"], frozenset(meta["files"])) if meta else None

    def refreshed_at(self, org: str, list_id: str) -> int | None:
        """When the list was last loaded whole, epoch seconds."""
        state = self.list_state(org, list_id)
        return state.refreshed_at if state else None

    def advertiser_forbids(self, org: str, list_id: str, address: str) -> bool:
        """Whether the advertiser's list holds the normalised address, in any of the forms lists come in."""
        return any(self.table.get(_pk(org, list_id), h) is not None for h in advertiser_hashes(address))

    def _write(self, pk: str, hashes: Iterable[str]) -> None:
        """One batch; what the table has no room for at the moment goes again, a little later each time."""
        requests: list[Any] = [{"PutRequest": {"Item": encode({"pk": pk, "sk": h})}} for h in hashes]
        for attempt in range(_ATTEMPTS):
            answer = client("dynamodb").batch_write_item(RequestItems={self.table.name: requests})
            requests = answer.get("UnprocessedItems", {}).get(self.table.name, [])
            if not requests:
                return
            time.sleep(min(5.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.0))
        raise Contention("the suppression table takes no more")


def _pk(org: str, list_id: str) -> str:
    return f"{org}#advertiser#{list_id}"


def _batches(hashes: Iterable[str]) -> Iterator[list[str]]:
    """As many different hashes as one call takes."""
    batch: dict[str, None] = {}
    for entry in hashes:
        batch[entry] = None
        if len(batch) == _BATCH:
            yield list(batch)
            batch = {}
    if batch:
        yield list(batch)
