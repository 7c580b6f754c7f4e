"""Once a week: evidence → rates → bundle → champion, if it fits what happened (D3)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from revenue_engine import __version__
from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import dump
from revenue_engine.clock import iso_millis
from revenue_engine.learning.train import may_be_champion
from revenue_engine.learning.train import train as fit
from revenue_engine.records.evidence import parse_evidence

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=365)


def train(w: Wiring, *, org: str, now: datetime) -> dict[str, Any]:
    """Publishes a bundle; makes it champion only if it may be."""
    since_day = f"{now - LOOK_BACK:%Y-%m-%d}"
    evidence = [parse_evidence(item) for item in w.offers.evidence(org, since_day=since_day)]
    categories = {offer.offer: offer.category for offer in w.offers.catalogue(org)}
    bundle = fit(evidence, categories, now, code_version=__version__)
    w.bundles.publish(org, bundle.version, dump(bundle))
    metrics = bundle.manifest.metrics
    promoted = may_be_champion(metrics)
    if promoted:
        w.bundles.promote(org, bundle.version, at=iso_millis(now))
    log.info("bundle %s %s: %s", bundle.version, "promoted" if promoted else "kept aside", metrics)
    return {"version": bundle.version, "promoted": promoted, "metrics": metrics}
