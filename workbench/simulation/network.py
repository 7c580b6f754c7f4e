"""The affiliate network: clicks become conversions, conversions postbacks and rows of the report.

Postbacks come as they do in life: most once, some twice, some never, some contradicting, and rubbish among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from revenue_engine.money import MICROS
from revenue_engine.records.offer import Offer
from workbench.simulation.draws import between, chance, exponential, hexadecimal
from workbench.simulation.report import amount, postback_of
from workbench.simulation.truth import Deal, Truth

LOST, REPEATED, CONTRADICTED = 0.04, 0.15, 0.03  # shares of postbacks
UPSOLD = 0.2
NEVER_APPROVED, CUT = 0.05, 0.08  # shares of conversions; a cut one is approved at nine tenths
UPSELL_ID, UPSELL = "77", "Upsell"
OUR_CHARACTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Feed:
    """How the network reaches us: `get(path)` answers the HTTP status, `at` does something at a moment."""

    path: str  # of our webhook, with the token
    get: Callable[[str], int]
    at: Callable[[datetime, Callable[[], object]], None]


class Network:
    """Everflow's side. All draws are keyed by the transaction."""

    def __init__(self, offers: Mapping[str, Offer], feed: Feed, truth: Truth, seed: int) -> None:
        self._offers, self._feed, self._truth, self._seed = offers, feed, truth, seed

    def transaction_of(self, tracking_id: str, clicked_at: datetime) -> str:
        """A click's id, 32 hexadecimal digits."""
        return hexadecimal(32, self._seed, "transaction", tracking_id, clicked_at.timestamp())

    def purchase(self, offer: str, *, tracking_id: str, clicked_at: datetime, converted_at: datetime) -> None:
        """A click that will convert, and sometimes bring a later event on the same click."""
        transaction = self.transaction_of(tracking_id, clicked_at)
        known = self._offers[offer]
        if known.payout_micros is not None:
            self._agree(known, "conversion", transaction, known.payout_micros, tracking_id, clicked_at, converted_at)
        if chance(UPSOLD, self._seed, transaction, "upsell"):
            later = converted_at + exponential(timedelta(hours=1), self._seed, transaction, "upsell")
            self._agree(known, "event", transaction, self._share_of_sale(transaction), tracking_id, clicked_at, later)

    def stray(self, offer: str, *, sub1: str, at: datetime, currency: str | None = None) -> None:
        """A conversion of ours whose sub1 got lost or belongs to somebody else: the money is real."""
        known = self._offers[offer]
        transaction = hexadecimal(32, self._seed, "stray", sub1, at.timestamp())
        micros = known.payout_micros or self._share_of_sale(transaction)
        self._agree(known, "conversion", transaction, micros, sub1, at, at, currency=currency, faithful=True)

    def rubbish(self, start: datetime, span: timedelta) -> None:
        """One postback of every kind that cannot be understood, spread over a span of time."""
        seed, offer = self._seed, next(iter(self._offers))
        forged = "1" + "".join(OUR_CHARACTERS[int(between(0, 32, seed, "forged", i))] for i in range(52))
        cases: tuple[tuple[str, dict[str, str]], ...] = (
            ("unreplaced_macro", {"payout": "{payot_amount}"}),
            ("forged_tracking_id", {"sub1": forged}),
            ("payout_out_of_range", {"payout": "987654321"}),
            ("unknown_offer", {"offer_id": "990099"}),
            ("unknown_currency", {"currency": "XQZ"}),
            ("no_transaction_id", {"transaction_id": ""}),
            ("negative_payout", {"payout": "-12.5"}),
            ("not_a_number", {"payout": "12,50"}),
            ("wrong_token", {}),
        )
        for reason, changed in cases:
            at = start + span * between(0.1, 0.9, seed, "rubbish", reason, start.isoformat())
            query = {
                "kind": "conversion",
                "transaction_id": hexadecimal(32, seed, "rubbish", reason, start.isoformat()),
                "payout": "20",
                "offer_id": offer,
                "sub1": "",
                "event_id": "0",
                "event_name": "Base",
                **changed,
            }
            path = self._feed.path.rpartition("/")[0] + "/not-the-token" if reason == "wrong_token" else self._feed.path
            self._feed.at(at, lambda path=path, query=query, reason=reason: self._tell_rubbish(path, query, reason))  # type: ignore[misc]

    # --- one conversion --------------------------------------------------------------------------------------------------
    def _agree(
        self,
        offer: Offer,
        kind: str,
        transaction: str,
        micros: int,
        sub1: str,
        clicked_at: datetime,
        converted_at: datetime,
        *,
        currency: str | None = None,
        faithful: bool = False,
    ) -> None:
        """A conversion happens at `converted_at`. A faithful one is posted exactly once."""
        key = (self._seed, transaction, kind)
        event = kind == "event"
        deal = Deal(
            kind=kind,
            transaction_id=transaction,
            conversion_id=hexadecimal(32, *key, "conversion"),
            event_id=UPSELL_ID if event else "0",
            event_name=UPSELL if event else "Base",
            offer=offer.offer,
            currency=currency or offer.currency,
            payout_micros=micros,
            sub1=sub1,
            clicked_at=clicked_at,
            converted_at=converted_at.replace(microsecond=0),
        )
        if not chance(NEVER_APPROVED, *key, "never"):
            slow = chance(0.15, *key, "slow")
            deal.approves_at = converted_at + (timedelta(days=2) if slow else exponential(timedelta(hours=2), *key, "approval"))
            cut = chance(CUT, *key, "cut")
            deal.approved_micros = micros * 9 // 10 if cut else micros
        self._feed.at(converted_at, lambda: self._truth.deals.append(deal))
        if not faithful and chance(LOST, *key, "lost"):
            return
        said = postback_of(deal) if currency is None else {**postback_of(deal), "currency": currency}
        told_at = converted_at + timedelta(seconds=between(1, 20, *key, "told"))
        self._feed.at(told_at, lambda: self._tell(deal, said))
        if not faithful and chance(REPEATED, *key, "repeated"):
            self._feed.at(told_at + exponential(timedelta(minutes=5), *key, "again"), lambda: self._tell(deal, said))
        if not faithful and chance(CONTRADICTED, *key, "contradicted"):
            other = {**said, "payout": amount(micros + 7_500_000)}
            self._feed.at(told_at + timedelta(minutes=3), lambda: self._contradict(deal, other))

    def _share_of_sale(self, transaction: str) -> int:
        """12 % of a sale, three decimals."""
        cents = round(between(1_500, 12_000, self._seed, transaction, "sale"))
        return cents * 12 // 10 * MICROS // 1_000

    def _tell(self, deal: Deal, query: dict[str, str]) -> None:
        deal.posted_micros = deal.payout_micros
        self._get(self._feed.path, query)

    def _contradict(self, deal: Deal, query: dict[str, str]) -> None:
        """Another amount for what was told before: it must move no money."""
        self._truth.doubtful += 1
        self._get(self._feed.path, query)

    def _tell_rubbish(self, path: str, query: dict[str, str], reason: str) -> None:
        self._truth.rubbish[reason] += 1
        self._get(path, query)

    def _get(self, path: str, query: dict[str, str]) -> None:
        self._truth.postbacks += 1
        status = self._feed.get(f"{path}?{urlencode(query)}")
        if status // 100 != 2:  # M3: ten of these in a row and Everflow switches the feed off
            self._truth.refused.append(f"a postback was answered {status}")
