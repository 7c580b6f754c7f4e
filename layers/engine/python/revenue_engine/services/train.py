"""Every night the funnel, once a week lifetime value: mails → bundles → champion, if one predicts better and means what it says (D3).

Beside the pointer's move every run leaves a report: what was made, why it was not taken, and what the champion's predictions have become.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from revenue_engine import __version__
from revenue_engine.attribution.ledger import Head
from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import Bundle, dump, prior_bundle
from revenue_engine.clock import iso_millis
from revenue_engine.errors import BadInput, Refused
from revenue_engine.learning.dataset import EVIDENCE_DAYS, ROWS_DAYS
from revenue_engine.learning.outcomes import Mail, Sale
from revenue_engine.learning.people import MAILS_DAYS
from revenue_engine.log_pages import Stored
from revenue_engine.records.evidence import parse_evidence
from revenue_engine.records.send import SendState
from revenue_engine.services import export_log
from revenue_engine.services.models import champion, finder
from revenue_engine.training import Source, Trained, run, run_value

log = logging.getLogger(__name__)

READERS = 8


def train(
    w: Wiring, *, org: str, now: datetime, what: str = "funnel", seed: int = 0, progress: Callable[[str], None] = log.info
) -> dict[str, Any]:
    """Publishes the bundles of a run and its report; makes one champion only if it may be. Returns the report.

    Raises BadInput for anything but `funnel` (with rates and payouts) and `value`; Refused for `value` beside a champion that cannot be
    read.
    """
    if what == "funnel":
        found = source(w, org, now, days=ROWS_DAYS)
        return publish(w, org, run(found, now, code_version=__version__, seed=seed, progress=progress))
    if what == "value":
        champion(w, org)  # it stands on the champion: one that cannot be read is not replaced by this
        return publish(w, org, run_value(source(w, org, now, days=MAILS_DAYS), now, code_version=__version__, progress=progress))
    raise BadInput("what", "unknown", what)


def publish(w: Wiring, org: str, trained: Trained) -> dict[str, Any]:
    """All bundles under their versions, with the run's report; then the pointer."""
    report = trained.report()
    for one in trained.candidates:
        w.bundles.publish(org, one.bundle.version, dump(one.bundle))
        log.info("bundle %s (%s): %s", one.bundle.version, one.name, ", ".join(one.verdict.reasons) or "passed")
    w.bundles.put_report(
        org, trained.what, [one.bundle.version for one in trained.candidates], json.dumps(report, sort_keys=True).encode()
    )
    if trained.promoted is not None:
        # the model's age is that of its rates and funnel: what is put beside them makes them no younger
        before = w.bundles.champion(org) if trained.what == "value" else None
        w.bundles.promote(org, trained.promoted.bundle.version, at=before["promoted_at"] if before else iso_millis(trained.at))
    if trained.drift.alarms:
        log.warning("drift: %s", ", ".join(trained.drift.alarms))
        observe.count(names.METRIC_MODEL_DRIFT, org, len(trained.drift.alarms))
    return report


def source(w: Wiring, org: str, now: datetime, *, days: int) -> Source:
    """What the org's stores have of so many days. Nothing is read yet but the evidence and the champion."""
    since_day = f"{now - timedelta(days=EVIDENCE_DAYS):%Y-%m-%d}"
    span = export_log.span(w, org, days=days, now=now)
    return Source(
        evidence=[parse_evidence(item) for item in w.offers.evidence(org, since_day=since_day)],
        categories={offer.offer: offer.category for offer in w.offers.catalogue(org)},
        champion=_champion(w, org, now),
        bundle_of=finder(w, org),
        mails=(_mail(row) for day in span.booked for row in _delivered(w, org, day.isoformat())),
        sales=(_sale(head) for _, head in export_log.conversions(w, org, span.booked)),
        pages=_pages(w, org, span),
    )


def _champion(w: Wiring, org: str, now: datetime) -> Bundle:
    """What the org decides by; one that cannot be read serves nobody, so a candidate has but the prior to beat."""
    try:
        return champion(w, org)
    except Refused as refused:
        log.warning("the champion cannot be read: %s", refused)
        return prior_bundle(now)


def _delivered(w: Wiring, org: str, day: str) -> Iterator[Item]:
    return (row for row in w.sends.on_day(org, day) if row["state"] == SendState.SENT.value and "delivered_at" in row)


def _mail(row: Item) -> Mail:
    click = row.get("first_human_click_at")
    left = "unsubscribed_at" in row or "complained_at" in row
    return Mail(row["decision_id"], row["pk"], float(row["sent_at"]), None if click is None else float(click), left)


def _sale(head: Head) -> Sale:
    position = head.position
    reported = position.amounts.reported_provisional_micros + position.amounts.reported_approved_micros
    return Sale(
        position.place.send_id or "", position.converted_at.timestamp(), position.amounts.learned_conversions > 0, reported
    )


def _pages(w: Wiring, org: str, span: export_log.Span) -> Iterator[Stored]:
    """All pages in order, some of them fetched ahead: the reads wait on the network."""
    with ThreadPoolExecutor(READERS) as readers:
        ahead: deque[Future[Stored]] = deque()
        for day in span.decided:
            for key in export_log.receipt_keys(w, org, day):
                ahead.append(readers.submit(_stored, w, org, key))
                if len(ahead) > 2 * READERS:
                    yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _stored(w: Wiring, org: str, key: str) -> Stored:
    """A page of receipts with its inputs; what is gone is empty, which nothing can be read from."""
    context = w.decisions.get(f"cycles/{org}/{key.split('/')[3]}/context.json")
    return Stored(w.decisions.get(key) or b"", export_log.inputs(w, org, key)[1] or b"", context or b"")
