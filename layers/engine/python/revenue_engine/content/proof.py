"""An asset made into a mail once, when it comes in: what could never be mailed is told then, and not mail by mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import named_fields, render
from revenue_engine.errors import BadInput
from revenue_engine.records.offer import Creative

MOST_FIELDS = 30  # of a subject or a body: each is left out once, in a rendering of its own
_UNSUBSCRIBE_URL = "https://opt-out.example/u/proof"


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of an asset whose faults, if it has any, are none of every mail's."""

    needed: tuple[str, ...]  # the merge fields without which it makes no mail, by name
    unproved: tuple[BadInput, ...]  # subject or body: it fails with the values of this proof, and may do well with a reader's


def prove(creative: Creative) -> Proof:
    """Subject and body, each in a mail of its own, for a reader of whom every field is "A"; then each field is left out in turn.

    What a template does with a field (`birthday.split('-')[1]`) may hold for a reader's value and not for ours: where one that compiles and
    names fields does not render, nothing is proved. Raises BadInput, as `render` and `build_mail` do, of everything else.
    """
    needed: set[str] = set()
    unproved: list[BadInput] = []
    for part in (replace(creative, html="{{ offer_url }}"), replace(creative, subject="A")):
        named = named_fields(part)
        if len(named) > MOST_FIELDS:
            raise BadInput(
                "creative.html" if part.html == creative.html else "creative.subject", "too_many_fields", str(len(named))
            )
        try:
            _mail(part, named)
        except BadInput as bad:
            if bad.reason != "does_not_render" or not named:
                raise
            unproved.append(BadInput(bad.field, "not_proved", f"{', '.join(sorted(named))}: {bad.detail}"))
            continue
        needed |= {name for name in named if not _makes_a_mail(part, named - {name})}
    return Proof(tuple(sorted(needed)), tuple(unproved))


def _makes_a_mail(creative: Creative, fields: Iterable[str]) -> bool:
    try:
        _mail(creative, fields)
    except BadInput:
        return False
    return True


def _mail(creative: Creative, fields: Iterable[str]) -> None:
    content = render(
        creative,
        fields=dict.fromkeys(fields, "A"),
        offer_url="https://offer.example/?sub1=proof",
        unsubscribe_url=_UNSUBSCRIBE_URL,
        postal_address="1 Main Street",
    )
    build_mail(
        content,
        from_name=creative.from_name,
        from_address="sender@sender.example",
        to_address="reader@reader.example",
        reply_to="",
        unsubscribe_url=_UNSUBSCRIBE_URL,
        feedback_id=("proof", creative.variant, "proof"),
    )
