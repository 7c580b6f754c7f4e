"""What became of the mails of a log, as arrays: a look-up by decision that holds ten million of them in half a gigabyte.

Outcomes count inside a horizon alone: a click within 72 hours of the mail, sales within 14 days of it. Clicks are those of people. A sale
counts while the books hold it: no more when it was rejected or taken back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints, Keys
from revenue_engine.errors import BadInput
from revenue_engine.ids import stable_hash

CLICK_SECONDS = 72 * 3_600
SALE_SECONDS = 14 * 86_400


class Mail(NamedTuple):
    """A mail that was delivered. Times are epoch seconds."""

    decision_id: str
    send_id: str
    sent_at: float
    first_click_at: float | None
    left: bool = False  # its reader answered it by opting out or complaining


class Sale(NamedTuple):
    """A conversion as the books have it by now, approved or still provisional."""

    send_id: str
    converted_at: float
    stands: bool  # not rejected, not taken back, not held as suspicious
    micros: int  # of the org's currency, 0 where no rate was known


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of n mails, (n,) each, by rising key."""

    key: Keys  # `key_of` the decision
    sent_at: Floats
    clicked: Bools
    left: Bools
    sales: Ints  # conversions that stand
    micros: Ints  # and theirs

    def __len__(self) -> int:
        return len(self.key)

    @property
    def happened(self) -> Bools:
        """A click or a sale."""
        return self.clicked | (self.sales > 0)

    def find(self, key: Keys) -> Ints:
        """(m,) positions of decisions, -1 for those of which no delivered mail is known."""
        if not len(self):
            return np.full(len(key), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.key, key), len(self) - 1)
        return np.where(self.key[place] == key, place, -1)


def key_of(name: str) -> int:
    """64 bits of a decision's or a mail's id. Of ten million, two agree by chance once in 370,000 logs, and are then refused."""
    return stable_hash("log", name)


def gather(mails: Iterable[Mail], sales: Iterable[Sale]) -> Outcomes:
    """Outcomes of these mails, whatever their order. Sales of other mails are not looked at.

    Raises BadInput("mails", "twice") when two mails have one decision or one id.
    """
    keys, sends, exits = array("Q"), array("Q"), array("B")
    sent, clicks = array("d"), array("d")
    for mail in mails:
        keys.append(key_of(mail.decision_id))
        sends.append(key_of(mail.send_id))
        sent.append(mail.sent_at)
        exits.append(mail.left)
        clicks.append(np.inf if mail.first_click_at is None else mail.first_click_at)
    key, send = (np.frombuffer(values, dtype=np.uint64) if values else np.zeros(0, dtype=np.uint64) for values in (keys, sends))
    sent_at, clicked_at = (np.array(values, dtype=np.float64) for values in (sent, clicks))
    by_send = np.argsort(send, kind="stable")
    counts, micros = _paid(send[by_send], sent_at[by_send], sales)
    back = np.empty(len(send), dtype=np.int64)
    back[by_send] = np.arange(len(send))
    order = np.argsort(key, kind="stable")
    for values in (key[order], send[by_send]):
        if len(values) and (values[1:] == values[:-1]).any():
            raise BadInput("mails", "twice")
    return Outcomes(
        key=key[order],
        sent_at=sent_at[order],
        clicked=(clicked_at <= sent_at + CLICK_SECONDS)[order],
        left=np.array(exits, dtype=np.bool_)[order],
        sales=counts[back][order],
        micros=micros[back][order],
    )


def _paid(send: Keys, sent_at: Floats, sales: Iterable[Sale]) -> tuple[Ints, Ints]:
    """Conversions that stand inside the horizon, and their micros, of mails by rising send key; (n,) each."""
    counts, micros = np.zeros(len(send), dtype=np.int64), np.zeros(len(send), dtype=np.int64)
    keys, times, amounts = array("Q"), array("d"), array("q")
    for sale in sales:
        if sale.send_id and sale.stands:
            keys.append(key_of(sale.send_id))
            times.append(sale.converted_at)
            amounts.append(sale.micros)
    if len(send) and len(keys):
        of = np.array(keys, dtype=np.uint64)
        place = np.minimum(np.searchsorted(send, of), len(send) - 1)
        good = (send[place] == of) & (np.array(times) <= sent_at[place] + SALE_SECONDS)
        np.add.at(counts, place[good], 1)
        np.add.at(micros, place[good], np.array(amounts, dtype=np.int64)[good])
    return counts, micros
