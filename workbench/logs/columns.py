"""A log as arrays: n mails that left, c conversions. Codes number the log's own subscribers and offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Codes, Floats, Ints
from workbench.logs.files import Log

STATES = ("provisional", "approved", "rejected", "reversed")


@dataclass(frozen=True)
class Columns:
    """Times are epoch seconds, NaN for what did not happen; amounts are micros of `currencies`, which a sum may have one of (M1)."""

    offers: tuple[str, ...]
    currencies: tuple[str, ...]
    subscriber: Ints  # (n,)
    offer: Ints  # (n,) position in `offers`
    sent_at: Floats  # (n,)
    delivered: Bools  # (n,)
    hard_bounced: Bools  # (n,)
    opened: Bools  # (n,) by a person, as far as a picture told
    clicked_at: Floats  # (n,) first click of a person
    unsubscribed_at: Floats  # (n,)
    complained_at: Floats  # (n,)
    sale_mail: Ints  # (c,) row of its mail, -1 = of none in this log
    sale_offer: Ints  # (c,)
    sale_at: Floats  # (c,)
    sale_state: Codes  # (c,) position in STATES
    provisional_micros: Ints  # (c,)
    approved_micros: Ints  # (c,)

    @property
    def provisional(self) -> Bools:
        """(c,) what nobody has approved or taken back yet."""
        return np.asarray(self.sale_state == STATES.index("provisional"))


def columns(log: Log) -> Columns:
    """The arrays of a log's lines, in their order."""
    mails, sales = log.outcomes, log.conversions
    offers = tuple(sorted({mail.offer for mail in mails} | {sale.offer for sale in sales}))
    place = {offer: position for position, offer in enumerate(offers)}
    people: dict[str, int] = {}
    row = {mail.send_id: position for position, mail in enumerate(mails)}
    return Columns(
        offers=offers,
        currencies=tuple(sorted({sale.currency for sale in sales})),
        subscriber=_ints([people.setdefault(mail.subscriber, len(people)) for mail in mails]),
        offer=_ints([place[mail.offer] for mail in mails]),
        sent_at=_times([mail.sent_at for mail in mails]),
        delivered=np.array([mail.delivered for mail in mails], dtype=bool),
        hard_bounced=np.array([mail.hard_bounced for mail in mails], dtype=bool),
        opened=np.array([mail.human_opens > 0 for mail in mails], dtype=bool),
        clicked_at=_times([mail.first_human_click_at for mail in mails]),
        unsubscribed_at=_times([mail.unsubscribed_at for mail in mails]),
        complained_at=_times([mail.complained_at for mail in mails]),
        sale_mail=_ints([row.get(sale.send_id, -1) for sale in sales]),
        sale_offer=_ints([place[sale.offer] for sale in sales]),
        sale_at=_times([sale.converted_at for sale in sales]),
        sale_state=np.array([STATES.index(sale.state) for sale in sales], dtype=np.uint8),
        provisional_micros=_ints([sale.provisional_micros for sale in sales]),
        approved_micros=_ints([sale.approved_micros for sale in sales]),
    )


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _times(values: Sequence[float | None]) -> Floats:
    return np.array(values, dtype=np.float64)  # None becomes NaN
