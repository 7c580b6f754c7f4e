"""Which offers we may run, and whether one has changed: pages of `GET /v1/affiliates/offersrunnable` (contracts 1.10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow.exact import load_json, offer_number
from revenue_engine.intake.everflow.offer_caps import CapLeft, left_of
from revenue_engine.intake.everflow.report import Paging
from revenue_engine.intake.validation import bad_input

_MOVES_BY_ITSELF = ("remaining_caps", "reporting")  # of `relationship`: counts, which no detail is read for


class _Page(BaseModel):
    offers: list[Any]
    paging: Paging


@dataclass(frozen=True, slots=True)
class ListedOffer:
    """One offer of the listing. `seen` is a hash of all it says but for counts; what it means is read from the offer's detail."""

    offer: str
    seen: str
    left: CapLeft


@dataclass(frozen=True, slots=True)
class OffersPage:
    """One page. A member without a number is not in `offers`: the listing is then not whole, and nothing may be concluded."""

    offers: tuple[ListedOffer, ...]
    page: int
    total_count: int


def parse_offers_page(text: str) -> OffersPage:
    """One answer. Raises BadInput when it is no page."""
    try:
        page = _Page.model_validate(load_json(text, field="page"))
    except ValidationError as error:
        raise bad_input(error) from None
    listed = [_listed(member) for member in page.offers if isinstance(member, dict)]
    return OffersPage(tuple(one for one in listed if one is not None), page.paging.page, page.paging.total_count)


def _listed(member: dict[str, Any]) -> ListedOffer | None:
    try:
        number = offer_number(str(member.get("network_offer_id") or ""))
    except BadInput:
        return None
    related = member.get("relationship")
    related = related if isinstance(related, Mapping) else {}
    said = {**member, "relationship": {name: value for name, value in related.items() if name not in _MOVES_BY_ITSELF}}
    text = json.dumps(said, sort_keys=True, default=str)
    return ListedOffer(number, hashlib.sha256(text.encode()).hexdigest()[:32], left_of(related.get("remaining_caps")))
