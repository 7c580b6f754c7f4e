"""What a sync of the catalogue has to do: which offers are gone, which details to read, and which must rest until they are read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from revenue_engine.intake.everflow import ListedOffer
from revenue_engine.records.offer import Offer

DETAIL_AGE = timedelta(hours=23)  # a sync runs every six hours: daily, and not drifting


@dataclass(frozen=True, slots=True)
class DetailRead:
    """What the listing said of an offer when its detail was last understood."""

    seen: str  # ListedOffer.seen
    read_at: datetime


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to do about a whole listing."""

    gone: tuple[Offer, ...]  # known, and not listed any more
    to_read: tuple[ListedOffer, ...]  # details, the most pressing first
    changed: frozenset[str]  # of those: known, and the listing says something else since; not to be mailed until they are read
    as_known: tuple[ListedOffer, ...]  # nothing to read


def plan_sync(
    known: Mapping[str, Offer],
    reads: Mapping[str, DetailRead],
    listed: Iterable[ListedOffer],
    *,
    now: datetime,
    due_lists: Container[str],
) -> SyncPlan:
    """The plan for a whole listing; a partial one must never come here.

    Parameters
    ----------
    known, reads
        By offer: the catalogue, and when each offer's detail was last understood.
    due_lists
        Suppression lists whose file has to be fetched: its link is in the offer's detail.
    """
    listed = tuple(listed)
    changed: set[str] = set()
    to_read: list[tuple[int, datetime, ListedOffer]] = []
    as_known: list[ListedOffer] = []
    for one in listed:
        offer, read = known.get(one.offer), reads.get(one.offer)
        if offer is None or offer.stop_reason is not None:
            pressing = 1
        elif read is None or read.seen != one.seen:
            changed.add(one.offer)
            pressing = 0
        elif offer.suppression_list is not None and offer.suppression_list in due_lists:
            pressing = 2
        elif now - read.read_at >= DETAIL_AGE:
            pressing = 3
        else:
            as_known.append(one)
            continue
        to_read.append((pressing, read.read_at if read else now, one))
    to_read.sort(key=lambda entry: (*entry[:2], int(entry[2].offer)))
    names = {one.offer for one in listed}
    return SyncPlan(
        gone=tuple(offer for offer in known.values() if offer.offer not in names and offer.stop_reason is None),
        to_read=tuple(one for _, _, one in to_read),
        changed=frozenset(changed),
        as_known=tuple(as_known),
    )


def stopped(offer: Offer, reason: str) -> Offer:
    """The offer, mailed to nobody until a sync has understood it again: without a content hash it is like no other."""
    return replace(offer, may_run=False, stop_reason=reason, content_hash="")
