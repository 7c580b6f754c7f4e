"""What CloudFormation cannot make: an org's secrets (SecureString) and the day-one bundle. Running it again changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from revenue_engine.aws import names
from revenue_engine.aws.wiring import Wiring
from revenue_engine.bundle import dump, prior_bundle
from revenue_engine.clock import iso_millis
from revenue_engine.errors import Refused
from revenue_engine.services.models import champion
from revenue_engine.services.tokens import new_token, path_of, put_tokens


@dataclass(frozen=True)
class SetUp:
    """What an operator needs next; the token is shown once."""

    created: tuple[str, ...]
    webhook_path: str | None


def set_up(w: Wiring, org: str, *, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> SetUp:
    """Creates each secret that is missing, and publishes the prior bundle where there is no champion that can be read."""
    created: list[str] = []
    path = None
    if not w.parameters.webhook_tokens(org):
        token = new_token(random_bytes)
        put_tokens(w, org, [token])
        created.append(names.WEBHOOK_TOKENS)
        path = path_of(org, token)
    for secret in (names.TRACKING_KEY, names.ADDRESS_KEY):
        if not w.parameters.has_secret(org, secret):
            w.parameters.put(names.secret_parameter(w.stage, org, secret), random_bytes(32).hex(), secure=True)
            created.append(secret)
    if not _decides(w, org):
        bundle = prior_bundle(now)
        w.bundles.publish(org, bundle.version, dump(bundle))
        w.bundles.promote(org, bundle.version, at=iso_millis(now))
        created.append(f"bundle {bundle.version} (prior)")
    return SetUp(tuple(created), path)


def _decides(w: Wiring, org: str) -> bool:
    try:
        champion(w, org)
    except Refused:
        return False
    return True
