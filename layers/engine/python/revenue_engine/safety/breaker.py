"""When to stop what: the rates of mails sent, what they earned, and the machinery. Needs no numpy: the judge loads it every minute.

Each rate has a sequential test (`safety.sequential`) at its limit and, to warn, at half of it. The first remedy stops the offer, variant,
segment or mailbox provider that a risen rate comes from (`safety.blame`); the last one stops everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from revenue_engine.records.causes import Cause
from revenue_engine.records.controls import Controls
from revenue_engine.safety.blame import MOST_SHARE, MOST_STOPS, TAIL, Hours, Rate, Stopped, try_rate, without
from revenue_engine.safety.content import content_findings
from revenue_engine.safety.findings import Finding, Judgement, Level, Remedy
from revenue_engine.safety.health import HealthFacts, health_findings
from revenue_engine.safety.sequential import barrier, chance_above, cusum, poisson_at_least

MIN_CLICKS = 100  # below, a conversion rate says nothing worth a person's time
WELL = 0.2  # re-arm when the chance that the rate is above its limit is smaller
SICK = 0.8
TOLD_AFTER_HOURS = 6  # most complaints that come have come by then (the simulated worlds' mean)
GMAIL_TOO_MUCH = 3.0  # times the limit: at 0.1 % what its sender guidelines call never, 0.3 %
MONEY = ("reported_provisional_micros", "reported_approved_micros")  # every currency with a rate, in the org's
COMPLAINTS = "complaint_rate_exceeded"
LEVELS = {COMPLAINTS: Level.CRITICAL, "bounce_rate_exceeded": Level.WARNING, "unsubscribe_rate_exceeded": Level.WARNING}


def rates(controls: Controls) -> tuple[Rate, ...]:
    """The rates with their limits. Complaints per mail of which a complaint would be heard."""
    return (
        Rate(COMPLAINTS, "heard", "complaints", controls.max_complaint_rate),
        Rate("bounce_rate_exceeded", "sent", "bounces", controls.max_bounce_rate),
        Rate("unsubscribe_rate_exceeded", "sent", "unsubscribes", controls.max_unsubscribe_rate),
    )


def judge(
    hours: Hours,
    controls: Controls,
    health: HealthFacts,
    *,
    days: float = 1.0,
    stopped: Stopped | None = None,
    lately: int = 0,
    gmail: Sequence[tuple[float, float]] = (),
    gmail_variants: Mapping[Cause, float] | None = None,
    earned: Hours | None = None,
    without_mail: Collection[Cause] = (),
) -> Judgement:
    """What to stop and what to tell.

    Parameters
    ----------
    hours
        Counters by hour of the mails judged, oldest first; hours without any may be left out.
    days
        That they span.
    stopped
        Causes out already, with the position in `hours` of the first hour that they had no part in.
    lately
        How many of them were stopped within the window: when they are many, one more means that it is not the causes.
    gmail
        (mails, complaints) of each day that Gmail's Postmaster Tools have told of.
    gmail_variants
        The share of mails reported as spam by variant, where Gmail tells of it: it does so only for what it saw much of.
    earned
        Hours whose money is held against their mails; the same when left out. Money lags, so they may hold older mails.
    without_mail
        Variants out because no mails could be made of them: nothing that came of mails is theirs.
    """
    days, stopped = max(days, 1.0), stopped or {}
    may_stop = lately < MOST_STOPS
    findings: list[Finding] = []
    for rate in rates(controls):
        findings += _rate_findings(hours, rate, stopped, days, may_stop)
    findings += _gmail_findings(gmail, hours, controls, stopped)
    findings += _gmail_variants(gmail_variants or {}, hours, controls, stopped)
    findings += content_findings(hours, without_mail)
    findings += health_findings(health, controls)
    findings += _money_findings(hours if earned is None else earned, controls, stopped)
    complained = any(f.name == COMPLAINTS and f.remedy is Remedy.STOP_ALL for f in findings)
    return Judgement(tuple(findings), controls.human_closes_complaint_trips and complained)


def _rate_findings(hours: Hours, rate: Rate, stopped: Stopped, days: float, may_stop: bool) -> list[Finding]:
    verdict = try_rate(hours, rate, stopped=stopped, days=days, may_stop=may_stop)
    level = LEVELS[rate.name]
    if verdict.all_stop or verdict.cause is not None:
        remedy = Remedy.STOP_ALL if verdict.all_stop else Remedy.STOP_CAUSE
        cause = verdict.cause
        return [Finding(rate.name, remedy, level, verdict.observed, rate.limit, verdict.score, verdict.barrier, cause)]
    rest = without(hours, rate, stopped)
    mails = sum(m for m, _ in rest)
    half = rate.limit / 2
    score, high = cusum(rest, half), barrier(mails / days, half)
    if score < high:
        return []
    return [Finding(rate.name, Remedy.TELL, Level.WARNING, verdict.observed, half, score, high)]


def _gmail_findings(told: Sequence[tuple[float, float]], hours: Hours, controls: Controls, stopped: Stopped) -> list[Finding]:
    """Gmail's own figures: a day's share of mails reported as spam, at the limit that holds for all."""
    cause, limit = Cause("provider", "gmail"), controls.max_complaint_rate
    mails = sum(m for m, _ in told)
    if not mails or cause in stopped:
        return []
    observed = sum(e for _, e in told) / mails
    for at, remedy, level in ((limit, Remedy.STOP_CAUSE, Level.CRITICAL), (limit / 2, Remedy.TELL, Level.WARNING)):
        score, high = cusum(told, at), barrier(mails / len(told), at)
        if score >= high:
            sent = sum(counted.get("sent", 0) for counted in hours)
            theirs = sum(counted.get(cause.counter("sent"), 0) for counted in hours)
            if remedy is Remedy.STOP_CAUSE and theirs > MOST_SHARE * sent:
                remedy = Remedy.STOP_ALL
            return [Finding(COMPLAINTS, remedy, level, observed, at, score, high, cause)]
    return []


def _gmail_variants(told: Mapping[Cause, float], hours: Hours, controls: Controls, stopped: Stopped) -> list[Finding]:
    """The worst of them, when it is beyond what Gmail itself calls too much."""
    limit = GMAIL_TOO_MUCH * controls.max_complaint_rate
    total = _total(hours)
    worst = max(((ratio, cause) for cause, ratio in told.items() if cause not in stopped), default=None)
    if worst is None or worst[0] <= limit or not 0 < total[worst[1].counter("sent")] <= MOST_SHARE * total["sent"]:
        return []
    return [Finding(COMPLAINTS, Remedy.STOP_CAUSE, Level.CRITICAL, worst[0], limit, cause=worst[1])]


def _money_findings(hours: Hours, controls: Controls, stopped: Stopped) -> list[Finding]:
    """Too good to be true stops (a broken or forged postback feed teaches nonsense); too poor stops an offer, but never everything."""
    total = _total(hours)
    offers = sorted(name.removeprefix("sent@") for name in total if name.startswith("sent@"))
    out = {cause.name for cause in stopped if cause.kind == "offer"}
    found = _too_much(total, [o for o in offers if o not in out], sorted(out), controls.max_revenue_per_email_micros)
    expected = controls.min_conversion_rate
    if not expected:
        return found
    name = "conversion_rate_too_low"
    for offer in (o for o in offers if o not in out):
        clicks, conversions = total[f"clicked_mails@{offer}"], total[f"conversions@{offer}"]
        if _too_few(conversions, clicks, expected, TAIL / len(offers)) and total[f"sent@{offer}"] <= MOST_SHARE * total["sent"]:
            cause = Cause("offer", offer)
            found.append(Finding(name, Remedy.STOP_CAUSE, Level.WARNING, conversions / clicks, expected, cause=cause))
    if _too_few(total["conversions"], total["clicked_mails"], expected, TAIL):
        found.append(Finding(name, Remedy.TELL, Level.WARNING, total["conversions"] / total["clicked_mails"], expected))
    return found


def _too_much(total: Counter[str], offers: list[str], out: list[str], most: int) -> list[Finding]:
    """More revenue per mail than the limit: of one offer, whose rest is well, or of all."""

    def revenue(suffix: str = "") -> int:
        return sum(total[name + suffix] for name in MONEY)

    name = "revenue_per_email_exceeded"
    sent = total["sent"] - sum(total[f"sent@{offer}"] for offer in out)
    earned = revenue() - sum(revenue(f"@{offer}") for offer in out)
    if not sent or earned <= most * sent:
        return []
    for offer in sorted(offers, key=lambda o: -revenue(f"@{o}")):
        own = total[f"sent@{offer}"]
        if own <= MOST_SHARE * sent and earned - revenue(f"@{offer}") <= most * (sent - own):
            each = revenue(f"@{offer}") / max(own, 1)
            return [Finding(name, Remedy.STOP_CAUSE, Level.CRITICAL, each, most, cause=Cause("offer", offer))]
    return [Finding(name, Remedy.STOP_ALL, Level.CRITICAL, earned / sent, most)]


def _too_few(conversions: int, clicks: int, expected: float, tail: float) -> bool:
    return clicks >= MIN_CLICKS and 1.0 - poisson_at_least(conversions + 1, expected * clicks) < tail


def _total(hours: Hours) -> Counter[str]:
    total: Counter[str] = Counter()
    for counted in hours:
        total.update(counted)
    return total


def trial_verdict(hours: Hours, judgement: Judgement, controls: Controls, *, reason: str, young: int = 0) -> str:
    """What a trickle has shown: healthy | sick | undecided.

    Healthy needs mails that left, nothing found that stops, and of the rate that tripped less than a fifth of a chance that it is
    above its limit (notes: the Gamma posterior). Sick is four fifths of it. Between them the trickle goes on.

    `young`: how many of the newest hours are of mails that hardly anybody can have complained about yet (`TOLD_AFTER_HOURS`). That they
    are silent is no proof of a complaint rate that is well.
    """
    if judgement.trip:
        return "sick"
    total = _total(hours)
    if not total["sent"]:
        return "undecided"
    for rate in rates(controls):
        if rate.name == reason:
            above = chance_above(total[rate.events], total[rate.mails], rate.limit)
            if above > SICK:
                return "sick"
            told = total if reason != COMPLAINTS else _total(hours[: len(hours) - young])
            return "healthy" if chance_above(total[rate.events], told[rate.mails], rate.limit) < WELL else "undecided"
    return "healthy"
