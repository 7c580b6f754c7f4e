"""The nearest change of one number that turns a decision round, found by deciding again.

Nothing is approximated: what is changed is changed in what the cycle decided by, and the row goes through `decide_batch` again, with the
same draws. Each number goes away from its value step by step until the answer turns (it may turn back further out: an offer that pays
more than is allowed is closed, more mails a week are more risk, a tree knows ranges of payouts; what turns and turns back between two
steps is not seen), then the value is found between which and its neighbour it does (bisection). Of all numbers that is nearest which
moves by the smallest share of the larger of its old and new value.

Looked at are what a mail must beat (λ, the floor, what a mail costs), what leaving costs (the hazards of it), the payout of every offer
the reader may get (a third one's moves the votes of the chosen one, too), and the limits of the rails, as far as an operator may set
them. What no number moves (an arm, a stop, the hour, the budget) `explanation` names by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from revenue_engine.context import Cycle, CycleContext, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.prospects import offers_open
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Controls
from revenue_engine.records.decisions import NONE
from revenue_engine.records.reasons import REASONS

_FARTHEST = 1_000.0  # times as much: what is further away explains nothing
_FINEST = 1e-6  # of a number that is not whole, as a share
_FROM_ZERO = 1e9  # micros; at least so far a sum is looked for, that of 0 too
_NEAR = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # shares away that are looked at first: trees turn and turn back
_STEPS = 6  # then of one ratio, to either end
_FEW = 16  # whole numbers that are all looked at
_CONTROLS = Controls.model_json_schema()["properties"]  # with their bounds


@dataclass(frozen=True, slots=True)
class Flip:
    """One number of a decision and where its answer changes."""

    what: str
    money: bool  # both are micros
    before: float
    after: float  # the value with which it comes out otherwise
    short_of: float  # the value next to it with which it does not
    becomes: str  # what comes out: a reason, or an offer
    changed: Callable[[float], Cycle]  # the cycle with any value of this number

    @property
    def share(self) -> float:
        """How far away it is, of the larger of both values."""
        return _apart(self.after, self.before)


@dataclass(frozen=True, slots=True)
class _Number:
    what: str
    value: float
    changed: Callable[[float], Cycle]
    whole: bool = True
    money: bool = True
    least: float = 0.0
    most: float | None = None  # the farthest that is looked at; None: _FARTHEST times as much, or _FROM_ZERO

    def ways(self) -> Iterator[list[float]]:
        """Up and down: values further and further away, the last of them the end."""
        most = max(self.value * _FARTHEST, _FROM_ZERO) if self.most is None else max(self.most, self.value)
        start = self.value or most / _FARTHEST
        for end, last in ((float(most), most), (self.least, self.least or start / _FARTHEST)):
            if end == self.value:
                continue
            if self.whole and abs(end - self.value) <= _FEW:
                to = 1 if end > self.value else -1
                yield [float(value) for value in range(int(self.value) + to, int(end) + to, to)]
            else:
                near = [self.value / (1 - share) if end > self.value else self.value * (1 - share) for share in _NEAR]
                steps = [*near, *(start * (last / start) ** (n / _STEPS) for n in range(1, _STEPS))]
                between = {value for value in map(self._rounded, steps) if self.value < value < end or end < value < self.value}
                yield [*sorted(between, reverse=end < self.value), end]

    def _rounded(self, value: float) -> float:
        return float(round(value)) if self.whole else value


def nearest_flip(batch: Batch, context: CycleContext) -> Flip | None:
    """Of the one row of a batch; None where no number turns its decision round alone.

    A send turns into no mail or into another offer's, a skip into a mail or a ghost's.
    """
    cycle = prepare(context)
    before = _outcome(batch, cycle)
    nearest: Flip | None = None
    for number in _numbers(batch, cycle):
        for way in number.ways():
            found = _first(number, way, batch, before, within=float("inf") if nearest is None else nearest.share)
            nearest = found or nearest
    return nearest


def _outcome(batch: Batch, cycle: Cycle) -> str:
    """Which offer's mail, or why none."""
    decisions = decide_batch(batch, cycle)
    arm = int(decisions.arm[0])
    return REASONS[int(decisions.reason[0])] if arm == NONE else f"offer {cycle.book.arms[arm][0]}"


def _first(number: _Number, way: list[float], batch: Batch, before: str, *, within: float) -> Flip | None:
    """The first turn on the way, None where there is none or it is no nearer than `within`, a share."""
    mailed = before.startswith("offer ")

    def turned(value: float) -> str | None:
        after = _outcome(batch, number.changed(value))
        return after if after != before and (mailed or after.startswith("offer ")) else None

    same = number.value
    for other in way:
        if _apart(number.value, same) >= within:
            return None
        if turned(other) is not None:
            break
        same = other
    else:
        return None
    while abs(other - same) > (1.0 if number.whole else _FINEST * abs(number.value)):
        if _apart(number.value, same) >= within:
            return None
        middle = (same + other) / 2
        middle = float(round(middle)) if number.whole else middle
        if middle in (same, other):
            break
        same, other = (middle, other) if turned(middle) is None else (same, middle)
    if _apart(number.value, other) >= within:
        return None
    becomes = turned(other)
    assert becomes is not None
    return Flip(number.what, number.money, number.value, other, same, becomes, number.changed)


def _apart(one: float, other: float) -> float:
    """The difference as a share of the larger."""
    return abs(one - other) / max(abs(one), abs(other)) if one != other else 0.0


def _numbers(batch: Batch, cycle: Cycle) -> Iterator[_Number]:
    context, controls = cycle.context, cycle.context.controls

    def by_price(micros: float) -> Cycle:
        return replace(cycle, context=replace(context, price=replace(context.price, lambda_micros=round(micros))))

    def by_complaints(micros: float) -> Cycle:
        return replace(cycle, context=replace(context, price=replace(context.price, kappa_micros=round(micros))))

    def by_control(what: str, name: str, *, whole: bool = True, money: bool = False) -> _Number:
        """As far as an operator may set it."""

        def changed(value: float) -> Cycle:
            to = round(value) if whole else value
            return replace(cycle, context=replace(context, controls=controls.model_copy(update={name: to})))

        value, bounds = getattr(controls, name), _CONTROLS[name]
        most = min(bounds["maximum"], max(value * _FARTHEST, _FROM_ZERO)) if money else bounds["maximum"]
        return _Number(what, value, changed, whole, money, bounds["minimum"], most)

    yield _Number("the price λ", context.price.lambda_micros, by_price)
    if context.price.kappa_micros:
        yield _Number("the price of a complaint κ", context.price.kappa_micros, by_complaints)
    yield by_control("the cost of a mail", "cost_per_email_micros", money=True)
    yield by_control("the least revenue of a mail", "min_revenue_per_email_micros", money=True)
    yield by_control("the hours between mails", "min_hours_between_emails")
    yield by_control("the mails in seven days", "max_emails_per_subscriber_per_week")
    yield by_control("the most churn risk", "churn_risk_threshold", whole=False)
    yield by_control("the most complaint risk", "complaint_risk_threshold", whole=False)
    yield by_control("the least engagement", "min_engagement_score", whole=False)
    leaving = "the chance that a mail makes people leave, times"
    yield _Number(leaving, 1.0, _by_hazard(cycle), whole=False, money=False, most=_FARTHEST)
    for offer in itertools.compress(cycle.book.offers, offers_open(batch, cycle)[0]):
        if offer.payout_micros:
            # one that pays more is closed, and says nothing of what lies between
            paid = f"the payout of offer {offer.offer}", offer.payout_micros, _by_payout(cycle, offer.offer)
            yield _Number(*paid, most=controls.max_payout_micros)


def _by_hazard(cycle: Cycle) -> Callable[[float], Cycle]:
    """All hazards of leaving, opting out and complaining, times this; chances end at 1."""
    context, rates = cycle.context, cycle.context.bundle.rates

    def changed(times: float) -> Cycle:
        hazards = {
            name: {segment: min(chance * times, 1.0) for segment, chance in getattr(rates, name).items()}
            for name in ("unsubscribe_hazard", "complaint_hazard")
        }
        parts = replace(context.bundle.parts, rates=rates.model_copy(update=hazards))
        return replace(cycle, context=replace(context, bundle=replace(context.bundle, parts=parts)))

    return changed


def _by_payout(cycle: Cycle, offer: str) -> Callable[[float], Cycle]:
    def changed(micros: float) -> Cycle:
        offers = (replace(of, payout_micros=round(micros)) if of.offer == offer else of for of in cycle.context.offers)
        return prepare(replace(cycle.context, offers=tuple(offers)), factors=cycle.factors)

    return changed
