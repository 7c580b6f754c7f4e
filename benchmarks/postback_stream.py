"""A network's postbacks as they come: repeated, contradicting each other, out of order, with rubbish among them; and what they are worth.

`recount` is a second opinion on the books: it knows the rules (the first amount of a conversion stands, a click belongs to the first
mail that proves it), and shares no code with the engine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

REPEATED, RUBBISH, CONTRADICTING, STOLEN = 0.10, 0.06, 0.01, 0.01  # shares of all postbacks
ORGANIC, UPSOLD, IN_EUROS = 0.12, 0.15, 0.05  # shares of conversions
MOST_WRONG_TOKENS = 40  # strangers' postbacks are kept and listed up to a number a day
OFFERS = ("1042", "2077", "3001")
_WRONG = {
    "unreplaced_macro": {"payout": "{payot_amount}"},
    "payout_out_of_range": {"payout": "987654321"},
    "unknown_offer": {"offer_id": "990099"},
    "unknown_currency": {"currency": "XQZ"},
    "no_transaction_id": {"transaction_id": ""},
    "negative_payout": {"payout": "-12.5"},
    "not_a_number": {"payout": "12,50"},
    "forged_tracking_id": {"sub1": "1" + "a" * 52},
}


@dataclass(frozen=True, slots=True)
class Postback:
    """One request. `reason` is why it belongs into the quarantine, whatever else is known; "" for one that makes sense."""

    kind: str
    transaction: str
    micros: int
    currency: str
    offer: str
    mail: int | None  # whose click it is, by number
    sub1: str
    reason: str = ""  # or "wrong_token": it comes by a path that is none of ours
    at: datetime = datetime.min
    number: int = 0  # makes every request a text of its own

    @property
    def key(self) -> tuple[str, str]:
        """What conversion it tells of."""
        return self.kind, self.transaction

    @property
    def query(self) -> str:
        """As the network writes it."""
        event = {"event_id": "77", "event_name": "Upsell"} if self.kind == "event" else {"event_id": "0", "event_name": "Base"}
        return urlencode(
            {
                "kind": self.kind,
                "transaction_id": self.transaction,
                "payout": f"{self.micros // 1_000_000}.{self.micros % 1_000_000:06}",
                "offer_id": self.offer,
                "sub1": self.sub1,
                "currency": self.currency,
                **event,
                "n": str(self.number),
                **_WRONG.get(self.reason, {}),
            }
        )


def stream(n: int, *, seed: int, sub1: Sequence[str], start: datetime, span: timedelta, late: int) -> list[Postback]:
    """`n` postbacks in the order of their arrival, no two at the same time. `sub1` are authentic ids of mails, by number.

    A click is claimed for another mail's only when `late` other postbacks have come since: the first who is processed has it.
    """
    chance = random.Random(seed)
    shares = [round(n * share) for share in (REPEATED, CONTRADICTING, STOLEN, RUBBISH)]
    told = _conversions(n - sum(shares), chance, sub1)
    chance.shuffle(told)
    repeated, contradicting, stolen, rubbish = shares
    more: list[tuple[int, Postback]] = []  # after which of those told once, and what
    # of what is told twice and contradicted as well, the order of processing says which receipts are listed for a person
    contradicted = chance.sample(range(len(told)), contradicting)
    told_again = chance.choices(sorted(set(range(len(told))).difference(contradicted)), k=repeated)
    for original in contradicted:
        other = replace(told[original], micros=told[original].micros + 7_500_000)
        more.append((original + chance.choice((1, late)), other))
    mailed = [i for i, postback in enumerate(told) if postback.mail is not None and postback.kind == "conversion"]
    for original in chance.sample([i for i in mailed if i + late < len(told)], stolen):
        thief = (told[original].mail or 0) - 1
        more.append((original + late, replace(told[original], mail=thief % len(sub1), sub1=sub1[thief])))
    more += [(original + chance.choice((1, 50, len(told))), told[original]) for original in told_again]
    strangers = min(rubbish // 8, MOST_WRONG_TOKENS)
    for number in range(rubbish):
        reason = "wrong_token" if number < strangers else list(_WRONG)[number % len(_WRONG)]
        base = replace(chance.choice(told), transaction=f"bad{number:029x}", reason=reason)
        more.append((chance.randrange(len(told)), base))
    ordered = sorted([*enumerate(told), *more], key=lambda placed: placed[0])
    return [replace(p, at=start + span * i / len(ordered), number=i) for i, (_, p) in enumerate(ordered)]


def _conversions(n: int, chance: random.Random, sub1: Sequence[str]) -> list[Postback]:
    """Each told once; no mail is clicked into more than one transaction."""
    clicks = chance.sample(range(len(sub1)), len(sub1))
    made: list[Postback] = []
    while len(made) < n:
        mail = None if chance.random() < ORGANIC or not clicks else clicks.pop()
        base = Postback(
            kind="conversion",
            transaction=f"{chance.getrandbits(128):032x}",
            micros=chance.randrange(1_000, 60_000) * 1_000,
            currency="EUR" if chance.random() < IN_EUROS else "USD",
            offer=chance.choice(OFFERS),
            mail=mail,
            sub1=chance.choice(("", "c0412", "someone-elses")) if mail is None else sub1[mail],
        )
        made.append(base)
        if len(made) < n and chance.random() < UPSOLD:
            made.append(replace(base, kind="event", micros=chance.randrange(100, 9_000) * 1_000))
    return made


@dataclass(slots=True)
class Recount:
    """The books as they should be."""

    booked: dict[tuple[str, str], Postback] = field(default_factory=dict)  # by conversion, the postback whose amount stands
    listed: Counter[str] = field(default_factory=Counter)  # quarantine entries by reason


def recount(arrived: Sequence[Postback]) -> Recount:
    """The clean replay: repetitions fall away, and each conversion counts once."""
    books = Recount()
    clicked: dict[str, int] = {}
    for postback in sorted(arrived, key=lambda p: p.at):
        if postback.reason:
            books.listed[postback.reason] += 1
        elif postback.mail is not None and clicked.setdefault(postback.transaction, postback.mail) != postback.mail:
            books.listed["transaction_of_another_mail"] += 1
        elif books.booked.setdefault(postback.key, postback).micros != postback.micros:
            books.listed["contradicts_booked_amount"] += 1
    return books
