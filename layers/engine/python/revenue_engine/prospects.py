"""What each row of a page may get, and what it would bring: the funnel's chances, the offers' posteriors, the arms that may be drawn.

Worked out for the rows alone that passed the rails, the same for a decision, its replay and the evaluation of another policy.
Shapes: n rows, O offers, A arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.context import Cycle
from revenue_engine.offers.book import at_rest, barred_by_country, lately_mailed
from revenue_engine.offers.choice import Positions, even_shares, mixed, tally
from revenue_engine.prediction.features import Table, cross_features, subscriber_features
from revenue_engine.records.batch import Batch
from revenue_engine.value.worth import worth


@dataclass(frozen=True, slots=True)
class Prospects:
    """Of n rows. Money is micros, as floats."""

    eligible: Bools  # (n, A)
    click: Floats  # (n, A) of a person, per mail
    sale: Floats  # (n, A) approved conversions, per mail
    revenue: Floats  # (n, A) expected of a mail
    votes: Ints  # (n, A) of the joint draws; all zero = nothing to choose
    even: Floats  # (n, A) the ε share
    value: Floats  # (n,) expected of a mail, as its arm will be drawn (exploration apart)
    upper: Floats  # (n,) the highest optimistic bound of an arm, 0 = no arm
    first: Positions  # (n,) the best arm by expectation, -1 = none
    second: Positions  # (n,) and the next one, -1 = none

    def mixture(self, epsilon: Floats) -> Floats:
        """The policy as played, (n, A)."""
        return mixed(self.votes, self.even, epsilon)


def offers_open(batch: Batch, cycle: Cycle) -> Bools:
    """(n, O) offers that each row may get now."""
    barred = barred_by_country(cycle.book, batch)
    gap_days = cycle.context.controls.same_offer_gap_days
    barred |= lately_mailed(cycle.book, batch, now=cycle.now, gap_days=gap_days)
    barred |= at_rest(cycle.book, batch, now=cycle.now, gap_days=gap_days)
    return np.asarray(cycle.book.open_offers & ~barred)


def features(batch: Batch, cycle: Cycle) -> tuple[Table, Table]:
    """Of these people (n, Fs), and of them with each offer (n, O, len(CROSS))."""
    categories = [offer.category for offer in cycle.book.offers]
    value = cycle.context.bundle.value
    people = subscriber_features(batch, cycle.now, None if value is None else worth(value, batch, cycle.now))
    return people, cross_features(batch, cycle.now, cycle.book.numbers, categories)


def look(batch: Batch, cycle: Cycle, segment: Positions, open_offers: Bools) -> Prospects:
    """The prospects of these rows, whose segments are (n,) and open offers (n, O)."""
    eligible = open_offers[:, cycle.book.offer_of_arm]
    if not eligible.size:
        nothing, none = np.zeros(eligible.shape), np.full(len(batch), -1, dtype=np.intp)
        zero = np.zeros(len(batch))
        return Prospects(eligible, nothing, nothing, nothing, nothing.astype(np.int64), nothing, zero, zero, none, none)
    people, cross = features(batch, cycle)
    told = cycle.funnel.chances(
        people, cross[:, cycle.book.offer_of_arm], p_click=cycle.p_click[segment], p_sale=cycle.p_conversion[segment]
    )
    revenue = told.sale * cycle.payout.mean(people)
    votes = tally(revenue, cycle.factors, segment, eligible)
    among = np.where(eligible, revenue, -np.inf)
    rows = np.arange(len(batch))
    first = among.argmax(axis=1)
    others = among.copy()
    others[rows, first] = -np.inf
    return Prospects(
        eligible=eligible,
        click=told.click,
        sale=told.sale,
        revenue=revenue,
        votes=votes,
        even=even_shares(eligible, cycle.book.offer_of_arm),
        value=(votes * revenue).sum(axis=1) / np.maximum(votes.sum(axis=1), 1),
        upper=np.where(eligible, revenue * cycle.upper[segment], 0.0).max(axis=1),
        first=np.where(eligible.any(axis=1), first, -1),
        second=np.where(eligible.sum(axis=1) > 1, others.argmax(axis=1), -1),
    )
