"""The nearest change of one number that turns a decision round, found by deciding again.

Nothing is approximated: what is changed is changed in what the cycle decided by, and the row goes through `decide_batch` again, with the
same draws. Each number goes away from its value step by step until the answer turns (it may turn back further out: an offer that pays
more than is allowed is closed, more mails a week are more risk), then the value is found between which and its neighbour it does
(bisection). Of all numbers that is nearest which moves by the smallest share of the larger of its old and new value.

Looked at are what a mail must beat (λ, the floor, what a mail costs), what leaving costs (the hazards of it), the offer's payout, the
runner-up's, and the limits of the rails. What no number moves (an arm, a stop, the hour, the budget) `explanation` names by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from revenue_engine.context import Cycle, CycleContext, prepare
from revenue_engine.cycle import decide_batch
from revenue_engine.records.batch import Batch
from revenue_engine.records.decisions import NONE
from revenue_engine.records.reasons import REASONS
from revenue_engine.records.subscriber import RECENT

_FARTHEST = 1_000.0  # times as much: what is further away explains nothing
_FINEST = 1e-6  # of a number that is not whole, as a share
_FROM_ZERO = 1e9  # micros; at least so far a sum is looked for, that of 0 too
_STEPS = 6  # of one ratio, to either end
_FEW = 16  # whole numbers that are all looked at
_YEAR_HOURS = 8_760


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
    most: float | None = None  # the farthest that is looked at; None: _FARTHEST times as much, or _FROM_ZERO

    def ways(self) -> Iterator[list[float]]:
        """Up and down: values further and further away, the last of them the end."""
        most = max(self.value * _FARTHEST, _FROM_ZERO) if self.most is None else max(self.most, self.value)
        start = self.value or most / _FARTHEST
        for end, last in ((float(most), most), (0.0, start / _FARTHEST)):
            if end == self.value:
                continue
            if self.whole and abs(end - self.value) <= _FEW:
                to = 1 if end > self.value else -1
                yield [float(value) for value in range(int(self.value) + to, int(end) + to, to)]
            else:
                steps = [start * (last / start) ** (n / _STEPS) for n in range(1, _STEPS)]
                yield [*(float(round(value)) if self.whole else value for value in steps), end]


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

    def by_control(name: str, whole: bool = True) -> Callable[[float], Cycle]:
        def changed(value: float) -> Cycle:
            to = round(value) if whole else value
            return replace(cycle, context=replace(context, controls=controls.model_copy(update={name: to})))

        return changed

    yield _Number("the price λ", context.price.lambda_micros, by_price)
    if context.price.kappa_micros:
        yield _Number("the price of a complaint κ", context.price.kappa_micros, by_complaints)
    yield _Number("the cost of a mail", controls.cost_per_email_micros, by_control("cost_per_email_micros"))
    floor = "min_revenue_per_email_micros"
    yield _Number("the least revenue of a mail", controls.min_revenue_per_email_micros, by_control(floor))
    for what, name, most in (
        ("the hours between mails", "min_hours_between_emails", _YEAR_HOURS),
        ("the mails in seven days", "max_emails_per_subscriber_per_week", RECENT - 1),
    ):
        yield _Number(what, getattr(controls, name), by_control(name), money=False, most=most)
    for what, name in (
        ("the most churn risk", "churn_risk_threshold"),
        ("the most complaint risk", "complaint_risk_threshold"),
        ("the least engagement", "min_engagement_score"),
    ):
        yield _Number(what, getattr(controls, name), by_control(name, whole=False), whole=False, money=False, most=1.0)
    leaving = "the chance that a mail makes people leave, times"
    yield _Number(leaving, 1.0, _by_hazard(cycle), whole=False, money=False, most=_FARTHEST)
    decisions = decide_batch(batch, cycle)
    arms = (int(decisions.arm[0]), int(decisions.runner_up[0]))
    offers = dict.fromkeys(cycle.book.arms[arm][0] for arm in arms if arm != NONE)
    for offer in offers or dict.fromkeys(offer.offer for offer in context.offers):
        payout = next(of.payout_micros for of in context.offers if of.offer == offer)
        if payout:
            # one that pays more is closed, and says nothing of what lies between
            yield _Number(f"the payout of offer {offer}", payout, _by_payout(context, offer), most=controls.max_payout_micros)


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


def _by_payout(context: CycleContext, offer: str) -> Callable[[float], Cycle]:
    def changed(micros: float) -> Cycle:
        offers = (replace(of, payout_micros=round(micros)) if of.offer == offer else of for of in context.offers)
        return prepare(replace(context, offers=tuple(offers)))

    return changed
