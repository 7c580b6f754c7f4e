"""What conversions pay in the end: sorts of lines, amounts by offer, the share kept, and what pays again each month.

Not every line is a sale. One that comes weeks after another of the same mail is a rebill, and follows from that one. One whose mail no
person clicked is set aside: such come in bursts, and nobody approves them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from workbench.logs.columns import Columns

DAY = 86_400.0
LEAST_REBILL_DAYS = 20.0
FEWEST_SETTLED = 10
_SETTLED = 0.98  # of the settled share among the oldest lines: from that age on, what is to be decided is decided
_LONGEST_HOLD_DAYS = 75
_SLACK_DAYS = 2.0
_MOST_AMOUNTS = 400  # of an offer, the newest: what it pays changes
_STRANGER = 1.0  # lines that the amounts of all offers are worth in those of one


@dataclass(frozen=True)
class Lines:
    """Of c conversions."""

    sale: Bools  # (c,) counted per click
    rebill: Bools  # (c,)
    unclicked: Bools  # (c,) set aside
    before: Ints  # (c,) line before it of the same mail, -1 = none
    first: Ints  # (c,) first line of the same mail, itself where it is that
    micros: Ints  # (c,) as approved, or as claimed while nobody has decided


def sort(of: Columns) -> Lines:
    """Which line is what."""
    count = len(of.sale_at)
    order = np.lexsort((of.sale_at, of.sale_mail))
    mail = of.sale_mail[order]
    starts = np.ones(count, dtype=bool)
    starts[1:] = (mail[1:] != mail[:-1]) | (mail[1:] < 0)
    before, first = np.full(count, -1), np.empty(count, dtype=np.int64)
    before[order[1:]] = np.where(starts[1:], -1, order[:-1])
    first[order] = order[np.maximum.accumulate(np.where(starts, np.arange(count), 0))]
    waited = np.where(before >= 0, of.sale_at - of.sale_at[before], 0.0)
    rebill = waited >= LEAST_REBILL_DAYS * DAY
    unclicked = ~rebill & ((of.sale_mail < 0) | np.isnan(of.clicked_at[of.sale_mail]))
    micros = np.where(of.provisional, of.provisional_micros, of.approved_micros)
    return Lines(~rebill & ~unclicked, rebill, unclicked, before, first, micros)


@dataclass(frozen=True)
class Kept:
    """The share of sales that is approved in the end, from those old enough to be decided."""

    hold_days: float  # age from which on a line is settled if it ever is
    kept: int
    lost: int  # taken back, turned down, or never decided

    def draws(self, count: int, random: np.random.Generator) -> Floats:
        """(count,) by Jeffreys' prior."""
        return random.beta(self.kept + 0.5, self.lost + 0.5, count)


def kept(of: Columns, lines: Lines, now: float) -> Kept | None:
    """None where fewer than FEWEST_SETTLED sales are old enough.

    A log tells whether a line is settled, not since when, so the hold is the least age from which on the settled share is all but the
    greatest there is.
    """
    sale = lines.sale
    age, settled = (now - of.sale_at[sale]) / DAY, ~of.provisional[sale]
    shares = []
    for least in range(_LONGEST_HOLD_DAYS):
        old = age >= least
        if old.sum() < FEWEST_SETTLED:
            break
        shares.append(settled[old].mean())
    if not shares or max(shares) == 0:
        return None
    hold = int(np.argmax(np.array(shares) >= _SETTLED * max(shares)))
    good = (age >= hold) & (of.approved_micros[sale] > 0)
    total = int((age >= hold).sum())
    return Kept(float(hold), int(good.sum()), total - int(good.sum()))


@dataclass(frozen=True)
class Amounts:
    """Payouts of kept sales by offer."""

    pools: tuple[Ints, ...]  # of each offer, micros
    everything: Ints  # (p,) of all offers

    def draws(self, offer: Ints, draw: Ints, count: int, random: np.random.Generator) -> Ints:
        """(m,) one amount for each conversion of `offer` in `draw`, of `count` draws.

        Within a draw an offer's amounts are a bootstrap sample of those seen, so that a mean of few is uncertain.
        """
        picked = np.empty(len(offer), dtype=np.int64)
        for position, pool in enumerate(self.pools):
            mine = np.flatnonzero(offer == position)
            if not len(mine):
                continue
            strange = random.random(len(mine)) < _STRANGER / (_STRANGER + len(pool))
            picked[mine[strange]] = random.choice(self.everything, int(strange.sum()))
            own = mine[~strange]
            if len(own):
                resampled = random.integers(0, len(pool), (count, len(pool)))
                picked[own] = pool[resampled[draw[own], random.integers(0, len(pool), len(own))]]
        return picked


def amounts(of: Columns, lines: Lines) -> Amounts:
    """Of sales that pay or may yet. Raises ValueError where none does."""
    paying = lines.sale & (lines.micros > 0)
    everything = lines.micros[paying]
    if not len(everything):
        raise ValueError("no sale pays")
    newest = np.argsort(-of.sale_at, kind="stable")
    mine = [newest[(paying & (of.sale_offer == offer))[newest]][:_MOST_AMOUNTS] for offer in range(len(of.offers))]
    return Amounts(tuple(lines.micros[some] for some in mine), everything)


@dataclass(frozen=True)
class Rebills:
    """The rebills of the coming week: b lines that may be followed by one."""

    line: Ints  # (b,) of the log's conversions
    micros: Ints  # (b,) if it comes
    came: Floats  # (b,) chances of such lines so far, as counts of a Beta distribution
    stayed_away: Floats  # (b,)

    def draws(self, count: int, random: np.random.Generator) -> Floats:
        """(count,) micros of all."""
        total = np.zeros(count)
        for micros, yes, no in zip(self.micros.tolist(), self.came.tolist(), self.stayed_away.tolist(), strict=True):
            total += micros * (random.random(count) < random.beta(yes, no, count))
        return total


def rebills(of: Columns, lines: Lines, now: float, days: int) -> Rebills:
    """Lines whose next rebill falls due within `days`. An offer's lines are followed alike; what others' are counts as one line."""
    none = np.zeros(0)
    follower = np.flatnonzero(lines.rebill)
    if not len(follower):
        return Rebills(follower, follower, none, none)
    every = float(np.median(of.sale_at[follower] - of.sale_at[lines.before[follower]]) / DAY)
    followed = np.zeros(len(of.sale_at), dtype=bool)
    followed[lines.before[follower]] = True
    could = (lines.sale | lines.rebill) & (lines.micros > 0)
    age = (now - of.sale_at) / DAY
    tried = could & (age >= every + _SLACK_DAYS)
    yes = np.bincount(of.sale_offer[tried & followed], minlength=len(of.offers)).astype(np.float64)
    no = np.bincount(of.sale_offer[tried & ~followed], minlength=len(of.offers)).astype(np.float64)
    usual = (yes.sum() + 0.5) / (yes.sum() + no.sum() + 1.0)
    part = float(np.median(lines.micros[follower] / np.maximum(lines.micros[lines.first[follower]], 1)))
    due = np.flatnonzero(could & ~followed & (age + days >= every) & (age < every))
    offer = of.sale_offer[due]
    return Rebills(
        line=due,
        micros=np.rint(lines.micros[lines.first[due]] * part).astype(np.int64),
        came=yes[offer] + usual,
        stayed_away=no[offer] + 1 - usual,
    )
