"""E-mail creatives: the advertiser's approved from name, subject and body, the only ones we may use (contracts 1.10)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from revenue_engine.errors import BadInput
from revenue_engine.intake.everflow.exact import WholeNumber
from revenue_engine.records.offer import VARIANTS, Creative, tone_of

_MAX = {"email_from": 100, "email_subject": 250, "html_code": 60_000}
MOST_BYTES = 300_000  # of an offer's bodies: they stay below DynamoDB's 400 KB an item
MOST_ASSETS = 12  # of an offer: every one is an arm that has to be tried

# where a mail's fault comes from
_MEMBER = {"creative.from_name": "email_from", "creative.subject": "email_subject", "creative.html": "html_code"}
_ADVICE = "{fields}: nobody without is mailed it; {{{{ {field} | default('there') }}}} is for all"
_NO_LINE_HAS = (
    "Cc",
    "Cs",
    "Zl",
    "Zp",
)  # controls, halves of characters, ends of lines and paragraphs; joiners and marks are text

_BRACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


class RawCreative(BaseModel):
    """One creative of any type. `variant` is a member of ours that says which content variation the asset is."""

    network_offer_creative_id: WholeNumber = 0
    creative_type: str = ""
    creative_status: str = "active"
    name: str = ""
    variant: str = ""
    email_from: str = ""
    email_subject: str = ""
    html_code: str = ""

    @property
    def asset(self) -> str:
        """How the asset is known again; "" when Everflow has given it no number."""
        return str(self.network_offer_creative_id) if self.network_offer_creative_id > 0 else ""


@dataclass(frozen=True, slots=True)
class Assets:
    """The usable e-mail creatives, an arm each, why others were left out, and what is to be known of those that were not."""

    creatives: tuple[Creative, ...]
    left_out: tuple[BadInput, ...]
    remarks: tuple[BadInput, ...]


def read_creatives(entries: Sequence[RawCreative], *, known: Sequence[Creative] = ()) -> Assets:
    """The e-mail creatives of an offer.

    Other types and inactive ones are none of our business. Several of one tone are subject lines and bodies to be tried against each
    other. An asset is named by its tone and its own number (`soft-12`), so that none ever gets the name of another, with its evidence
    and its stops: it may rest for a while and come back. What the operator has said stays: a known asset keeps its variant, and his own
    assets (those without a number: `soft`, `soft-b`, …) stay in their place.
    """
    creatives = {creative.variant: creative for creative in known if not creative.asset}
    variants = {creative.asset: creative.variant for creative in known if creative.asset}
    left_out: list[BadInput] = []
    remarks: list[BadInput] = []
    usable = [(i, e) for i, e in enumerate(entries) if e.creative_type == "email" and e.creative_status == "active"]
    for index, entry in sorted(usable, key=lambda pair: pair[1].asset not in variants):
        where = f"relationship.creatives[{index}]"
        try:
            creative = _creative(entry, where, variants.get(entry.asset, ""))
            _fits(creative, creatives.values(), where)
            odd = _proved(creative, where)
            name = _free(creative, creatives)
            creatives[name] = replace(creative, variant=name)
        except BadInput as bad:
            left_out.append(bad)
            continue
        remarks += odd
    return Assets(tuple(creatives.values()), tuple(left_out), tuple(remarks))


def _proved(creative: Creative, where: str) -> list[BadInput]:
    """Which merge fields its readers must have, and what of it is not proved. Raises BadInput when it makes a mail for nobody."""
    from revenue_engine.content.proof import prove  # only where assets come in

    try:
        proof = prove(creative)
    except BadInput as bad:
        raise BadInput(f"{where}.{_MEMBER[bad.field]}", bad.reason, bad.detail) from None
    except Exception as error:  # one asset's, and never the other offers'
        raise BadInput(where, "does_not_render", f"{type(error).__name__}: {error}"[:200]) from None
    odd = [BadInput(f"{where}.{_MEMBER[bad.field]}", bad.reason, bad.detail) for bad in proof.unproved]
    if proof.needed:
        odd.append(BadInput(where, "needs_fields", _ADVICE.format(fields=", ".join(proof.needed), field=proof.needed[0])))
    return odd


def _fits(creative: Creative, others: Collection[Creative], where: str) -> None:
    """Raises BadInput: `duplicate_asset`, `too_many_assets`, or `too_many_bytes` of all of them."""
    if creative.asset and any(other.asset == creative.asset for other in others):
        raise BadInput(f"{where}.network_offer_creative_id", "duplicate_asset", creative.asset)
    if len(others) >= MOST_ASSETS:
        raise BadInput(where, "too_many_assets", f"{MOST_ASSETS} an offer at the most")
    if sum(len(one.html.encode()) for one in (creative, *others)) > MOST_BYTES:
        raise BadInput(f"{where}.html_code", "too_many_bytes", f"{MOST_BYTES} of all assets of an offer at the most")


def _free(creative: Creative, taken: Container[str]) -> str:
    """Its variant, where no other asset has it; else its tone and its own number, or the next letter."""
    tone = tone_of(creative.variant)
    others = [f"{tone}-{creative.asset}"] if creative.asset else [f"{tone}-{letter}" for letter in string.ascii_lowercase[1:]]
    return next(name for name in (creative.variant, *others) if name not in taken)


def _creative(entry: RawCreative, where: str, known_variant: str) -> Creative:
    name = entry.name.strip().lower()
    tone = entry.variant or tone_of(known_variant) or (name if name in VARIANTS else "standard")
    if tone not in VARIANTS:
        raise BadInput(f"{where}.variant", "unknown_variant", tone[:20])
    variant = known_variant if tone_of(known_variant) == tone else f"{tone}-{entry.asset}" if entry.asset else tone
    for field, limit in _MAX.items():
        value: str = getattr(entry, field)
        if not value.strip():
            raise BadInput(f"{where}.{field}", "missing")
        refused = ("Cs",) if field == "html_code" else _NO_LINE_HAS  # a line break in a header would be a header of its own
        if any(unicodedata.category(character) in refused for character in value):
            raise BadInput(f"{where}.{field}", "control_character")
        if len(value.encode()) > limit:
            raise BadInput(f"{where}.{field}", "too_long")
    html = inlined(entry.html_code, f"{where}.html_code")
    return Creative(variant, entry.email_from.strip(), entry.email_subject.strip(), html, entry.asset)


def inlined(html: str, where: str) -> str:
    """The template with its style sheets' rules in style attributes: much of mail reading knows no other. Media queries stay as well.

    Done once, when the asset comes in, and not once a mail. Raises BadInput where the parser moved or rewrote something between Jinja's
    braces: then the asset needs its styles inline from the start.
    """
    if "<style" not in html.lower():
        return html
    import css_inline  # only where assets come in

    try:
        styled = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True).inline(html)
    except css_inline.InlineError as error:
        raise BadInput(where, "style_sheet_not_understood", str(error)[:200]) from None
    before, after = _BRACES.findall(html), _BRACES.findall(styled)
    moved = before != after if "{%" in html else sorted(before) != sorted(after)  # attributes of one tag may change places
    if moved:
        raise BadInput(where, "style_sheet_breaks_template")
    if len(styled.encode()) > _MAX["html_code"]:
        raise BadInput(where, "too_long", "with its styles inline")
    return str(styled)
