"""An asset made into a mail once, when it comes in: what could never be mailed is told then, and not mail by mail."""

from __future__ import annotations

from collections.abc import Iterable

from revenue_engine.content.mime import build_mail
from revenue_engine.content.render import named_fields, render
from revenue_engine.errors import BadInput
from revenue_engine.records.offer import Creative

_UNSUBSCRIBE_URL = "https://opt-out.example/u/proof"


def needed_fields(creative: Creative) -> tuple[str, ...]:
    """The merge fields without which it makes no mail, by name: each of those it names is left out in turn.

    Raises BadInput as `render` and `build_mail` do when it makes none for a reader who has them all.
    """
    named = sorted(named_fields(creative))
    _mail(creative, named)
    return tuple(name for name in named if not _makes_a_mail(creative, (other for other in named if other != name)))


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
