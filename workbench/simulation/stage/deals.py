"""The conversions of a world as its affiliate network keeps them: ids, amounts, and what the advertiser says of them later."""

from __future__ import annotations

from datetime import datetime, timedelta

from workbench.simulation.draws import between, hexadecimal
from workbench.simulation.stage.catalogue import CURRENCY
from workbench.simulation.truth import Deal
from workbench.simulation.worlds.events import Facts, Flaw, Kind

_FIRST_REBILL_ID = 100  # event ids of rebills count from here
_Case = tuple[int, int, str]  # person, day of the mail, which conversion of this mail


class Deals:
    """All draws are keyed by seed, person, day of the mail and conversion."""

    def __init__(self, seed: int) -> None:
        self.all: list[Deal] = []
        self._seed = seed
        self._by_case: dict[_Case, Deal] = {}
        self._first_click: dict[tuple[int, int], datetime] = {}

    def clicked(self, person: int, facts: Facts, fact: int, at: datetime) -> None:
        """A person clicked: the first click of a mail is the one that its conversions belong to."""
        self._first_click.setdefault((person, int(facts.sent_day[fact])), at)

    def told(self, person: int, facts: Facts, fact: int, at: datetime, *, offer: str, sub1: str) -> Deal:
        """The conversion that a CONVERSION or REBILL row posts; a row that posts one again gives the same.

        A sale under a second id and a false sale are clicks of their own to the network, and it never confirms them. A rebill is an
        event on its sale's click, in the report as soon as it happens: no row holds one back, and none takes it back.
        """
        case = self._case(person, facts, fact)
        if case not in self._by_case:
            self._by_case[case] = self._new(case, facts, fact, at, offer, sub1)
            self.all.append(self._by_case[case])
        return self._by_case[case]

    def judged(self, person: int, facts: Facts, fact: int, at: datetime) -> None:
        """An APPROVAL or a REVERSAL. What is taken back in part before it was approved is in the report with the rest of it."""
        deal, micros = self._by_case[self._case(person, facts, fact)], int(facts.micros[fact])
        if facts.kind[fact] == Kind.APPROVAL:
            deal.approves_at, deal.approved_micros = at, micros
        elif deal.approves_at is not None:
            # an amount that was cut before is reversed as a whole, too
            deal.changes.append((at, max(deal.approved_micros + micros, 0)))
        elif deal.payout_micros + micros > 0:
            deal.approves_at, deal.approved_micros = at, deal.payout_micros + micros

    def _case(self, person: int, facts: Facts, fact: int) -> _Case:
        part, kind = int(facts.part[fact]), facts.kind[fact]
        false = kind == Kind.CONVERSION and facts.flaw[fact] == Flaw.BURST
        name = "false" if false else f"rebill {part}" if kind == Kind.REBILL else f"sale {part}"
        return person, int(facts.sent_day[fact]), name

    def _new(self, case: _Case, facts: Facts, fact: int, at: datetime, offer: str, sub1: str) -> Deal:
        person, day, name = case
        rebill = facts.kind[fact] == Kind.REBILL
        part, micros = int(facts.part[fact]), int(facts.micros[fact])
        click = (person, day, "sale 0" if rebill else name)
        pretended = at - timedelta(seconds=between(60, 1_800, self._seed, "click", *case))
        return Deal(
            kind="event" if rebill else "conversion",
            transaction_id=hexadecimal(32, self._seed, "transaction", *click),
            conversion_id=hexadecimal(32, self._seed, "conversion", *case),
            event_id=f"{_FIRST_REBILL_ID + part}" if rebill else "0",
            event_name=f"Rebill {part}" if rebill else "Base",
            offer=offer,
            currency=CURRENCY,
            payout_micros=micros,
            sub1=sub1,
            clicked_at=pretended if name == "false" else self._first_click[person, day],
            converted_at=at.replace(microsecond=0),
            approves_at=at if rebill else None,
            approved_micros=micros if rebill else 0,
            sale_micros=int(facts.sale_micros[fact]),
        )
