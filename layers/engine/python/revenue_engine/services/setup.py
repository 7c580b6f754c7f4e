"""What CloudFormation cannot make: an org's secrets (SecureString) and the day-one bundle. Running it again changes nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import iso_millis
from revenue_engine.prediction.bundle import dump, prior_bundle


@dataclass(frozen=True)
class SetUp:
    """What an operator needs next; the token is shown once."""

    created: tuple[str, ...]
    webhook_path: str | None


def set_up(w: Wiring, org: str, *, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> SetUp:
    """Creates each secret that is missing, and publishes the prior bundle where there is no champion."""
    created: list[str] = []
    path = None
    if not w.parameters.webhook_tokens(org):
        token = random_bytes(24).hex()
        _put(w, org, names.WEBHOOK_TOKENS, json.dumps([token]))
        created.append(names.WEBHOOK_TOKENS)
        path = names.ROUTE_POSTBACK.format(org=org, token=token)
    for secret in (names.TRACKING_KEY, names.ADDRESS_KEY):
        if not w.parameters.has_secret(org, secret):
            _put(w, org, secret, random_bytes(32).hex())
            created.append(secret)
    if w.bundles.champion(org) is None:
        bundle = prior_bundle(now)
        w.bundles.publish(org, bundle.version, dump(bundle))
        w.bundles.promote(org, bundle.version, at=iso_millis(now))
        created.append(f"bundle {bundle.version} (prior)")
    return SetUp(tuple(created), path)


def _put(w: Wiring, org: str, secret: str, value: str) -> None:
    w.parameters.put(names.secret_parameter(w.stage, org, secret), value, secure=True)
