"""The nearest change of one number that turns a decision round, found by deciding again.

Nothing is approximated: what is changed is changed in what the cycle decided by, and the row goes through `decide_batch` again, with the
same draws. Of each number the value is found between which and its neighbour the answer changes (bisection), and of all numbers that
is nearest which moves by the smallest share of the larger of its old and new value.

Looked at are what a mail must beat (λ, the floor, what a mail costs), what leaving costs (the hazard of it), the offer's payout, the
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
_FROM_ZERO = 1e9  # micros; where a number that was 0 is looked for
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
        return abs(self.after - self.before) / max(abs(self.after), abs(self.before))


@dataclass(frozen=True, slots=True)
class _Number:
    what: str
    value: float
    changed: Callable[[float], Cycle]
    whole: bool = True
    money: bool = True
    most: float | None = None  # the farthest that is looked at; None: _FARTHEST times as much


def nearest_flip(batch: Batch, context: CycleContext) -> Flip | None:
    """Of the one row of a batch; None where no number turns its decision round alone.

    A send turns into no mail or into another offer's, a skip into a mail or a ghost's.
    """
    cycle = prepare(context)
    before = _outcome(batch, cycle)
    found = [flip for number in _numbers(batch, cycle) for flip in _flips(number, batch, before)]
    return min(found, key=lambda flip: flip.share, default=None)


def _outcome(batch: Batch, cycle: Cycle) -> str:
    """Which offer's mail, or why none."""
    decisions = decide_batch(batch, cycle)
    arm = int(decisions.arm[0])
    return REASONS[int(decisions.reason[0])] if arm == NONE else f"offer {cycle.book.arms[arm][0]}"


def _flips(number: _Number, batch: Batch, before: str) -> Iterator[Flip]:
    """Above its value and below it."""
    mailed = before.startswith("offer ")

    def turned(value: float) -> str | None:
        after = _outcome(batch, number.changed(value))
        return after if after != before and (mailed or after.startswith("offer ")) else None

    most = number.most if number.most is not None else number.value * _FARTHEST if number.value else _FROM_ZERO
    for end in (most, 0.0):
        if end == number.value or turned(end) is None:
            continue
        same, other = number.value, end
        while abs(other - same) > (1.0 if number.whole else _FINEST * abs(number.value)):
            middle = (same + other) / 2
            middle = float(round(middle)) if number.whole else middle
            if middle in (same, other):
                break
            same, other = (middle, other) if turned(middle) is None else (same, middle)
        becomes = turned(other)
        assert becomes is not None
        yield Flip(number.what, number.money, number.value, other, same, becomes, number.changed)


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
    yield _Number("the chance that a mail makes people leave, times", 1.0, _by_hazard(cycle), whole=False, money=False)
    decisions = decide_batch(batch, cycle)
    arms = (int(decisions.arm[0]), int(decisions.runner_up[0]))
    offers = dict.fromkeys(cycle.book.arms[arm][0] for arm in arms if arm != NONE)
    for offer in offers or dict.fromkeys(offer.offer for offer in context.offers):
        payout = next(of.payout_micros for of in context.offers if of.offer == offer)
        if payout:
            yield _Number(f"the payout of offer {offer}", payout, _by_payout(context, offer))


def _by_hazard(cycle: Cycle) -> Callable[[float], Cycle]:
    """All hazards of leaving, times this; chances end at 1."""
    context, rates = cycle.context, cycle.context.bundle.rates

    def changed(times: float) -> Cycle:
        hazards = {segment: min(chance * times, 1.0) for segment, chance in rates.unsubscribe_hazard.items()}
        parts = replace(context.bundle.parts, rates=rates.model_copy(update={"unsubscribe_hazard": hazards}))
        return replace(cycle, context=replace(context, bundle=replace(context.bundle, parts=parts)))

    return changed


def _by_payout(context: CycleContext, offer: str) -> Callable[[float], Cycle]:
    def changed(micros: float) -> Cycle:
        offers = (replace(of, payout_micros=round(micros)) if of.offer == offer else of for of in context.offers)
        return prepare(replace(context, offers=tuple(offers)))

    return changed
