"""E-mail creatives: the advertiser's approved from name, subject and body, the only ones we may use (contracts 1.10)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from revenue_engine.errors import BadInput
from revenue_engine.records.offer import VARIANTS, Creative

_MAX = {"email_from": 100, "email_subject": 250, "html_code": 60_000}  # five bodies stay below DynamoDB's 400 KB an item


class RawCreative(BaseModel):
    """One creative of any type. `variant` is a member of ours that says which content variation the asset is."""

    creative_type: str = ""
    creative_status: str = "active"
    name: str = ""
    variant: str = ""
    email_from: str = ""
    email_subject: str = ""
    html_code: str = ""


def read_creatives(entries: Sequence[RawCreative]) -> tuple[tuple[Creative, ...], tuple[BadInput, ...]]:
    """The usable e-mail creatives, one a variant, and why others were left out.

    Other types and inactive ones are none of our business.
    """
    creatives: dict[str, Creative] = {}
    left_out: list[BadInput] = []
    for index, entry in enumerate(entries):
        if entry.creative_type != "email" or entry.creative_status != "active":
            continue
        try:
            creative = _creative(entry, f"relationship.creatives[{index}]")
            if creative.variant in creatives:
                raise BadInput(f"relationship.creatives[{index}].variant", "duplicate_variant")
            creatives[creative.variant] = creative
        except BadInput as bad:
            left_out.append(bad)
    return tuple(creatives.values()), tuple(left_out)


def _creative(entry: RawCreative, where: str) -> Creative:
    name = entry.name.strip().lower()
    variant = entry.variant or (name if name in VARIANTS else "standard")
    if variant not in VARIANTS:
        raise BadInput(f"{where}.variant", "unknown_variant", variant[:20])
    for field, limit in _MAX.items():
        value: str = getattr(entry, field)
        if not value.strip():
            raise BadInput(f"{where}.{field}", "missing")
        if len(value.encode()) > limit:
            raise BadInput(f"{where}.{field}", "too_long")
        if field != "html_code" and not value.isprintable():
            raise BadInput(f"{where}.{field}", "control_character")  # a line break here would be a header of its own
    return Creative(variant, entry.email_from.strip(), entry.email_subject.strip(), entry.html_code)
