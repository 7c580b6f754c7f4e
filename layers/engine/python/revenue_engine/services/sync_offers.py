"""The catalogue as the Everflow API tells it: offers, caps, approved creatives, opt-outs. What is not whole changes nothing."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from revenue_engine.aws import names, observe
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow import ListedOffer, Problem, parse_offer_detail, with_left
from revenue_engine.intake.suppression_list import refresh_due
from revenue_engine.offers.caps import as_counted
from revenue_engine.offers.sync import SyncPlan, plan_sync, stopped
from revenue_engine.records.offer import Offer, ineligible_reason
from revenue_engine.services.everflow_api import EverflowClient, EverflowUnavailable
from revenue_engine.services.suppression_files import FileRefused, fingerprint, refresh_list

log = logging.getLogger(__name__)

DETAIL_MILLIS = 90_000  # a detail may have to wait a minute for the rate limit, and what stays unread has to be stopped
LIST_MILLIS = 180_000
MOST_TOLD = 200  # problems and remarks that a report keeps


@dataclass
class SyncReport:
    """What a sync did. `problems` are offers that were stopped or never taken, `remarks` what is odd about the others."""

    listed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)  # created | updated | unchanged | stopped | unread
    lists: dict[str, str] = field(default_factory=dict)  # by suppression list: refreshed | later | no_link | refused: why
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For logs, people and the Offers table."""
        told = {name: [asdict(one) for one in getattr(self, name)[:MOST_TOLD]] for name in ("problems", "remarks")}
        return {"listed": self.listed, **self.outcomes, "lists": self.lists, **told}


@dataclass
class _Sync:
    """One run."""

    w: Wiring
    everflow: EverflowClient
    org: str
    now: datetime
    catalogue: dict[str, Offer]
    counted: Mapping[str, int]  # by the org day's counters, before the network was asked what is left of caps
    report: SyncReport = field(default_factory=SyncReport)
    links: defaultdict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))  # by suppression list


def sync_catalogue(
    w: Wiring, everflow: EverflowClient | None, *, org: str, now: datetime, remaining_millis: Callable[[], int]
) -> dict[str, Any]:
    """One sync, as far as the time goes; the next one goes on.

    Raises EverflowUnavailable when the API failed: before the listing was whole nothing has changed, later only what was read.
    """
    if everflow is None:
        log.warning("no Everflow API key: the catalogue stays as it was imported")
        return {"skipped": "no_api_key"}
    controls = w.parameters.controls(org)
    max_age_days, today = controls.suppression_max_age_days, day_in(now, controls.zone)
    counted = w.counters.day_counters(org, today, today).get(today, {})
    run = _Sync(w, everflow, org, now, {offer.offer: offer for offer in w.offers.catalogue(org)}, counted)
    due = {list_id for list_id in _lists(run) if _is_due(run, list_id, max_age_days)}
    listed = everflow.runnable_offers()
    plan = plan_sync(run.catalogue, w.offers.detail_reads(org), listed, now=now, due_lists=due)
    run.report.listed = len(listed)
    if not listed and run.catalogue:
        run.report.problems.append(Problem("listing", "offers", "nothing_listed"))
    for offer in plan.gone:
        _stop(run, offer, "offer_not_listed")
    for one in plan.as_known:
        _keep(run, one)
    failure = _read_details(run, plan, remaining_millis)
    for list_id in sorted(_lists(run)):
        if _is_due(run, list_id, max_age_days):
            _refresh(run, list_id, remaining_millis)
    _tell(run)
    if failure is not None:
        raise failure
    return run.report.as_dict()


# --- offers ------------------------------------------------------------------------------------------------------------------
def _read_details(run: _Sync, plan: SyncPlan, remaining_millis: Callable[[], int]) -> EverflowUnavailable | None:
    """Reads what the plan wants read. A changed offer rests until it is read: what was known of it may not hold any more.

    All of them rest before the first is read, so that a run that dies on the way leaves none on terms that are no longer listed.
    """
    before = dict(run.catalogue)
    for name in plan.changed:
        _put(run, stopped(before[name], "offer_changed_unread"))
    unread = deque(plan.to_read)
    failure: EverflowUnavailable | None = None
    while unread and remaining_millis() >= DETAIL_MILLIS:
        try:
            _read(run, unread[0], before.get(unread[0].offer))
        except EverflowUnavailable as unavailable:
            failure = unavailable
            break
        unread.popleft()
    for one in unread:
        run.report.outcomes["unread"] += 1
        if one.offer in plan.changed:
            _stop(run, before[one.offer], "offer_changed_unread")
    return failure


def _read(run: _Sync, one: ListedOffer, known: Offer | None) -> None:
    text = run.everflow.offer_detail(one.offer)
    try:
        if text is None:
            raise BadInput("document", "no_detail")
        detail = parse_offer_detail(text, offer=one.offer, known=known, read_at=run.now)
    except BadInput as bad:
        log.error("offer %s not understood: %s: %s", one.offer, bad.field, bad.reason)
        run.report.problems.append(Problem(f"offer {one.offer}", bad.field, bad.reason))
        if known is not None:
            _stop(run, known, "offer_not_understood")
        return
    run.report.remarks += detail.remarks
    offer = _as_left(run, detail.offer, one)
    same = known is not None and known.content_hash == offer.content_hash
    run.report.outcomes["created" if known is None else "unchanged" if same else "updated"] += 1
    _put(run, offer)
    run.w.offers.put_detail_read(run.org, one.offer, seen=one.seen, read_at=run.now)
    if offer.suppression_list is not None and detail.suppression_file_link is not None:
        run.links[offer.suppression_list][detail.suppression_file_link] = None


def _keep(run: _Sync, one: ListedOffer) -> None:
    """Nothing new but what is left of its caps."""
    run.report.outcomes["unchanged"] += 1
    _put(run, _as_left(run, run.catalogue[one.offer], one))


def _as_left(run: _Sync, offer: Offer, one: ListedOffer) -> Offer:
    """With what is left of its caps, if this run was told: by the offer's own detail or by the listing, which has the last word."""
    offer = with_left(offer, one.left, read_at=run.now)
    return as_counted(offer, run.counted) if offer.caps_read_at == run.now else offer


def _stop(run: _Sync, offer: Offer, reason: str) -> None:
    if offer.stop_reason != reason:
        log.warning("offer %s is stopped: %s", offer.offer, reason)
        _put(run, stopped(offer, reason))
    run.report.outcomes["stopped"] += 1


def _put(run: _Sync, offer: Offer) -> None:
    if run.catalogue.get(offer.offer) != offer:
        run.w.offers.put(run.org, offer)
        run.catalogue[offer.offer] = offer


# --- opt-outs ----------------------------------------------------------------------------------------------------------------
def _lists(run: _Sync) -> set[str]:
    """Of the offers that somebody could be mailed."""
    offers = run.catalogue.values()
    return {o.suppression_list for o in offers if o.suppression_list is not None and ineligible_reason(o, now=run.now) is None}


def _is_due(run: _Sync, list_id: str, max_age_days: int) -> bool:
    """By its age, or because an offer names a file that the list was not made from."""
    state = run.w.suppression.list_state(run.org, list_id)
    if state is None or refresh_due(state.refreshed_at, now=epoch_seconds(run.now), max_age_days=max_age_days):
        return True
    return any(fingerprint(link) not in state.files for link in run.links.get(list_id, ()))


def _refresh(run: _Sync, list_id: str, remaining_millis: Callable[[], int]) -> None:
    """Without it the list grows too old, and its offers are mailed to nobody (P1)."""
    links = tuple(run.links[list_id])
    if not links:
        run.report.lists[list_id] = "no_link"
    elif remaining_millis() < LIST_MILLIS:
        run.report.lists[list_id] = "later"
    else:
        try:
            people = refresh_list(run.w, run.org, list_id, links, now=run.now, own_origin=run.everflow.base_url)
            log.info("suppression list %s: %d people", list_id, people)
            run.report.lists[list_id] = "refreshed"
        except FileRefused as refused:
            log.error("suppression list %s refused: %s", list_id, refused)
            run.report.lists[list_id] = f"refused: {refused}"
            observe.count(names.METRIC_SUPPRESSION_FILES_REFUSED, run.org)


def _tell(run: _Sync) -> None:
    told = run.report.as_dict()
    run.w.offers.put_sync_report(run.org, {"synced_at": epoch_seconds(run.now), **told})
    log.info("catalogue: %s", {name: value for name, value in told.items() if name not in ("problems", "remarks")})
    if run.report.problems:
        observe.count(names.METRIC_OFFERS_NOT_UNDERSTOOD, run.org, len(run.report.problems))
