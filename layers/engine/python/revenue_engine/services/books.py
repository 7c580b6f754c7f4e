"""The currency that an org's sums are in: the one it had when the first money was booked (M1)."""

from __future__ import annotations

from revenue_engine.aws.wiring import Wiring
from revenue_engine.errors import BadInput
from revenue_engine.records.controls import Controls, currency_of


def controls_in_books_currency(w: Wiring, org: str) -> Controls:
    """The controls as reports need them: an edit of the currency does not relabel what was added up in another."""
    controls = w.parameters.controls(org)
    books = w.control.books_currency(org)
    if books is None or books == controls.currency:
        return controls
    return controls.model_copy(update={"currency": books, "fx_rates": {}})


def books_currency(w: Wiring, org: str) -> str:
    """The currency alone, also while the controls are refused for something else. Raises Refused where they do not say it either."""
    return w.control.books_currency(org) or currency_of(w.parameters.controls_document(org))


def check_currency(w: Wiring, org: str, controls: Controls) -> None:
    """Raises BadInput("currency", "books_are_kept_in") when the edit would add up two currencies."""
    books = w.control.books_currency(org)
    if books is not None and books != controls.currency:
        raise BadInput("currency", "books_are_kept_in", books)
