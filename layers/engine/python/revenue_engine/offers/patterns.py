"""Rows that choose alike: one segment, one eligible set. What a choice costs is paid once per pattern. Shapes: n rows, P
patterns, A arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.offers.book import OfferBook
from revenue_engine.offers.choice import Positions, even_shares, tally


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of a page and what is known of each."""

    of_row: Positions  # (n,) each row's pattern
    eligible: Bools  # (P, A)
    votes: Ints  # (P, A) of the joint draws; all zero = nothing to choose
    even: Floats  # (P, A) the ε share
    best: Floats  # (P,) expected micros of the best arm, 0 = no arm
    upper: Floats  # (P,) the highest optimistic bound, 0 = no arm
    first: Positions  # (P,) the best arm by expectation, -1 = none
    second: Positions  # (P,) and the next one, -1 = none


def find_patterns(
    book: OfferBook,
    barred: Bools,
    segment: Positions,
    *,
    needed: Bools,
    order: Positions,
    scores: Floats,
    revenue: Floats,
    upper: Floats,
) -> Patterns:
    """Group rows by segment and eligible offers.

    Parameters
    ----------
    barred, segment
        (n, O) offers a row may not get (yet), and (n,) its segment.
    needed
        (n,): rows that may be mailed. A pattern without one has no votes.
    order, scores
        (S, M, A) of the joint draws.
    revenue, upper
        (S, A) expected micros of a mail and their optimistic bound.
    """
    open_offers = book.open_offers & ~barred
    bits = np.concatenate([segment.astype(np.uint8)[:, None], np.packbits(open_offers, axis=1)], axis=1)
    _, sample, of_row = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    of_row = of_row.reshape(-1)
    eligible = open_offers[sample][:, book.offer_of_arm]
    groups = segment[sample]
    votes = np.zeros(eligible.shape, dtype=np.int64)
    if not eligible.size:
        empty, none = np.zeros(len(groups)), np.full(len(groups), -1, dtype=np.intp)
        return Patterns(of_row, eligible, votes, np.zeros(eligible.shape), empty, empty, none, none)

    counted = np.unique(of_row[needed])
    votes[counted] = tally(order, scores, groups[counted], eligible[counted])
    value = np.where(eligible, revenue[groups], -np.inf)
    by_value = np.argsort(-value, axis=1, kind="stable")
    first = np.where(eligible.any(axis=1), by_value[:, 0], -1)
    second = np.where(eligible.sum(axis=1) > 1, by_value[:, min(1, eligible.shape[1] - 1)], -1)
    return Patterns(
        of_row=of_row,
        eligible=eligible,
        votes=votes,
        even=even_shares(eligible, book.offer_of_arm),
        best=np.maximum(value.max(axis=1), 0.0),
        upper=np.where(eligible, upper[groups], 0.0).max(axis=1),
        first=first,
        second=second,
    )
